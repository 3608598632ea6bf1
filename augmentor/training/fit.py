"""`fit`: a lesion set and a recipe to a run folder."""

from __future__ import annotations

import json
import math
import shutil
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from augmentor.arguments import checked
from augmentor.data.check import Inspection, at_own_size, require_usable
from augmentor.data.images import Intensity, load_images, read_image
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.masks import load_mask_channels
from augmentor.data.sizes import load_sides, spacing_at
from augmentor.data.splits import groups, guard, holdout
from augmentor.errors import AugmentorError, InterruptedFitError, UsageError
from augmentor.files import clear, write_atomically
from augmentor.model.checkpoint import Card, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from augmentor.model.devices import DeviceName
from augmentor.model.gan import METHODS, batch_of, build_gan, resolve
from augmentor.model.graft import GraftRange, TrainingLesions
from augmentor.progress import Progress, Update
from augmentor.recipe import Recipe
from augmentor.training.distributed import agree, average, is_first, lead, require_shareable, start_fabric
from augmentor.training.loop import Trainer
from augmentor.training.monitor import Monitor, Side
from augmentor.training.reach import RANGES, measure_reach
from augmentor.training.run import (
    Run,
    at_work_in,
    is_aborted_start,
    new_folder,
    newest_unfinished,
    open_run,
    point_latest_to,
    remove_aborted_start,
    save_summary,
)
from augmentor.training.samples import save_grid

_RECORD_SECONDS = 1.0
_AS_NEAR = 0.05  # held-out mmd is the same up to this share
_BY_HEART = (
    "the training lesions are known by heart, and more training would only copy them; "
    "more patients would give it more to learn"
)


@dataclass
class _Fit:
    """A fit under way."""

    run: Run
    recipe: Recipe
    trainer: Trainer
    monitor: Monitor
    card: Card
    source: str  # of the lesions, as it was given
    moved: str | None  # how far training lesions are, where the model starts from them
    seconds: float = 0.0  # of training, over all sittings
    halted: bool = False  # by Ctrl-C
    stopped: bool = False  # by the monitor: more training would only copy
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=20))  # (seconds, kimg) of records

    @property
    def share(self) -> float:
        """How much of the wanted length is done: the nearer of the two limits."""
        minutes, kimg = self.recipe.training.length
        by_time = self.seconds / (minutes * 60) if minutes else 0.0
        return max(by_time, self.trainer.kimg / kimg if kimg else 0.0)

    @property
    def ended(self) -> bool:
        return self.stopped or self.share >= 1


