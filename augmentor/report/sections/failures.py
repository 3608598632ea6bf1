"""Cells that failed."""

from __future__ import annotations

from pathlib import Path

from augmentor.report import tables
from augmentor.report.blocks import Block, Folded, Section, Text
from augmentor.report.sources import Sources

MAX_SHOWN = 8  # rows before the rest is folded away


def failures(sources: Sources, _: Path) -> Section | None:
    failed = [cell for benchmark in sources.benchmarks for cell in benchmark.summary.get("failed") or []]
    if not failed:
        return None
    blocks: list[Block] = [
        Text(
            "What failed is left out of everything below. A benchmark that is started again in the same folder tries "
            "it once more and keeps the rest.",
        ),
        tables.failed_table(failed[:MAX_SHOWN]),
    ]
    if rest := failed[MAX_SHOWN:]:
        blocks.append(Folded(f"The other {len(rest)}", [tables.failed_table(rest)]))
    return Section(f"{len(failed)} cell{'' if len(failed) == 1 else 's'} failed", blocks)
