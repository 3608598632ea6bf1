"""Cells that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augmentor.report import numbers
from augmentor.report.blocks import Block, Folded, Section, Text, TextTable
from augmentor.report.sources import Benchmark, Sources

MAX_SHOWN = 8  # rows of a benchmark before the rest is folded away


def failures(sources: Sources, _: Path) -> Section | None:
    """A table a benchmark; what failed there is told in the summary."""
    blocks = [block for benchmark in sources.benchmarks for block in _of(benchmark)]
    count = sum(len(benchmark.summary["failed"]) for benchmark in sources.benchmarks)
    if not count:
        return None
    told = Text(
        "What failed is left out of everything below. A benchmark that is started again in the same folder tries it "
        "once more and keeps the rest.",
    )
    return Section(f"{count} cell{'' if count == 1 else 's'} failed", [told, *blocks])


def _of(benchmark: Benchmark) -> list[Block]:
    failed = benchmark.summary["failed"]
    shown, rest = failed[:MAX_SHOWN], failed[MAX_SHOWN:]
    caption = benchmark.titled("Cells that failed, each with the first line of its error")
    blocks: list[Block] = [failed_table(shown, caption)] if shown else []
    if rest:
        folded = failed_table(rest, benchmark.titled("More cells that failed"))
        blocks.append(Folded(benchmark.titled(f"The other {len(rest)}"), [folded]))
    return blocks


def failed_table(failed: list[dict[str, Any]], caption: str) -> TextTable:
    rows = [
        [
            cell["arm"],
            cell["classifier"],
            str(cell["fold"]),
            str(cell["seed"]),
            numbers.factor(cell["arm"], cell["factor"], "g"),
            numbers.per_class(cell),
            numbers.first_line(cell["error"]),
        ]
        for cell in failed
    ]
    heads = ["Arm", "Classifier", "Fold", "Seed", "Factor", "Real lesions a class", "Error"]
    return TextTable(caption, heads, {"": rows})
