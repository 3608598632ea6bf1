"""The tables of a page: numbers to text, and nothing measured for what is not there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from augmentor.benchmarking.arms import ARMS, BASELINE
from augmentor.report import numbers
from augmentor.report.blocks import Table
from augmentor.training.run import Run

METRICS = ["sensitivity", "specificity", "balanced_accuracy", "accuracy", "auc", "brier", "ece"]
_AUTO = {name for name, arm in ARMS.items() if arm.auto}
VERDICTS = {"none": "not shown to differ"}


def arms_table(arms: pd.DataFrame) -> Table:
    metrics = [metric for metric in METRICS if metric in set(arms["metric"])]
    groups: dict[str, list[list[str]]] = {}
    for (classifier, arm), rows in arms.groupby(["classifier", "arm"], sort=False):
        by_metric = {row["metric"]: numbers.interval(row) for row in rows.to_dict("records")}
        cells = [by_metric.get(metric, numbers.UNKNOWN) for metric in metrics]
        groups.setdefault(str(classifier), []).append([_with_failures(str(arm), rows.iloc[0].get("failed")), *cells])
    caption = "Mean and 95 % interval over patients; sensitivity and specificity are means over classes."
    if numbers.NO_SHARES & set(metrics):
        caption += " Of the Brier score (0 to 2) and the calibration error (0 to 1), lower is better."
    if "failed" in arms:
        caption += " An arm with cells that failed was tested on fewer lesions than the others: compare it by its "
        caption += "difference."
    return Table(caption, ["Arm", *map(numbers.words, metrics)], groups)


def _with_failures(arm: str, failed: float | None) -> str:
    return f"{arm}, {failed:.0f} cell{'' if failed == 1 else 's'} failed" if numbers.known(failed) else arm


def comparison_tables(comparisons: pd.DataFrame, metric: str) -> list[Table]:
    """One table a metric, the one that the verdict is about first."""
    found = set(comparisons["metric"]) if len(comparisons) else set()
    ordered = [metric, *(name for name in METRICS if name != metric)]
    return [_comparison_table(comparisons[comparisons["metric"] == name], name) for name in ordered if name in found]


def _comparison_table(comparisons: pd.DataFrame, metric: str) -> Table:
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
    return Table(caption, heads, groups)


def class_tables(classes: list[dict[str, Any]]) -> list[Table]:
    """Sensitivity and specificity of each class against the rest: one table a classifier, one group a class."""
    tables: dict[str, Table] = {}
    rows: dict[tuple[str, str, str], list[str]] = {}
    for found in classes:
        classifier, label, arm = found["classifier"], found["class"], found["arm"]
        caption = f"{classifier}: each class against the rest, 95 % interval over patients"
        table = tables.setdefault(classifier, Table(caption, ["Arm", "Sensitivity", "Specificity"], {}))
        if (classifier, label, arm) not in rows:
            rows[classifier, label, arm] = [arm, numbers.UNKNOWN, numbers.UNKNOWN]
            table.groups.setdefault(label, []).append(rows[classifier, label, arm])
        rows[classifier, label, arm][1 + (found["metric"] == "specificity")] = numbers.interval(found)
    return list(tables.values())


def by_patient_table(differences: list[dict[str, Any]], metric: str) -> Table | None:
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
    return Table(caption, ["Arm", "Difference (95 % interval)"], groups) if groups else None


def mcnemar_table(tests: list[dict[str, Any]]) -> Table | None:
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
    return Table(caption, heads, groups)


def choices_table(choices: list[dict[str, Any]]) -> Table | None:
    """What arm `auto` chose."""
    if not choices:
        return None
    groups: dict[str, list[list[str]]] = {}
    for choice in choices:
        plan = "no synthetic lesions" if choice["plan"] == "none" else choice["plan"]
        groups.setdefault(choice["classifier"], []).append([plan, str(choice["cells"])])
    return Table("Chosen on held-out training patients of each fold", ["Plan", "Folds and seeds"], groups)


def failed_table(failed: list[dict[str, Any]], caption: str) -> Table:
    rows = [
        [
            cell["arm"],
            cell["classifier"],
            str(cell["fold"]),
            str(cell["seed"]),
            _factor(cell["arm"], cell["factor"], "g"),
            _per_class(cell),
            numbers.first_line(cell["error"]),
        ]
        for cell in failed
    ]
    heads = ["Arm", "Classifier", "Fold", "Seed", "Factor", "Real lesions a class", "Error"]
    return Table(caption, heads, {"": rows})


def fits_table(fits: list[dict[str, Any]], caption: str) -> Table | None:
    """A GAN that failed has its error where the others have their discrimination."""
    if not fits:
        return None
    rows = [
        [
            fit["run"],
            str(fit["fold"]),
            str(fit["seed"]),
            _per_class(fit),
            numbers.number(fit.get("kimg"), ".1f"),
            numbers.duration(fit.get("seconds")),
            f"failed: {numbers.first_line(fit['error'])}"
            if fit.get("error")
            else numbers.number(fit.get("discrimination"), ".2f"),
        ]
        for fit in fits
    ]
    heads = ["Run", "Fold", "Seed", "Real lesions a class", "Thousand images shown", "Time", "Discrimination"]
    return Table(caption, heads, {"": rows})


def classes_table(data: dict[str, Any]) -> Table:
    rows = [[name, str(count["images"]), str(count["patients"])] for name, count in data["classes"].items()]
    rows.append(["all", str(data["images"]), str(data["patients"])])
    return Table("Real lesions by class", ["Class", "Images", "Patients"], {"": rows})


def folds_table(data: dict[str, Any]) -> Table:
    columns = ["train_images", "test_images", "train_patients", "test_patients"]
    rows = [[str(fold["fold"]), *(str(fold[column]) for column in columns)] for fold in data["folds"]]
    heads = ["Fold", "Training images", "Test images", "Training patients", "Test patients"]
    return Table("Folds; no patient is on both sides", heads, {"": rows})


def sides_table(run: Run) -> Table:
    """Images and patients of a run's two sides."""
    sides = {"trained on": run.training.per_class(), "held out": run.held_out.per_class()}
    heads = ["Class", *(f"{what}, {side}".capitalize() for side in sides for what in ("images", "patients"))]
    labels = sorted({*run.training.classes, *run.held_out.classes})
    rows = [
        [label, *(str(counts[what].get(label, 0)) for counts in sides.values() for what in ("images", "patients"))]
        for label in labels
    ]
    return Table("No patient is on both sides", heads, {"": rows})


