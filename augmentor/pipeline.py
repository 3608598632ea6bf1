"""A recipe from its first step to its last: what `augmentor run` and `augmentor demo` do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from augmentor.arguments import expand_home
from augmentor.benchmarking.benchmark import Results, benchmark
from augmentor.data.check import inspect
from augmentor.data.inspection import Inspection
from augmentor.data.lesions import Lesions
from augmentor.data.phantom import write_phantom
from augmentor.data.preparing import shrinking
from augmentor.data.readers import read_lesions
from augmentor.errors import ShortfallError, UsageError
from augmentor.evaluation.evaluate import JUDGED, Evaluation, evaluate
from augmentor.expansion.expand import expand
from augmentor.extraction.sources import open_lesions
from augmentor.files import read_json, require_empty, write_atomically
from augmentor.model.checkpoint import file_hash
from augmentor.progress import Progress
from augmentor.recipe import Recipe, load_recipe, make_recipe
from augmentor.report.html import report
from augmentor.training.fit import fit_or_resume
from augmentor.training.run import Run, open_run

_READING = {"check", "fit", "benchmark"}  # the steps that look at the data; the others take a run's
DEMO = {
    "name": "demo",
    "claim": "The whole way on phantom lesions, in minutes on a laptop.",
    "out": "demo",
    "steps": ["phantom", "check", "fit", "expand", "evaluate", "benchmark"],
    "phantom": {"patients": 18, "per_class": 40},
    "training": {"minutes": 0.75, "snapshots": 4},
    "benchmark": {"folds": 3, "minutes": 0.3, "steps": 300, "classifiers": ["paper-cnn", "logistic", "svm"]},
}

DEMO_OF_VOLUMES = {
    "claim": "The whole way on phantom volumes with their masks.",
    "phantom": {"patients": 18, "per_class": 30, "dims": 3, "size": 24},
    "model": {"spatial_dims": 3, "size": 24, "with_mask": True},
    "benchmark": {"folds": 3, "minutes": 0.3, "steps": 100, "classifiers": ["cnn", "logistic"]},
}


@dataclass
class Outcome:
    """What the steps of a recipe left."""

    out: Path
    drawn: Lesions | None = None  # phantom ones
    drawn_before: bool = False  # by an earlier start
    inspection: Inspection | None = None
    run: Run | None = None
    expanded: Lesions | None = None
    evaluation: Evaluation | None = None
    results: Results | None = None
    report: Path | None = None  # one page of all steps
    judged: Path | None = None  # the page of a run that was fitted before, and evaluated now
    shortfall: ShortfallError | None = None


def demo_recipe(out: Path, seed: int, dims: int = 2) -> Recipe:
    """The recipe of `augmentor demo`: phantom lesions of three classes, as images (2) or as volumes with masks (3)."""
    changed = DEMO_OF_VOLUMES if dims == 3 else {}
    return make_recipe(DEMO | changed | {"out": str(out)}, "demo").with_options(training={"seed": seed})


def run_recipe(recipe: Recipe, progress: Progress, command: str | None = None, judged: int = JUDGED) -> Outcome:
    """Do the recipe's steps in order, everything below `recipe.out`, which must be new or empty, or hold an earlier
    start of the recipe with the same data, model and training: what that has finished is kept.

    command: what was typed to start it, for the report. judged: lesions a class that its step `evaluate` judges.
    """
    out = expand_home(Path(recipe.out))
    lesions = _read(recipe, progress)  # missing data leave no folder behind, nor does a missing run
    if "fit" not in recipe.steps and {"expand", "evaluate"} & set(recipe.steps):
        open_run(None)
    _claim_folder(recipe, out)
    outcome = Outcome(out)
    if "phantom" in recipe.steps:
        outcome.drawn_before = (out / "lesions" / "lesions.csv").exists()  # written last
        lesions = outcome.drawn = _draw(recipe, out / "lesions", progress)
    if lesions is not None and "check" in recipe.steps:
        fitted = "fit" in recipe.steps or "benchmark" not in recipe.steps
        outcome.inspection = inspect(
            lesions, training=recipe.training, fitted=fitted, per_class=recipe.data.max_per_class
        ).require_usable()
        outcome.inspection.warnings += shrinking(outcome.inspection, recipe)
        write_atomically(out / "check.json", json.dumps(outcome.inspection.as_dict(), indent=1))
    if lesions is not None and "fit" in recipe.steps:
        outcome.run = fit_or_resume(lesions, recipe, out / "run", progress=progress)
    if "expand" in recipe.steps:
        _expand(recipe, outcome, progress)
    if "evaluate" in recipe.steps:
        _evaluate(outcome, judged, progress)
    if lesions is not None and "benchmark" in recipe.steps:
        outcome.results = benchmark(lesions, recipe, out / "benchmark", progress, command)
    if {"fit", "expand", "benchmark"} & set(recipe.steps):
        outcome.report = report([out], out)
    return outcome


def _claim_folder(recipe: Recipe, out: Path) -> None:
    """Raise UsageError where `out` holds anything else than an earlier start of this recipe."""
    file = out / "recipe.toml"
    if file.exists():
        before = load_recipe(file)
        if (before.hash(), before.phantom) == (recipe.hash(), recipe.phantom):
            recipe.save(file)
            return
        raise UsageError(f"{out}: holds a run of another data, model or training section. Give another --out.")
    require_empty(out)
    out.mkdir(parents=True, exist_ok=True)
    recipe.save(file)


def _expand(recipe: Recipe, outcome: Outcome, progress: Progress) -> None:
    run, out = outcome.run or open_run(None), outcome.out / "expanded"
    made_for = outcome.out / "expanded.json"
    asked = {"expand": recipe.expand.model_dump(mode="json"), "checkpoint": file_hash(run.chosen_checkpoint)}
    if out.exists():
        found = read_json(made_for) if made_for.exists() else {}
        if asked.items() <= found.items():
            outcome.expanded = read_lesions(out / "manifest.csv")
            outcome.shortfall = ShortfallError(found["shortfall"]) if found.get("shortfall") else None
            return
        raise UsageError(
            f"{out}: was written for other [expand] settings, or cut short. Move it away, then start again."
        )
    try:
        outcome.expanded = expand(run, out=out, section=recipe.expand, progress=progress)
    except ShortfallError as error:  # what passed is written, and the other steps do not need it
        progress.say(f"Warning: {error}")
        outcome.shortfall = error
    write_atomically(made_for, json.dumps(asked | {"shortfall": str(outcome.shortfall or "")}))


def _evaluate(outcome: Outcome, per_class: int, progress: Progress) -> None:
    """The recipe's run, told on the page of all steps; or the latest one, whose own page is made again."""
    run = outcome.run or open_run(None)
    outcome.evaluation = evaluate(run, per_class, progress)
    if not outcome.run:
        outcome.judged = report([run.folder], run.folder)


def _read(recipe: Recipe, progress: Progress) -> Lesions | None:
    """The lesions that the recipe names; None where it draws them itself, or no step looks at any."""
    if "phantom" in recipe.steps or not _READING & set(recipe.steps):
        return None
    if recipe.data.path is None:
        raise UsageError(f"Recipe {recipe.name!r} names no data. Set data.path, or begin its steps with 'phantom'.")
    data = recipe.data
    return open_lesions(recipe.data.path, data.columns, data.patient_pattern, recipe.cutting, progress)


def _draw(recipe: Recipe, folder: Path, progress: Progress) -> Lesions:
    if (folder / "lesions.csv").exists():
        return read_lesions(folder)
    with progress.task("Drawing phantom lesions", 1.0) as update:
        write_phantom(folder, recipe.phantom, recipe.training.seed, update)
    return read_lesions(folder)