@checked
def fit(
    lesions: Lesions,
    recipe: Recipe | None = None,
    out: Path | None = None,
    *,
    latest: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Train a GAN on the training patients of `lesions` and leave a run folder.

    Patients of a share `recipe.training.holdout` are held out: nothing of them is trained on; they choose the snapshot.
    Rows whose split is "test" are on neither side. `latest` points runs/latest here.

    Under torchrun its processes fit one run together; all must see the run folder, and the first writes it.

    Raises DataError, UsageError, and InterruptedFitError (Ctrl-C), which leaves a run for `fit_or_resume`:
    unfinished, or complete if it came with the last step.
    """
    progress, recipe = _told_by_first(progress), recipe or Recipe()
    with progress.task("Reading lesions", len(lesions)) as update:
        found = require_usable(lesions, lambda done, _: update(done, ""), recipe.model.spatial_dims, recipe.named_size)
    for line in found.warnings:
        progress.say(f"Warning: {line}")
    with ExitStack() as held:
        return _complete(_start(found, at_own_size(recipe, found), out, held), latest, progress)


def resume_fit(
    folder: Path | None = None,
    progress: Progress | None = None,
    *,
    latest: bool = True,
    device: DeviceName | None = None,
) -> Run:
    """Go on with the unfinished run in `folder` (default: the newest in runs/), by the recipe in it.

    It ends with the weights that an uninterrupted run has after as many steps, on the device that it was begun on or,
    where another is given, nearly. `latest` points runs/latest here. Raises UsageError where there is nothing to go on
    with.
    """
    with ExitStack() as held:
        return _complete(_resume(folder or newest_unfinished(), device, held), latest, _told_by_first(progress))


def fit_or_resume(
    lesions: Lesions, recipe: Recipe, out: Path, *, latest: bool = False, progress: Progress | None = None
) -> Run:
    """The run in `out` however far it came: returned if it is finished, gone on with, or fitted if there is none.

    A folder that a fit left before its first snapshot is removed and fitted anew.
    Raises what `fit` raises, and UsageError where `out` holds a run by another recipe or of other lesions.
    """
    run = Run(out.resolve())
    if run.finished or run.resumable:
        _require_same(run, lesions, recipe)
        return open_run(out) if run.finished else resume_fit(out, progress, latest=latest)
    if is_first():
        remove_aborted_start(out)
    return fit(lesions, recipe, out, latest=latest, progress=progress)


def _require_same(run: Run, lesions: Lesions, recipe: Recipe) -> None:
    found = require_usable(lesions, dims=recipe.model.spatial_dims)
    given = found.lesions.at_most(recipe.data.max_per_class)
    columns = ["path", "label", "patient", "split", "mask", "roi_side_mm", "content"]
    for told, same in (
        ("by another recipe", run.recipe.hash() == resolve(at_own_size(recipe, found)).hash()),
        ("of other lesions", run.lesions.table[columns].equals(given.table[columns])),
    ):
        if not same:
            raise UsageError(f"{run.folder}: holds a run {told}, which is not replaced. Empty it, or give another.")


def _told_by_first(progress: Progress | None) -> Progress:
    return progress if progress and is_first() else Progress()


def _complete(under_way: _Fit, latest: bool, progress: Progress) -> Run:
    _train(under_way, progress)
    run = under_way.run
    lead(under_way.trainer.fabric, lambda: _finish(under_way))
    if latest and is_first() and not point_latest_to(run):
        progress.say(f"Warning: runs/latest could not be set. Name this run with --run {run.folder}.")
    if under_way.halted:  # in its last step or snapshot: whoever fits several must not begin the next
        raise InterruptedFitError(
            f"Interrupted as the run in {run.folder} ended; it is complete. `augmentor report` makes its page, "
            f"`augmentor expand --run {run.folder}` goes on."
        )
    return run


def _start(found: Inspection, recipe: Recipe, out: Path | None, held: ExitStack) -> _Fit:
    recipe = resolve(recipe)
    fabric = start_fabric(recipe.training)
    method = METHODS[recipe.model.name]
    require_shareable(fabric, method, batch_of(recipe.training, method, recipe.model.spatial_dims))
    lesions = found.lesions.at_most(recipe.data.max_per_class)
    train, held_out = _split(lesions, recipe)
    given = out is not None and out.exists()
    run = Run(lead(fabric, lambda: new_folder(out).resolve()))
    lead(fabric, lambda: held.enter_context(at_work_in(run.folder)))
    try:
        lead(fabric, lambda: _fill(run, lesions, train, held_out, recipe))
        under_way = _prepare(run, recipe, fabric)
        lead(fabric, lambda: _take_snapshot(under_way))
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
    lesions.save(run.folder / "lesions.csv")
    splits = {"source": str(lesions.source), "train": train.paths, "held_out": held_out.paths}
    write_atomically(run.folder / "splits.json", json.dumps(splits, indent=1))
    recipe.save(run.folder / "recipe.toml")


def _split(lesions: Lesions, recipe: Recipe) -> tuple[Lesions, Lesions]:
    rows, held = holdout(lesions, recipe.training.holdout, recipe.training.seed)
    train, held_out = lesions.rows(rows), lesions.rows(held)
    guard(train, held_out)
    return train, held_out


def _prepare(run: Run, recipe: Recipe, fabric: Fabric) -> _Fit:
    """Networks and references for the lesions that the run folder names."""
    classes, section, seed = run.training.classes, recipe.model, recipe.training.seed
    train, intensity = _load(run.training, classes, recipe)
    held_out = _load(run.held_out, classes, recipe, intensity)[0] if len(run.held_out) else None
    moved = lead(fabric, lambda: _moved(run, train, recipe))
    reach, patients = RANGES[moved] if moved else GraftRange(), groups(run.training)
    lesions = TrainingLesions(train.images, train.labels, len(classes), train.sides_mm, patients, reach)
    gan = build_gan(section, lesions, seed)
    trainer = Trainer(gan, lesions, recipe.training, fabric)
    card = _card(run, recipe, train, classes, intensity)
    source = json.loads((run.folder / "splits.json").read_text(encoding="utf-8"))["source"]
    monitor = Monitor(train, held_out, seed, gan.masks, patients)
    return _Fit(run, recipe, trainer, monitor, card, source, moved)


def _moved(run: Run, train: Side, recipe: Recipe) -> str | None:
    """How far training lesions are moved, by the name of the range; None for a model that starts from none."""
    if recipe.model.name != "cgan":
        return None
    return measure_reach(train, groups(run.training), int(recipe.model.with_mask))


def _load(
    lesions: Lesions, classes: list[str], recipe: Recipe, intensity: Intensity | None = None
) -> tuple[Side, Intensity]:
    """One side's lesions for the networks, each with its mask as the last channel and its size where the model asks."""
    section = recipe.model
    images, intensity = load_images(lesions.paths, section.size, intensity)
    if section.with_mask:
        images = np.concatenate([images, load_mask_channels(lesions, section.size)], axis=1)
    sides = torch.tensor(load_sides(lesions)) if section.condition_on else None
    labels = torch.from_numpy(class_numbers(lesions.table["label"], classes))
    return Side(torch.tensor(images), labels, sides), intensity


def _card(run: Run, recipe: Recipe, train: Side, classes: list[str], intensity: Intensity) -> Card:
    sizes = torch.bincount(train.labels, minlength=len(classes)).tolist()
    rows = zip(run.training.paths, run.training.table["roi_side_mm"], strict=True)
    spacings = [spacing_at(read_image(path), side, recipe.model.size) for path, side in rows]
    known = [s for s in spacings if s is not None]
    spacing = tuple(np.median(known, axis=0).tolist()) if known else None
    channels = train.images.shape[1] - recipe.model.with_mask
    return Card(recipe.model, tuple(classes), channels, tuple(sizes), intensity, spacing, 0, recipe.hash())


def _resume(folder: Path, device: DeviceName | None, held: ExitStack) -> _Fit:
    run = Run(folder.resolve())
    _require_resumable(run)
    recipe = run.recipe
    if device:
        recipe = resolve(recipe.with_options(training={"device": device, "precision": "auto"}))
    fabric = start_fabric(recipe.training)
    lead(fabric, lambda: held.enter_context(at_work_in(run.folder)))
    _require_resumable(run)  # another process may have ended it just now
    run.require_unchanged()
    under_way = _prepare(run, recipe, fabric)
    try:
        under_way.trainer.restore(load_tensors(run.state))
    except RuntimeError as error:  # weights that are missing, too many, or of another shape
        raise UsageError(
            f"{run.folder}: was begun by another version of augmentor, with other networks. Start a new run."
        ) from error
    under_way.seconds = json.loads(run.state.with_suffix(".json").read_text(encoding="utf-8"))["seconds"]
    lead(under_way.trainer.fabric, lambda: _forget_later_records(under_way))
    lead(under_way.trainer.fabric, lambda: _begin_again(under_way))
    return under_way


def _require_resumable(run: Run) -> None:
    if run.finished:
        raise UsageError(f"{run.folder}: this run is finished. Start another without --resume.")
    if not run.resumable:
        advice = "Remove the folder, then start" if is_aborted_start(run.folder) else "Start"
        raise UsageError(f"{run.folder}: holds no unfinished run to resume. {advice} one without --resume.")


def _forget_later_records(under_way: _Fit) -> None:
    run, step = under_way.run, under_way.trainer.step
    kept = [r for r in run.metrics if r["step"] <= step]
    write_atomically(run.folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in kept))
    under_way.snapshots = [r for r in kept if r["kind"] == "snapshot"]


