"""`fit`: a lesion set and a recipe to a run folder."""

from __future__ import annotations

import shlex
import signal
from contextlib import ExitStack
from pathlib import Path

from augmentor.arguments import checked
from augmentor.data.folders import RECIPE
from augmentor.data.lesions import Lesions
from augmentor.data.preparing import prepare
from augmentor.errors import InterruptedFitError, UsageError
from augmentor.model.devices import DeviceName
from augmentor.model.gan import resolve
from augmentor.progress import Progress
from augmentor.recipe import Recipe
from augmentor.training.distributed import is_first, lead
from augmentor.training.run import Run, newest_unfinished, open_run, point_latest_to, remove_aborted_start, save_summary
from augmentor.training.sitting import train
from augmentor.training.snapshots import choose, why_stopped
from augmentor.training.start import begin, resume
from augmentor.training.under_way import UnderWay


@checked
def fit(
    lesions: Lesions,
    recipe: Recipe | None = None,
    out: Path | None = None,
    *,
    latest: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Train a GAN on the training patients of `lesions` and leave a run in the folder `out` (default: runs/<time>).

    Patients of a share `recipe.training.holdout` are held out: nothing of them is trained on; they choose the snapshot.
    Rows whose split is "test" are on neither side. `latest` points runs/latest here.

    Under torchrun its processes fit one run together; all must see the run folder, and the first writes it.

    Raises DataError, UsageError, AugmentorError where the losses are no longer finite, LeakageError should the split
    ever leak, and InterruptedFitError (Ctrl-C, SIGTERM), which leaves a run for `fit_or_resume`: unfinished, or
    complete if it came with the last step.
    """
    progress, recipe = _told_by_first(progress), recipe or Recipe()
    with progress.task("Reading lesions", len(lesions)) as update:
        lesions, recipe, warnings = prepare(lesions, recipe, update)
    for line in warnings:
        progress.say(f"Warning: {line}")
    with ExitStack() as held:
        return _complete(begin(lesions, recipe, out, held), latest, progress)


def resume_fit(
    folder: Path | None = None,
    progress: Progress | None = None,
    *,
    latest: bool = True,
    device: DeviceName | None = None,
) -> Run:
    """Go on with the unfinished run in `folder` (default: the newest in runs/), by the recipe in it.

    It ends with the weights that an uninterrupted run has after as many steps, on the device that it was begun on or,
    where another is given, nearly. `latest` points runs/latest here.

    Raises UsageError where there is nothing to go on with, DataError where images have changed since, and from then on
    what `fit` raises.
    """
    with ExitStack() as held:
        return _complete(resume(folder or newest_unfinished(), device, held), latest, _told_by_first(progress))


def fit_or_resume(
    lesions: Lesions, recipe: Recipe, out: Path, name: str | None = None, progress: Progress | None = None
) -> Run:
    """The run in `out` however far it came: returned if it is finished, gone on with, or fitted if there is none.

    A folder that a fit left before its first snapshot is removed and fitted anew. name: what Ctrl-C is told to have
    interrupted, as "GAN of ...".
    Raises what `fit` raises, and UsageError where `out` holds a run by another recipe or of other lesions, or what is
    left of one.
    """
    try:
        return _however_far(lesions, recipe, out, progress)
    except InterruptedFitError as error:  # which says how a fit of its own is gone on with
        raise InterruptedFitError(
            f"Interrupted in the {name or f'fit of {out}'}; nothing is lost. Go on with the same command and the same "
            "--out.",
            error.by,
        ) from error


def _however_far(lesions: Lesions, recipe: Recipe, out: Path, progress: Progress | None) -> Run:
    run = Run(out.resolve())
    if run.finished or run.resumable:
        _require_same(run, lesions, recipe)
        return open_run(out) if run.finished else resume_fit(out, progress, latest=False)
    if is_first():
        remove_aborted_start(out)
        _require_no_remains(run)
    return fit(lesions, recipe, out, latest=False, progress=progress)


def _require_no_remains(run: Run) -> None:
    """Raise UsageError where the folder is a run's, but neither finished nor to be gone on with."""
    if (run.folder / RECIPE).exists():
        raise UsageError(f"{run.folder}: holds a run whose run.json is missing. {_anew(run)}")


def _require_whole(run: Run) -> None:
    """Raise UsageError where a file is damaged by which the run is known, or is missing of the snapshot that stands for
    it, with what leads on."""
    try:
        _ = run.recipe, run.training, run.held_out, run.finished and run.summary
    except UsageError as error:
        raise UsageError(f"{error} {_anew(run)}") from error
    chosen = [run.chosen_checkpoint, run.chosen_checkpoint.with_suffix(".json")] if run.finished else []
    if gone := [file for file in chosen if not file.is_file()]:
        raise UsageError(f"{gone[0]}: no such file, which this finished run needs. {_anew(run)}")


def _anew(run: Run) -> str:
    return f"To make it anew, remove the folder {run.folder} and start the same command again."


def _require_same(run: Run, lesions: Lesions, recipe: Recipe) -> None:
    _require_whole(run)  # so that a damaged table is not called one of other lesions
    lesions, recipe, _ = prepare(lesions, recipe)
    asked, theirs = resolve(recipe), run.recipe
    if recipe.training.precision == "auto":  # on another machine it may have stood for another one
        asked = asked.with_options(training={"precision": theirs.training.precision})
    columns = ["path", "label", "patient", "split", "mask", "roi_side_mm", "content"]
    told = None
    if theirs.hash() != asked.hash():
        told = f"by another recipe ({_first_difference(theirs, asked)})"
    elif not run.lesions.table[columns].equals(lesions.table[columns]):
        told = "of other lesions"
    elif run.with_other_masks(lesions):
        told = "of lesions with other masks"
    if told:
        raise UsageError(f"{run.folder}: holds a run {told}, which is not replaced. Empty it, or give another.")


def _first_difference(theirs: Recipe, asked: Recipe) -> str:
    """A setting that two recipes differ in, with both values."""
    others = asked.decisive
    pairs = [
        (f"{s}.{name}", value, others[s][name]) for s, own in theirs.decisive.items() for name, value in own.items()
    ]
    return next(f"{name} is {value} there and {other} here" for name, value, other in pairs if value != other)


def _told_by_first(progress: Progress | None) -> Progress:
    return progress if progress and is_first() else Progress()


def _complete(under_way: UnderWay, latest: bool, progress: Progress) -> Run:
    run = under_way.run
    if told := under_way.monitor.warning(run.training.paths, run.held_out.paths):
        progress.say(f"Warning: {told}")
    train(under_way, progress)
    lead(under_way.trainer.fabric, lambda: _finish(under_way))
    if latest and is_first() and not point_latest_to(run):
        progress.say(f"Warning: runs/latest could not be set. Name this run with --run {shlex.quote(str(run.folder))}.")
    if under_way.halted:  # in its last step or snapshot: whoever fits several must not begin the next
        raise interrupted_when_complete(run, under_way.halted)
    return run


def interrupted_when_complete(run: Run, by: int = signal.SIGINT) -> InterruptedFitError:
    """What a signal is told that came after the last step."""
    folder = shlex.quote(str(run.folder))
    return InterruptedFitError(
        f"Interrupted as the run in {run.folder} ended; it is complete. `augmentor report {folder}` makes its page, "
        f"`augmentor expand --run {folder}` goes on.",
        by,
    )


def _finish(under_way: UnderWay) -> None:
    """Choose a snapshot by the held-out patients, and drop what only a resume needs."""
    run = under_way.run
    chosen, why = choose(under_way.snapshots, under_way.trainer.method.stop_early)
    save_summary(
        run,
        {
            "chosen": chosen["checkpoint"],
            "chosen_because": why,
            "stopped_early": why_stopped(under_way) if under_way.stopped else None,
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
