"""The lesions: of how many patients, on which side, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augmentor.report import tables
from augmentor.report.blocks import Block, Notes, Part, Section, Text
from augmentor.report.sources import Benchmark, Fit, Sources


def data(sources: Sources, _: Path) -> Section | None:
    blocks: list[Block] = []
    if lines := _warnings(sources):
        blocks.append(Part("Warnings", [Notes(lines)]))
    blocks += [Part(b.titled("Patients and folds"), _folds(b)) for b in sources.benchmarks]
    blocks += [
        Part(fit.titled("Patients trained on and held out"), _sides(fit)) for fit in sources.fits if fit.has_lesions
    ]
    return Section("Data", blocks) if blocks else None


def _warnings(sources: Sources) -> list[str]:
    """Each once, whichever command gave it."""
    told: list[list[Any]] = [benchmark.summary["data"]["warnings"] for benchmark in sources.benchmarks]
    told += [check.warnings for check in sources.checks]
    return list(dict.fromkeys(str(line) for lines in told for line in lines))


def _folds(benchmark: Benchmark) -> list[Block]:
    found = benchmark.summary["data"]
    return [
        Text(f"Source: {Path(found['source']).name}"),  # where it lies is nobody's who is sent the page
        tables.classes_table(found),
        tables.folds_table(found),
        tables.sets_table(benchmark.results),
    ]


def _sides(fit: Fit) -> list[Block]:
    return [Text(f"Source: {Path(fit.run.splits['source']).name}"), tables.sides_table(fit.run)]