def _begin_again(under_way: _Fit) -> None:
    first = under_way.run.checkpoints / under_way.snapshots[0]["checkpoint"]
    under_way.monitor.begin_at(load_checkpoint(first)[0])


def _train(under_way: _Fit, progress: Progress) -> None:
    minutes, kimg = under_way.recipe.training.length
    length = " or ".join([*([f"{minutes:g} min"] if minutes else []), *([f"{kimg:g} kimg"] if kimg else [])])
    name = f"Fitting {under_way.recipe.model.name} ({length})"
    fabric = under_way.trainer.fabric
    with progress.task(name, 1.0) as update, _interrupt_between_steps() as asked:
        under_way.stopped = lead(fabric, lambda: _should_stop(under_way))  # one that was killed as it stopped
        while not under_way.ended:
            due = _next_snapshot(under_way)
            _train_until(under_way, due, update, asked)
            if under_way.share >= due:
                lead(fabric, lambda: _take_snapshot(under_way))
                under_way.stopped = lead(fabric, lambda: _should_stop(under_way))
            if under_way.halted and not under_way.ended:
                lead(fabric, lambda: _save_state(under_way))
                raise InterruptedFitError(
                    f"Interrupted at step {under_way.trainer.step}; nothing is lost. "
                    f"Go on with `augmentor fit --resume --out {under_way.run.folder}`."
                )
        _, under_way.halted = agree(fabric, under_way.seconds, under_way.halted or asked.is_set())
    if under_way.stopped:
        progress.say(f"Stopped at {under_way.share:.0%} of the length: {_why_stopped(under_way)}.")


