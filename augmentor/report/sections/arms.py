"""How the arms did on unseen patients: dot plots first, then every number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.benchmarking.arms import BASELINE
from augmentor.report import legend, numbers
from augmentor.report.blocks import Block, Folded, Part, Picture, Section, Terms, Text, TextTable, named
from augmentor.report.drawing import dots
from augmentor.report.drawing.pictures import chart, described
from augmentor.report.sources import Benchmark, Sources

METRICS = ["sensitivity", "specificity", "balanced_accuracy", "accuracy", "auc", "brier", "ece"]
VERDICTS = {"none": "not shown to differ"}


def arms(sources: Sources, out: Path) -> Section | None:
    blocks = [block for benchmark in sources.benchmarks for block in _of(benchmark, out)]
    if meanings := legend.explained(arm for b in sources.benchmarks for arm in _arms(b)["arm"]):
        blocks.append(Part("What each arm is", [Terms(meanings)]))
    blocks += [Part(b.titled("Every number"), _numbers(b)) for b in sources.benchmarks]
    return Section("Results on unseen patients", blocks) if blocks else None


def _arms(benchmark: Benchmark) -> pd.DataFrame:
    return pd.DataFrame(benchmark.summary["arms"])


def _of(benchmark: Benchmark, out: Path) -> list[Block]:
    metric = benchmark.summary["metric"]
    drawn = [_dots(benchmark, out, metric), _gains(benchmark, out, metric)]
    return named(benchmark.name, [picture for picture in drawn if picture])


def _dots(benchmark: Benchmark, out: Path, metric: str) -> Picture:
    rows = _arms(benchmark)
    rows = rows[rows["metric"] == metric]
    name = numbers.words(metric)
    dashed = f"; the dashed line is {BASELINE} augmentation" if BASELINE in set(rows["arm"]) else ""
    return chart(
        lambda columns: dots.arms_plot(rows, metric, columns),
        benchmark.figure(out, "arms"),
        rows,
        alt=f"Dot plot: {name.lower()} of {described(rows)}, with 95 % intervals.",
        caption=f"{name} of every arm, on patients that neither the GAN nor the classifier has seen. A bar is the "
        f"95\N{NO-BREAK SPACE}% interval over patients{dashed}.",
    )


def _gains(benchmark: Benchmark, out: Path, metric: str) -> Picture | None:
    """None where nothing was compared to classic, or not in this metric."""
    rows = [row for row in benchmark.summary["comparisons"] if row["metric"] == metric]
    if not rows:
        return None
    table, name = pd.DataFrame(rows), numbers.words(metric)
    return chart(
        lambda columns: dots.difference_plot(table, columns),
        benchmark.figure(out, "difference"),
        table,
        alt=f"Dot plot: {name.lower()} minus {BASELINE} of {described(table)}, with 95 % intervals.",
        caption=f"{name} of every arm minus that of {BASELINE} augmentation, in percentage points. "
        "Right of the dashed line an arm is better; a bar that crosses it leaves the sign open. A bar is the "
        "95\N{NO-BREAK SPACE}% interval, at the level of its own test (Holm).",
    )


def _numbers(benchmark: Benchmark) -> list[Block]:
    """The metric of the verdict and its comparisons open, the rest folded."""
    summary = benchmark.summary
    compared = comparison_tables(pd.DataFrame(summary["comparisons"]), summary["metric"])
    by_class = class_tables(summary["classes"])
    second = [by_patient_table(summary["by_patient"], summary["metric"]), mcnemar_table(summary["mcnemar"])]
    folded: list[tuple[str, list[TextTable | None]]] = [
        ("Comparisons in the other metrics", [*compared[1:]]),
        ("Sensitivity and specificity of each class", [*by_class]),
        ("Second opinions", second),
        ("What arm auto chose", [choices_table(summary["choices"])]),
    ]
    found: list[Block] = [arms_table(_arms(benchmark)), *compared[:1]]
    if not compared:
        found.append(Text(f"Nothing was compared: {_why_not(benchmark)}."))
    for title, parts in folded:
        known: list[Block] = [part for part in parts if part]
        if known:
            found.append(Folded(title, known))
    return found


def _why_not(benchmark: Benchmark) -> str:
    """Why no arm was compared to classic: one of the two was not run, or what failed left no pair."""
    run = {*benchmark.summary["recipe"]["benchmark"]["arms"], *_arms(benchmark)["arm"]}
    if BASELINE not in run:
        return f"the arm {BASELINE} was not run"
    if run == {BASELINE}:
        return f"{BASELINE} is the only arm that was run"
    return f"no classifier has cells of both {BASELINE} and another arm that did not fail"


def arms_table(arms: pd.DataFrame) -> TextTable:
    metrics = [metric for metric in METRICS if metric in set(arms["metric"])]
    groups: dict[str, list[list[str]]] = {}
    for (classifier, arm), rows in arms.groupby(["classifier", "arm"], sort=False):
        by_metric = {row["metric"]: numbers.interval(row) for row in rows.to_dict("records")}
        cells = [by_metric.get(metric, numbers.UNKNOWN) for metric in metrics]
        groups.setdefault(str(classifier), []).append([_with_failures(str(arm), rows.iloc[0].get("failed")), *cells])
    caption = (
        "All test lesions together (AUC: the mean over folds and seeds), and the 95 % interval over patients; "
        "sensitivity and specificity are means over classes. The difference of an arm is a mean over test sets, so it "
        "is not always that of two rows here."
    )
    if numbers.NO_SHARES & set(metrics):
        caption += " Of the Brier score (0 to 2) and the calibration error (0 to 1), lower is better."
    if "failed" in arms:
        caption += " An arm with cells that failed was tested on fewer lesions than the others: compare it by its "
        caption += "difference."
    return TextTable(caption, ["Arm", *map(numbers.words, metrics)], groups)


def _with_failures(arm: str, failed: float | None) -> str:
    return f"{arm}, {failed:.0f} cell{'' if failed == 1 else 's'} failed" if numbers.known(failed) else arm


def comparison_tables(comparisons: pd.DataFrame, metric: str) -> list[TextTable]:
    """One table a metric, the one that the verdict is about first."""
    found = set(comparisons["metric"]) if len(comparisons) else set()
    ordered = [metric, *(name for name in METRICS if name != metric)]
    return [_comparison_table(comparisons[comparisons["metric"] == name], name) for name in ordered if name in found]


def _comparison_table(comparisons: pd.DataFrame, metric: str) -> TextTable:
    groups: dict[str, list[list[str]]] = {}
    for row in comparisons.to_dict("records"):
        detectable = numbers.size(row["detectable"], metric)
        verdict = VERDICTS.get(row["verdict"], row["verdict"])
        cells = [row["arm"], numbers.difference(row), numbers.probability(row["p"]), detectable, verdict]
        groups.setdefault(row["classifier"], []).append(cells)
    heads = ["Arm", "Difference (95 % interval)", "p", "Smallest detectable difference", "Verdict"]
    unit = "lower is better" if metric in numbers.NO_SHARES else "in percentage points"
    caption = (
        f"{numbers.words(metric)}: difference to {BASELINE}, {unit}. p is corrected for the number of comparisons "
        "(Holm), and an interval stands at the level of its own test: it leaves out zero where there is a verdict, but "
        "several such intervals together are less sure than 95 %."
    )
    return TextTable(caption, heads, groups)


def class_tables(classes: list[dict[str, Any]]) -> list[TextTable]:
    """Sensitivity and specificity of each class against the rest: one table a classifier, one group a class."""
    tables: dict[str, TextTable] = {}
    rows: dict[tuple[str, str, str], list[str]] = {}
    for found in classes:
        classifier, label, arm = found["classifier"], found["class"], found["arm"]
        caption = f"{classifier}: each class against the rest, 95 % interval over patients"
        table = tables.setdefault(classifier, TextTable(caption, ["Arm", "Sensitivity", "Specificity"], {}))
        if (classifier, label, arm) not in rows:
            rows[classifier, label, arm] = [arm, numbers.UNKNOWN, numbers.UNKNOWN]
            table.groups.setdefault(label, []).append(rows[classifier, label, arm])
        rows[classifier, label, arm][1 + (found["metric"] == "specificity")] = numbers.interval(found)
    return list(tables.values())


def by_patient_table(differences: list[dict[str, Any]], metric: str) -> TextTable | None:
    """The differences in one metric."""
    groups: dict[str, list[list[str]]] = {}
    for row in differences:
        if row["metric"] == metric:
            groups.setdefault(row["classifier"], []).append([row["arm"], numbers.difference(row)])
    caption = (
        f"{numbers.words(metric)}: difference to {BASELINE} on all test lesions together, and its 95 % interval over "
        "patients drawn with replacement. It says what other test patients would change, and little of what training "
        "again would; it is not corrected for the number of comparisons, and no verdict rests on it."
    )
    return TextTable(caption, ["Arm", "Difference (95 % interval)"], groups) if groups else None


def mcnemar_table(tests: list[dict[str, Any]]) -> TextTable | None:
    if not tests:
        return None
    groups: dict[str, list[list[str]]] = {}
    for test in tests:
        counts = [str(test["only_arm_right"]), str(test["only_baseline_right"])]
        groups.setdefault(test["classifier"], []).append([test["arm"], *counts, numbers.probability(test["p"])])
    heads = ["Arm", "Lesions that only it called right", f"Lesions that only {BASELINE} called right", "p"]
    caption = (
        "McNemar's exact test on all test lesions together. It counts lesions of one patient as independent and is "
        "not corrected for the number of comparisons, so that its p is rather too small; no verdict rests on it."
    )
    return TextTable(caption, heads, groups)


def choices_table(choices: list[dict[str, Any]]) -> TextTable | None:
    """What arm `auto` chose."""
    if not choices:
        return None
    groups: dict[str, list[list[str]]] = {}
    for choice in choices:
        plan = "no synthetic lesions" if choice["plan"] == "none" else choice["plan"]
        groups.setdefault(choice["classifier"], []).append([plan, str(choice["cells"])])
    return TextTable("Chosen on held-out training patients of each fold", ["Plan", "Folds and seeds"], groups)