def fit_table(summary: dict[str, Any]) -> Table:
    """How a fit ended; what its run.json does not record is left out."""
    rows = [
        ["Thousand images shown", numbers.number(summary.get("kimg"), ".1f")],
        ["Steps", str(summary.get("steps", numbers.UNKNOWN))],
        ["Time of training", numbers.duration(summary.get("seconds"))],
        ["Snapshot", f"{summary.get('chosen', 'none yet')}, {summary.get('chosen_because', 'the fit has not ended')}"],
    ]
    if moved := summary.get("lesions_moved"):
        rows.append(["Training lesions are moved", moved])
    return Table("How the fit ended", ["What", "Value"], {"": rows + _circumstances(summary)})


def sets_table(results: pd.DataFrame) -> Table:
    means = results.groupby("arm", sort=False)[["factor", "n_real", "n_synthetic"]].mean()
    rows = [
        [
            str(arm),
            _factor(str(arm), row["factor"], ".3g"),
            numbers.number(row["n_real"], ".0f"),
            numbers.number(row["n_synthetic"], ".0f"),
        ]
        for arm, row in means.iterrows()
    ]
    heads = ["Arm", "Factor", "Real images", "Synthetic images"]
    return Table("Training set of each arm, mean over folds and seeds", heads, {"": rows})


def facts_table(summary: dict[str, Any], seeds: Iterable[int]) -> Table:
    rows = [
        ["Seeds", ", ".join(map(str, seeds))],
        ["Time", numbers.duration(summary["seconds"])],
        ["Time of all cells together", numbers.duration(summary.get("cell_seconds"))],
    ]
    return Table("Seeds, machine and versions", ["What", "Value"], {"": rows + _circumstances(summary)})


def _circumstances(summary: dict[str, Any]) -> list[list[str]]:
    machine = summary.get("machine")
    told = [[f"{name} version", version] for name, version in (summary.get("versions") or {}).items()]
    if machine:
        load = numbers.number(machine["load"], ".1f")
        device = f", {machine['device']}" if "device" in machine else ""  # an earlier version's summary has none
        told.insert(0, ["Machine", f"{machine['platform']}, {machine['cores']} cores{device}, load {load}"])
    return told


def _factor(arm: str, factor: float, form: str) -> str:
    """Of arm `auto`, each cell chooses its own."""
    return "chosen" if arm in _AUTO else numbers.number(factor, form)


def _per_class(row: Mapping[str, Any]) -> str:
    return str(row.get("per_class") or "all")


def toml(recipe: dict[str, Any], section: str = "") -> str:
    """The recipe as TOML to read; settings that are None are left out, as TOML has no word for them."""
    nested = {name: value for name, value in recipe.items() if isinstance(value, dict)}
    flat = {name: value for name, value in recipe.items() if value is not None and name not in nested}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in flat.items()]
    blocks = ["\n".join([f"[{section}]", *lines] if section and lines else lines)]
    blocks += [toml(value, f"{section}.{name}".lstrip(".")) for name, value in nested.items()]
    return "\n\n".join(filter(None, blocks))