def _should_stop(under_way: _Fit) -> bool:
    """Whether the last two snapshots know the training lesions by heart (see `Snapshot.by_heart`) before the end."""
    last = [s.get("by_heart", False) for s in under_way.snapshots[-2:]]
    return under_way.trainer.method.stop_early and under_way.share < 1 and last == [True, True]


def _why_stopped(under_way: _Fit) -> str:
    if not len(under_way.run.held_out):
        return (
            "the training lesions are told from synthetic ones, or copied; without held-out patients nothing can "
            "say whether they are known by heart, so they are taken to be"
        )
    return _BY_HEART


@contextmanager
def _interrupt_between_steps() -> Iterator[Event]:
    """Ctrl-C sets the event, so that a step or a snapshot is never cut in two. (Only the main thread can listen.)"""
    asked = Event()
    if current_thread() is not main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _next_snapshot(under_way: _Fit) -> float:
    """The share of the length at which the next snapshot is due: k^2 of n^2, so that a fit of any length is looked at
    early, when most happens."""
    count = under_way.recipe.training.snapshots
    return min(1.0, ((math.floor(math.sqrt(under_way.share) * count + 1e-9) + 1) / count) ** 2)


def _train_until(under_way: _Fit, share: float, update: Update, asked: Event) -> None:
    trainer, recent = under_way.trainer, under_way.recent
    while under_way.share < share and not under_way.halted:
        begun = time.perf_counter()
        losses = trainer.train_step()
        seconds = under_way.seconds + time.perf_counter() - begun
        under_way.seconds, under_way.halted = agree(trainer.fabric, seconds, asked.is_set())
        if not recent or under_way.seconds - recent[-1][0] >= _RECORD_SECONDS:
            recent.append((under_way.seconds, trainer.kimg))
            rate = _rate(recent)
            told = {k: round(v, 4) for k, v in average(trainer.fabric, losses).items()}
            _require_finite(told, under_way)
            if is_first():
                _record(under_way, "step", {"images_per_second": rate} | told)
                update(min(under_way.share, 1.0), _note(under_way, told, rate))


def _rate(recent: deque[tuple[float, float]]) -> float:
    (s0, k0), (s1, k1) = recent[0], recent[-1]
    return round((k1 - k0) * 1000 / (s1 - s0), 1) if s1 > s0 else 0.0


def _note(under_way: _Fit, losses: dict[str, float], rate: float) -> str:
    likeness = under_way.snapshots[-1]["mmd"]
    held_out = f", held-out mmd {likeness:.3f}" if likeness is not None else ""
    return f"{rate:.0f} images/s, d {losses['loss_d']:.2f} g {losses['loss_g']:.2f}{held_out}"


