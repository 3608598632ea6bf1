"""`benchmark`: arms x classifiers x folds x seeds to a table, intervals and a verdict."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from augmentor.benchmarking.arms import ARMS, BASELINE
from augmentor.benchmarking.crossval import Cell, FoldData, run_fold
from augmentor.benchmarking.statistics import METRICS, Comparison, holm, intervals, pair, sentence
from augmentor.data.check import require_usable
from augmentor.data.lesions import Lesions
from augmentor.data.splits import Fold, holdout, outer_folds
from augmentor.model.checkpoint import to_json, write_atomically
from augmentor.progress import Progress
from augmentor.recipe import BenchmarkSection, Recipe
from augmentor.training.run import require_empty
from augmentor.version import VERSION

VERDICT_METRIC = "sensitivity"


@dataclass(frozen=True)
class Results:
    """The folder of a benchmark; `table` has a row a cell, `summary` is what summary.json holds."""

    folder: Path
    table: pd.DataFrame
    summary: dict[str, Any]


def benchmark(
    lesions: Lesions, recipe: Recipe | None = None, out: Path | None = None, progress: Progress | None = None
) -> Results:
    """Measure on unseen patients whether synthetic lesions help: every GAN and classifier is trained inside its fold.

    Leaves results.csv, predictions.csv, summary.json, cells/ and gans/ in `out` (default: benchmark).
    Raises DataError, UsageError, and LeakageError should a split ever leak.
    """
    progress, recipe, begun = progress or Progress(), recipe or Recipe(), time.perf_counter()
    with progress.task("Reading lesions", len(lesions)) as update:
        found = require_usable(lesions, lambda done, _: update(done, ""))
    lesions = found.lesions.at_most(recipe.data.max_per_class, 0)
    asked = recipe.benchmark
    folds = {seed: outer_folds(lesions, asked.folds, seed) for seed in range(asked.seeds)}
    _require_inner_splits(lesions, folds, recipe)
    out = (out or Path("benchmark")).resolve()
    require_empty(out)
    out.mkdir(parents=True, exist_ok=True)
    warnings = list(found.warnings)
    if asked.folds and len(folds[0]) != asked.folds:
        warnings.append(f"--folds {asked.folds} is not used: the data brings its own test split, the one fold.")
    for line in warnings:
        progress.say(f"Warning: {line}")
    progress.say(_cost(recipe, folds))
    cells, fits = _run_all(lesions, folds, recipe, out, progress)
    table, predictions = _save_tables(cells, out)
    summary = _judge(table, predictions, lesions.classes, folds, asked)
    warnings += [line for fit in fits for line in fit.pop("warnings")]
    summary |= {"data": _describe(lesions, folds[0], warnings), "fits": fits}
    summary |= _provenance(recipe, time.perf_counter() - begun)
    write_atomically(out / "summary.json", to_json(summary))
    return Results(out, table, summary)


def _require_inner_splits(lesions: Lesions, folds: dict[int, list[Fold]], recipe: Recipe) -> None:
    """Raise DataError now, not after an hour, where a fold's GAN could not hold patients out."""
    if any(ARMS[name].gan for name in recipe.benchmark.arms):
        for seed, cuts in folds.items():
            for fold in cuts:
                holdout(lesions.rows(fold.train), recipe.training.holdout, seed)


def _cost(recipe: Recipe, folds: dict[int, list[Fold]]) -> str:
    asked, count = recipe.benchmark, sum(len(f) for f in folds.values())
    models = sorted({m for m in (ARMS[name].gan for name in asked.arms) if m})
    minutes = asked.minutes or (None if asked.kimg else recipe.training.length[0])
    length = f"{minutes:g} min each" if minutes else f"{asked.kimg or recipe.training.kimg:g} kimg each"
    fits = f", {count * len(models)} GAN fits of {length}" if models else ""
    return f"{len(asked.arms) * len(asked.classifiers) * count} cells ({count} folds and seeds){fits}."


def _run_all(
    lesions: Lesions, folds: dict[int, list[Fold]], recipe: Recipe, out: Path, progress: Progress
) -> tuple[list[Cell], list[dict[str, Any]]]:
    asked, cells, fits = recipe.benchmark, [], []
    total = len(asked.arms) * len(asked.classifiers) * sum(len(f) for f in folds.values())
    with progress.task("Benchmark", total) as update:
        for seed, cuts in folds.items():
            for fold in cuts:
                data = FoldData(lesions, fold, seed, recipe, out, progress)
                for cell in run_fold(data, asked.arms, asked.classifiers):
                    cells.append(cell)
                    update(len(cells), f"{len(cells)}/{total} cells")
                fits += [_fit_record(data, model, out) for model in data.gans]
                _save_tables(cells, out)  # what is done is there, should a later fold fail
    return cells, fits


