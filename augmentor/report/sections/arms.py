"""How the arms did on unseen patients: dot plots first, then every number."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augmentor.benchmarking.arms import BASELINE
from augmentor.report import dots, legend, tables
from augmentor.report.blocks import Block, Folded, Part, Picture, Section, Table, Terms, Text
from augmentor.report.numbers import words
from augmentor.report.pictures import chart, described
from augmentor.report.sources import Benchmark, Sources


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
    found: list[Block] = [picture for picture in drawn if picture]
    return [Part(benchmark.name, found)] if benchmark.name else found


def _dots(benchmark: Benchmark, out: Path, metric: str) -> Picture:
    rows = _arms(benchmark)
    rows = rows[rows["metric"] == metric]
    name = words(metric)
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
    table, name = pd.DataFrame(rows), words(metric)
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
    compared = tables.comparison_tables(pd.DataFrame(summary["comparisons"]), summary["metric"])
    by_class = tables.class_tables(summary.get("classes") or [])
    second = [
        tables.by_patient_table(summary.get("by_patient") or [], summary["metric"]),
        tables.mcnemar_table(summary.get("mcnemar") or []),
    ]
    folded: list[tuple[str, list[Table | None]]] = [
        ("Comparisons in the other metrics", [*compared[1:]]),
        ("Sensitivity and specificity of each class", [*by_class]),
        ("Second opinions", second),
        ("What arm auto chose", [tables.choices_table(summary.get("choices") or [])]),
    ]
    found: list[Block] = [tables.arms_table(_arms(benchmark)), *compared[:1]]
    if not compared:
        found.append(Text(f"Nothing was compared: {_why_not(benchmark)}."))
    for title, parts in folded:
        known: list[Block] = [part for part in parts if part]
        if known:
            found.append(Folded(title, known))
    return found


def _why_not(benchmark: Benchmark) -> str:
    """Why no arm was compared to classic: one of the two was not run, or what failed left no pair."""
    run = {*benchmark.summary["recipe"]["benchmark"].get("arms", ()), *_arms(benchmark)["arm"]}
    if BASELINE not in run:
        return f"the arm {BASELINE} was not run"
    if run == {BASELINE}:
        return f"{BASELINE} is the only arm that was run"
    return f"no classifier has cells of both {BASELINE} and another arm that did not fail"
