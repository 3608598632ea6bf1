"""The lesions: of how many patients, on which side, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.report import numbers
from augmentor.report.blocks import Block, Notes, Part, Section, Text, TextTable
from augmentor.report.sources import Benchmark, Fit, Sources
from augmentor.training.run import Run


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
    """Each once, whichever command gave it; then what the report leaves out."""
    told: list[list[Any]] = [benchmark.summary["data"]["warnings"] for benchmark in sources.benchmarks]
    told += [*(check.warnings for check in sources.checks), *(b.left_out for b in sources.benchmarks), sources.left_out]
    return list(dict.fromkeys(str(line) for lines in told for line in lines))


def _folds(benchmark: Benchmark) -> list[Block]:
    found = benchmark.summary["data"]
    return [
        Text(f"Source: {Path(found['source']).name}"),  # where it lies is nobody's who is sent the page
        classes_table(found),
        folds_table(found),
        sets_table(benchmark.results),
    ]


def _sides(fit: Fit) -> list[Block]:
    return [Text(f"Source: {Path(fit.run.splits['source']).name}"), sides_table(fit.run)]


def classes_table(data: dict[str, Any]) -> TextTable:
    rows = [[name, str(count["images"]), str(count["patients"])] for name, count in data["classes"].items()]
    rows.append(["all", str(data["images"]), str(data["patients"])])
    return TextTable("Real lesions by class", ["Class", "Images", "Patients"], {"": rows})


def folds_table(data: dict[str, Any]) -> TextTable:
    columns = ["train_images", "test_images", "train_patients", "test_patients"]
    rows = [[str(fold["fold"]), *(str(fold[column]) for column in columns)] for fold in data["folds"]]
    heads = ["Fold", "Training images", "Test images", "Training patients", "Test patients"]
    return TextTable("Folds; no patient is on both sides", heads, {"": rows})


def sides_table(run: Run) -> TextTable:
    """Images and patients of a run's two sides."""
    sides = {"trained on": run.training.per_class(), "held out": run.held_out.per_class()}
    heads = ["Class", *(f"{what}, {side}".capitalize() for side in sides for what in ("images", "patients"))]
    labels = sorted({*run.training.classes, *run.held_out.classes})
    rows = [
        [label, *(str(counts[what].get(label, 0)) for counts in sides.values() for what in ("images", "patients"))]
        for label in labels
    ]
    caption = "No patient is on both sides" if len(run.held_out) else "No patient was held out"
    return TextTable(caption, heads, {"": rows})


def sets_table(results: pd.DataFrame) -> TextTable:
    means = results.groupby("arm", sort=False)[["factor", "n_real", "n_synthetic"]].mean()
    rows = [
        [
            str(arm),
            numbers.factor(str(arm), row["factor"], ".3g"),
            numbers.number(row["n_real"], ".0f"),
            numbers.number(row["n_synthetic"], ".0f"),
        ]
        for arm, row in means.iterrows()
    ]
    heads = ["Arm", "Factor", "Real images", "Synthetic images"]
    return TextTable("Training set of each arm, mean over folds and seeds", heads, {"": rows})