def _fit_record(data: FoldData, model: Any, out: Path) -> dict[str, Any]:
    run = data.gans[model]
    return {
        "fold": data.fold.name,
        "seed": data.seed,
        "model": model,
        "run": str(run.folder.relative_to(out)),
        "kimg": run.summary["kimg"],
        "seconds": run.summary["seconds"],
        "discrimination": run.summary["discrimination_held_out"],
        "warnings": data.warnings,
    }


def _save_tables(cells: list[Cell], out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.DataFrame([c.result for c in cells])
    predictions = pd.DataFrame([row for c in cells for row in c.predictions])
    table.to_csv(out / "results.csv", index=False)
    predictions.to_csv(out / "predictions.csv", index=False)
    return table, predictions


def _judge(
    table: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: list[str],
    folds: dict[int, list[Fold]],
    asked: BenchmarkSection,
) -> dict[str, Any]:
    arms = []
    for (arm, classifier), rows in predictions.groupby(["arm", "classifier"], sort=False):
        for metric, (mean, low, high) in intervals(rows, classes).items():
            arms.append(
                {"arm": arm, "classifier": classifier, "metric": metric, "mean": mean, "low": low, "high": high}
            )
    comparisons = _compare_all(table, folds, asked)
    synthetic = [c for c in comparisons if c.metric == VERDICT_METRIC and ARMS[c.arm].gan]  # type: ignore[index]
    verdict = sentence(synthetic, len(folds[0]), len(folds))
    return {
        "verdict": verdict,
        "metric": VERDICT_METRIC,
        "arms": arms,
        "comparisons": [asdict(c) for c in comparisons],
    }


def _compare_all(table: pd.DataFrame, folds: dict[int, list[Fold]], asked: BenchmarkSection) -> list[Comparison]:
    """Every arm against the baseline; for each metric, all GAN arms and classifiers are one family (Holm)."""
    if BASELINE not in asked.arms:
        return []
    share = float(np.mean([len(f.test) / len(f.train) for cuts in folds.values() for f in cuts]))
    scores = _scores(table, repeated=_same_folds(folds))
    made = []
    for metric in METRICS:
        for synthetic in (True, False):
            arms = [a for a in asked.arms if a != BASELINE and bool(ARMS[a].gan) == synthetic]
            made += holm(
                [
                    pair(scores[arm, c, metric], scores[BASELINE, c, metric], share, (arm, c, metric))
                    for arm in arms
                    for c in asked.classifiers
                ]
            )
    return made


def _same_folds(folds: dict[int, list[Fold]]) -> bool:
    first, *others = folds.values()
    return all(np.array_equal(a.test, b.test) for cuts in others for a, b in zip(first, cuts, strict=True))


def _scores(table: pd.DataFrame, repeated: bool) -> dict[tuple[str, str, str], np.ndarray]:
    """(arm, classifier, metric) -> one score a fold and seed; a fold's mean over seeds where all seeds have the same
    folds: repeats of a training on the same patients are no further patients."""
    cell = ["fold"] if repeated else ["fold", "seed"]
    means = table.groupby(["arm", "classifier", *cell])[list(METRICS)].mean()
    return {
        (str(arm), str(classifier), metric): rows[metric].to_numpy()
        for (arm, classifier), rows in means.groupby(level=["arm", "classifier"])
        for metric in METRICS
    }


def _describe(lesions: Lesions, folds: list[Fold], warnings: list[str]) -> dict[str, Any]:
    table = lesions.table
    return {
        "source": str(lesions.source),
        "images": len(table),
        "patients": int(table["patient"].nunique()),
        "classes": {
            str(k): {"images": int(v.images), "patients": int(v.patients)} for k, v in lesions.per_class().iterrows()
        },
        "folds": [
            {
                "fold": f.name,
                "train_images": len(f.train),
                "test_images": len(f.test),
                "train_patients": int(table["patient"].iloc[f.train].nunique()),
                "test_patients": int(table["patient"].iloc[f.test].nunique()),
            }
            for f in folds
        ],
        "warnings": warnings,
    }


def _provenance(recipe: Recipe, seconds: float) -> dict[str, Any]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    versions = {"augmentor": VERSION, "torch": torch.__version__, "python": platform.python_version()}
    return {
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "versions": versions,
        "machine": {"cores": os.cpu_count(), "load": load, "platform": platform.platform()},
        "command": shlex.join(["augmentor", *sys.argv[1:]]),
        "seconds": round(seconds, 1),
    }
