"""How a fit comes under way: begun in a new folder, or gone on with in its own."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from augmentor.data.folders import RECIPE
from augmentor.data.lesions import Lesions
from augmentor.data.splits import guard, holdout
from augmentor.errors import UsageError
from augmentor.files import clear, read_json, write_atomically
from augmentor.model.checkpoint import load_checkpoint, load_tensors
from augmentor.model.devices import DeviceName
from augmentor.model.gan import METHODS, resolve
from augmentor.recipe import Recipe
from augmentor.training.distributed import is_first, lead, require_shareable, start_fabric
from augmentor.training.run import Run, at_work_in, is_aborted_start, mask_contents, new_folder
from augmentor.training.snapshots import take_snapshot
from augmentor.training.under_way import UnderWay, set_up


def begin(lesions: Lesions, recipe: Recipe, out: Path | None, held: ExitStack) -> UnderWay:
    """A new run with its first snapshot, or no folder. held: until when the folder's lock is."""
    recipe = resolve(recipe)
    fabric = start_fabric(recipe.training, recipe.model.spatial_dims)
    require_shareable(fabric, METHODS[recipe.model.name], recipe.training)
    train, held_out = _split(lesions, recipe)
    given = out is not None and out.exists()
    run = Run(lead(fabric, lambda: new_folder(out).resolve()))
    lead(fabric, lambda: held.enter_context(at_work_in(run.folder)))
    try:
        lead(fabric, lambda: _fill(run, lesions, train, held_out, recipe))
        under_way = set_up(run, recipe, fabric)
        lead(fabric, lambda: take_snapshot(under_way))
    except BaseException:  # also Ctrl-C: a folder without a first snapshot could be neither resumed nor used
        if is_first():
            if given:
                clear(run.folder)
            else:
                shutil.rmtree(run.folder, ignore_errors=True)
        raise
    return under_way


def _fill(run: Run, lesions: Lesions, train: Lesions, held_out: Lesions, recipe: Recipe) -> None:
    """A new run folder's lesions and recipe."""
    for folder in (run.checkpoints, run.samples):
        folder.mkdir()
    lesions.save(run.lesions_file)
    splits: dict[str, Any] = {"source": str(lesions.source), "train": train.paths, "held_out": held_out.paths}
    if recipe.model.with_mask:
        splits["masks"] = mask_contents(train, recipe.model.size) | mask_contents(held_out, recipe.model.size)
    write_atomically(run.splits_file, json.dumps(splits, indent=1))
    recipe.save(run.folder / RECIPE)


def _split(lesions: Lesions, recipe: Recipe) -> tuple[Lesions, Lesions]:
    rows, held = holdout(lesions, recipe.training.holdout, recipe.training.seed)
    train, held_out = lesions.rows(rows), lesions.rows(held)
    guard(train, held_out)
    return train, held_out


def resume(folder: Path, device: DeviceName | None, held: ExitStack) -> UnderWay:
    """The unfinished run in `folder`, as its last state was. device, held: see `resume_fit` and `begin`."""
    run = Run(folder.resolve())
    _require_resumable(run)
    recipe = run.recipe
    if device:
        recipe = resolve(recipe.with_options(training={"device": device, "precision": "auto"}))
    fabric = start_fabric(recipe.training, recipe.model.spatial_dims)
    lead(fabric, lambda: held.enter_context(at_work_in(run.folder)))
    _require_resumable(run)  # another process may have ended it just now
    run.require_unchanged()
    under_way = set_up(run, recipe, fabric)
    try:
        passed = read_json(run.state.with_suffix(".json"), "seconds")
        under_way.trainer.restore(load_tensors(run.state))
    except UsageError as error:
        raise UsageError(
            f"{run.state}: the state to go on from is damaged. Remove the folder {run.folder} and start again."
        ) from error
    except RuntimeError as error:  # weights that are missing, too many, or of another shape
        raise UsageError(
            f"{run.folder}: was begun by another version of augmentor, with other networks. Start a new run."
        ) from error
    under_way.seconds = passed["seconds"]
    lead(under_way.trainer.fabric, lambda: _forget_later_records(under_way, passed.get("snapshots", 1)))
    lead(under_way.trainer.fabric, lambda: _begin_again(under_way))
    return under_way


def _require_resumable(run: Run) -> None:
    if run.finished:
        raise UsageError(f"{run.folder}: this run is finished. Start another without --resume.")
    if not run.resumable:
        advice = "Remove the folder, then start" if is_aborted_start(run.folder) else "Start"
        raise UsageError(f"{run.folder}: holds no unfinished run to resume. {advice} one without --resume.")


def _forget_later_records(under_way: UnderWay, passed: int) -> None:
    """Keep what was recorded up to the state. passed: how many snapshots the state has behind it.

    Raises UsageError where a record of these is missing: one of them may be the best.
    """
    run, step = under_way.run, under_way.trainer.step
    try:
        kept = [r for r in run.metrics if r["step"] <= step]
    except (OSError, ValueError):  # no file, no JSON, or bytes that are no UTF-8
        kept = []
    snapshots = [r for r in kept if r["kind"] == "snapshot"]
    if len(snapshots) < passed:
        raise UsageError(
            f"{run.metrics_file}: is damaged (it holds the records of {len(snapshots)} of the {passed} snapshots taken "
            f"so far). Remove the folder {run.folder} and start again."
        )
    write_atomically(run.metrics_file, "".join(json.dumps(r) + "\n" for r in kept))
    under_way.snapshots = snapshots


def _begin_again(under_way: UnderWay) -> None:
    first = under_way.run.checkpoints / under_way.snapshots[0]["checkpoint"]
    under_way.monitor.begin_at(load_checkpoint(first)[0])