def _require_finite(losses: dict[str, float], under_way: _Fit) -> None:
    if not all(math.isfinite(v) for v in losses.values()):
        raise AugmentorError(
            f"{under_way.run.folder}: the losses left the numbers at step {under_way.trainer.step} ({losses}). "
            "Earlier checkpoints are kept. Lower training.generator_lr, or set training.precision to 32-true."
        )


def _record(under_way: _Fit, kind: str, values: dict[str, Any]) -> None:
    trainer = under_way.trainer
    where = {"kind": kind, "step": trainer.step, "kimg": trainer.kimg, "seconds": round(under_way.seconds, 2)}
    with (under_way.run.folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(where | values) + "\n")
    if kind == "snapshot":
        under_way.snapshots.append(where | values)


def _take_snapshot(under_way: _Fit) -> None:
    """Checkpoint, picture, measures, and the state for a resume."""
    trainer, name = under_way.trainer, f"{under_way.trainer.step:07d}"
    _require_finite({"weights": float(sum(w.abs().sum() for w in trainer.ema.parameters()))}, under_way)
    card = Card(**(under_way.card.__dict__ | {"step": trainer.step}))
    save_checkpoint(under_way.run.checkpoints / f"{name}.safetensors", trainer.ema, card)
    train, seed = under_way.monitor.train, under_way.recipe.training.seed
    picture = under_way.run.samples / f"{name}.png"
    save_grid(picture, trainer.ema, train.images, train.labels, seed, under_way.monitor.masks)
    snapshot = under_way.monitor.measure(trainer.ema, trainer.discriminator.module)
    _record(under_way, "snapshot", asdict(snapshot) | {"checkpoint": f"{name}.safetensors"})
    _save_state(under_way)


def _save_state(under_way: _Fit) -> None:
    save_tensors(under_way.run.state, under_way.trainer.state())
    write_atomically(under_way.run.state.with_suffix(".json"), json.dumps({"seconds": under_way.seconds}))


def _finish(under_way: _Fit) -> None:
    """Choose a snapshot by the held-out patients, and drop what only a resume needs."""
    run = under_way.run
    chosen, why = _choose(under_way.snapshots, under_way.trainer.method.stop_early)
    save_summary(
        run,
        {
            "chosen": chosen["checkpoint"],
            "chosen_because": why,
            "stopped_early": _why_stopped(under_way) if under_way.stopped else None,
            "source": under_way.source,
            "lesions_moved": under_way.moved,
            "steps": under_way.trainer.step,
            "kimg": round(under_way.trainer.kimg, 3),
            "seconds": round(under_way.seconds, 1),
            "discrimination_held_out": chosen["discrimination_held_out"],
            "mmd": chosen["mmd"],
            "coverage": chosen["coverage"],
            "floor": under_way.monitor.floor(),
            "classes": run.training.counts(),
            "held_out": len(run.held_out),
        },
    )
    for file in (run.state, run.state.with_suffix(".json"), run.lock):
        file.unlink(missing_ok=True)


def _choose(snapshots: list[dict[str, Any]], by_heart_counts: bool) -> tuple[dict[str, Any], str]:
    """The snapshot that is used, and why: the latest of those that are as near to the held-out lesions as the nearest.

    Training is to mend what no mmd sees, the seam of a graft: a smaller difference is not worth undoing it."""
    able = [s for s in snapshots if not (by_heart_counts and s.get("by_heart", False))] or snapshots
    of = "" if len(able) == len(snapshots) else " of those before the training lesions were known by heart"
    judged = [s for s in able if s["mmd"] is not None]
    if not judged:
        return able[-1], f"last{of} (nothing held out)"
    nearest = min(s["mmd"] for s in judged)
    chosen = [s for s in judged if s["mmd"] <= nearest + _AS_NEAR * abs(nearest)][-1]  # an unbiased mmd may be below 0
    return chosen, f"latest with about the lowest held-out mmd{of}"
