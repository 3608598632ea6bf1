"""`benchmark`: arms x classifiers x folds x seeds to a table, intervals and a verdict."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from augmentor.arguments import checked
from augmentor.benchmarking.cell_task import CellTask, run_cell
from augmentor.benchmarking.cells import Cell, done
from augmentor.benchmarking.comparison import LEAST_PAIRS
from augmentor.benchmarking.cost import Probe
from augmentor.benchmarking.design import Design, design_warnings, make_design, more_test_sets
from augmentor.benchmarking.embedding import embed
from augmentor.benchmarking.gan_task import Fitted, fit_gan
from augmentor.benchmarking.summary import summarise
from augmentor.benchmarking.workers import run_tasks
from augmentor.data.folders import BENCHMARK
from augmentor.data.inspection import class_counts
from augmentor.data.lesions import Lesions
from augmentor.data.preparing import prepare
from augmentor.data.splits import Fold
from augmentor.errors import AugmentorError
from augmentor.files import require_empty, to_json, write_atomically, write_table
from augmentor.locks import locked
from augmentor.model.devices import find_device, name_of
from augmentor.progress import Progress
from augmentor.recipe import Recipe
from augmentor.version import VERSION


@dataclass(frozen=True)
class Results:
    """The folder of a benchmark; `table` has a row a cell, `summary` is what summary.json holds."""

    folder: Path
    table: pd.DataFrame
    summary: dict[str, Any]


@checked
def benchmark(
    lesions: Lesions,
    recipe: Recipe | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Results:
    """Measure on unseen patients whether synthetic lesions help: every GAN and classifier is trained inside its fold.

    Leaves results.csv, predictions.csv, curve_cells.csv, embedding.csv, summary.json, cells/ and gans/ in `out`
    (default: benchmark). Where `out` holds a benchmark already, cells and GANs of the same recipe, data and code are
    taken as they are, unfinished GANs are gone on with, and the rest is computed. A cell that fails is recorded with
    its error. command: what was typed to start it, for the report.
    Raises DataError, UsageError, AugmentorError where every cell failed, and LeakageError should a split ever leak.
    """
    progress, recipe, begun = progress or Progress(), recipe or Recipe(), time.perf_counter()
    with progress.task("Reading lesions", len(lesions)) as update:
        lesions, recipe, warnings = prepare(lesions, recipe, update, fitted=False)
    out = (out or Path("benchmark")).resolve()
    design = make_design(lesions, recipe, out)
    if not (out / BENCHMARK).exists():
        require_empty(out, but=(".lock", BENCHMARK))  # all that one leaves which is killed as it begins
    warnings += _warnings(design, lesions, recipe)
    for line in warnings:
        progress.say(f"Warning: {line}")
    refusal = f"{out}: another benchmark is at work in this folder. Wait for it, or give another --out."
    with locked(out / ".lock", refusal):
        return _complete(_Started(design, lesions, recipe, out, warnings, begun, command), progress)


@dataclass(frozen=True)
class _Started:
    """A benchmark that may write into its folder. begun: when, by `time.perf_counter`."""

    design: Design
    lesions: Lesions
    recipe: Recipe
    out: Path
    warnings: list[str]
    begun: float
    command: str | None


def _complete(started: _Started, progress: Progress) -> Results:
    """Compute what is open, and write down what all of it says."""
    design, lesions, recipe, out = started.design, started.lesions, started.recipe, started.out
    write_atomically(out / BENCHMARK, recipe.to_toml())
    fits, cells = _run(design, recipe, out, progress)
    main, curves = [cells[t.key] for t in design.cells], [cells[t.key] for t in design.curves]
    _require_some(main)
    predictions = pd.DataFrame([row for c in main if not c.error for row in c.predictions(lesions)])
    (out / "summary.json").unlink(missing_ok=True)  # an earlier one says nothing of these tables
    table = _save_tables(main, curves, predictions, out)
    try:
        embed(design, out)
    except Exception as error:  # a picture is no reason to lose the figures
        progress.say(f"Warning: no t-SNE picture: {error}")
    warnings = started.warnings + [line for cell in [*main, *curves] for line in cell.warnings]
    summary = summarise(design, main, curves, predictions, lesions, recipe)
    summary |= {"data": _describe(lesions, design.folds[0], list(dict.fromkeys(warnings)))}
    summary |= {"fits": [f.record | ({"error": f.error} if f.error else {}) for f in fits]}
    summary |= _provenance(recipe, time.perf_counter() - started.begun, sum(c.seconds for c in cells.values()))
    summary |= {"command": started.command} if started.command else {}
    write_atomically(out / "summary.json", to_json(summary))
    return Results(out, table, summary)


def _warnings(design: Design, lesions: Lesions, recipe: Recipe) -> list[str]:
    """What is odd about the design, and what no verdict can come of."""
    warnings, tested = design_warnings(design, lesions, recipe), len(set(design.test_sets.values()))
    if tested < LEAST_PAIRS:
        warnings.append(
            f"With {tested} test set{'s' * (tested != 1)} no verdict is possible, only figures: it takes "
            f"{LEAST_PAIRS}. For these, {more_test_sets(lesions, LEAST_PAIRS)}."
        )
    return warnings


def _run(design: Design, recipe: Recipe, out: Path, progress: Progress) -> tuple[list[Fitted], dict[str, Cell]]:
    """All GANs that are there or that an open cell needs, then all cells by key; what an earlier start has done is
    taken as it is.

    The longest go first, so that no worker is left with one of them at the end.
    """
    asked, tasks = recipe.benchmark, [*design.cells, *design.curves]
    known = done(out / "cells")
    cells = {t.key: known[t.key] for t in tasks if t.key in known}
    open_cells = [t for t in tasks if t.key not in cells]
    needed = {t.gan.run for t in open_cells if t.gan}
    gans = [g for g in design.gans if g.is_done or g.run in needed]
    probe = Probe()
    seconds = {t.key: probe.cell(t) for t in open_cells} | {g.run: 0.0 if g.is_done else probe.gan(g) for g in gans}
    before = f", {len(cells)} of them done before" if cells else ""
    fits = f", {sum(not g.is_done for g in gans)} GAN fits" if gans else ""
    minutes = sum(seconds.values()) / asked.workers / 60
    long = f": about {max(1, round(minutes))} min, by a short probe" if minutes else ""  # nothing is open
    progress.say(f"{len(tasks)} cells{before}{fits}{long}.")
    fitted: list[Fitted] = []
    with progress.task("Benchmark", max(sum(seconds.values()), 1e-9)) as update:
        ended = 0.0
        longest_first = sorted(gans, key=lambda g: -seconds[g.run])
        for fit in run_tasks(fit_gan, longest_first, asked.workers, asked.scheduler, progress):
            fitted.append(fit)
            ended += seconds[fit.record["run"]]
            update(ended, f"{len(fitted)}/{len(gans)} GANs")
        failed = {t.key: t.fail(f"its GAN failed: {error}") for t in open_cells if (error := _gan_error(t, fitted))}
        cells |= failed
        able = sorted((t for t in open_cells if t.key not in failed), key=lambda t: -seconds[t.key])
        for cell in run_tasks(run_cell, able, asked.workers, asked.scheduler, progress):
            cells[cell.key] = cell
            ended += seconds[cell.key]
            update(ended, f"{len(cells)}/{len(tasks)} cells")
    for cell in cells.values():
        if cell.error:
            progress.say(f"Warning: {cell.spec} failed: {cell.error.splitlines()[0]}")
    order = {g.run: i for i, g in enumerate(gans)}
    return sorted(fitted, key=lambda f: order[f.record["run"]]), cells


def _gan_error(task: CellTask, fitted: list[Fitted]) -> str | None:
    """Why the GAN of a cell failed, if it did."""
    run = task.gan.run if task.gan else None
    return next((f.error for f in fitted if f.record["run"] == run), None)


def _require_some(cells: Sequence[Cell]) -> None:
    errors = [c.error for c in cells if c.error]
    if len(errors) == len(cells):
        raise AugmentorError(f"All {len(cells)} cells failed; each one's error is in cells/. The first: {errors[0]}")


def _save_tables(main: Sequence[Cell], curves: Sequence[Cell], predictions: pd.DataFrame, out: Path) -> pd.DataFrame:
    table = pd.DataFrame([c.row for c in main if not c.error]).drop(columns="per_class")
    both = [c.row for c in [*main, *curves] if not c.error] if curves else []
    write_table(out / "results.csv", table)
    write_table(out / "predictions.csv", predictions)
    write_table(out / "curve_cells.csv", pd.DataFrame(both))
    return table


def _describe(lesions: Lesions, folds: list[Fold], warnings: list[str]) -> dict[str, Any]:
    table = lesions.table
    return {
        "source": str(lesions.source),
        "images": len(table),
        "patients": int(table["patient"].nunique()),
        "classes": class_counts(lesions),
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


def _provenance(recipe: Recipe, seconds: float, cell_seconds: float) -> dict[str, Any]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    device = name_of(find_device(recipe.training.device))
    versions = {"augmentor": VERSION, "torch": torch.__version__, "python": platform.python_version()}
    return {
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "versions": versions,
        "machine": {"cores": os.cpu_count(), "device": device, "load": load, "platform": platform.platform()},
        "seconds": round(seconds, 1),
        "cell_seconds": round(cell_seconds, 1),
    }
