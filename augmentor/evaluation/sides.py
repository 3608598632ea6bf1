"""What is judged, and the real lesions that it is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from augmentor.data.check import inspect
from augmentor.data.faults import require_alike, require_readable
from augmentor.data.images import read_image
from augmentor.data.inspection import Inspection
from augmentor.data.lesions import Lesions
from augmentor.data.masks import load_masks
from augmentor.data.splits import groups, guard, holdout
from augmentor.data.squares import load_images
from augmentor.errors import DataError, UsageError
from augmentor.evaluation.scales import common_ground, held_by
from augmentor.model.checkpoint import Card, load_checkpoint
from augmentor.progress import Update
from augmentor.sampling import draw, seed_of
from augmentor.training.run import Run

_FIRST = 2**31  # the number of the first lesion that is judged: no fit looks at, and no `expand` writes, so many
_KINDS = {2: "images", 3: "volumes"}
_LARGEST = 256  # pixels a side at which two sets are compared
_UNKNOWN = (
    "Which real lesions the generator was fitted on is not known: copies are looked for among all of them, their "
    "patients were halved for the references, and membership can't be told. A column `split` that names its test or "
    "val lesions would say it."
)


@dataclass(frozen=True)
class Side:
    """images: (N, C, S, S) float32 in [-1, 1]. labels: (N,) class names. groups: (N,) int64, rows of one patient share
    one. paths and seeds: (N,), where there are files, or where a run drew them. masks: (N, 1, S, S), above 0 in the
    lesion, and sides_mm: (N,), where a run has them. Images and masks may be volumes."""

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    paths: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    masks: np.ndarray | None = None
    sides_mm: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: np.ndarray) -> Side:
        """The chosen rows (positions)."""
        names = ("paths", "seeds", "sides_mm")
        kept = {name: [getattr(self, name)[i] for i in chosen] if getattr(self, name) else [] for name in names}
        masks = None if self.masks is None else self.masks[chosen]
        return Side(self.images[chosen], self.labels[chosen], self.groups[chosen], masks=masks, **kept)


@dataclass(frozen=True)
class Sides:
    """Synthetic lesions and two sides of real ones that share no patient.

    known: whether the generator was fitted on `training` and on nothing of `held_out`. Where that is not known, both
    are halves of the real lesions, any of which it may have seen. notes: what a reader must know. finished: whether
    the synthetic lesions are files that stay as they are, rather than fresh ones, of which `expand` refuses some.
    guessed: whether nothing says that the numbers of synthetic and of real files mean the same.
    """

    synthetic: Side
    training: Side
    held_out: Side
    known: bool = True
    notes: tuple[str, ...] = ()
    finished: bool = False
    guessed: bool = False

    @property
    def seen(self) -> Side:
        """The real lesions that the generator may have copied."""
        if self.known:
            return self.training
        both = self.training, self.held_out
        images, labels, numbers = (
            np.concatenate([getattr(s, n) for s in both]) for n in ("images", "labels", "groups")
        )
        return Side(images, labels, numbers, self.training.paths + self.held_out.paths)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Lesions of each side and class."""
        sides = {"synthetic": self.synthetic, "training": self.training, "held_out": self.held_out}
        return {name: {str(c): int((s.labels == c).sum()) for c in np.unique(s.labels)} for name, s in sides.items()}


def sides_of_run(run: Run, per_class: int, update: Update) -> Sides:
    """`per_class` fresh lesions a class of the run's chosen snapshot, unscreened, and the run's own two sides.

    Raises UsageError where the run held no lesions out, DataError where its images have changed since.
    """
    if not len(run.held_out):
        raise UsageError(f"{run.folder}: nothing was held out, so nothing can be judged. Fit with --holdout 0.2.")
    run.require_unchanged()
    generator, card = load_checkpoint(run.chosen_checkpoint)
    numbers = [(c, i) for c in range(len(card.classes)) for i in range(per_class)]
    seeds, drawn = [seed_of(0, c, _FIRST + i) for c, i in numbers], []
    for lesion in draw(generator, card, [c for c, _ in numbers], seeds):
        drawn.append(lesion)
        update(len(drawn) / len(numbers), f"{len(drawn)} drawn")
    synthetic = Side(
        np.stack([lesion.image for lesion in drawn]),
        np.array([card.classes[c] for c, _ in numbers]),
        np.arange(len(numbers)),
        seeds=seeds,
        masks=np.stack([x.mask for x in drawn if x.mask is not None]) if card.model.with_mask else None,
        sides_mm=[lesion.roi_side_mm for lesion in drawn if lesion.roi_side_mm is not None],
    )
    training, held_out = (_side_of_run(lesions, card) for lesions in (run.training, run.held_out))
    return Sides(synthetic, training, held_out)


def sides_of_sets(synthetic: Lesions, real: Lesions) -> Sides:
    """Two sets of lesions. Of an enlarged set (as `expand` writes it) each side takes what is of its origin.

    Where the real set brings a split, its test and val rows are held out, and all others are taken for those that the
    generator was fitted on, as a fit takes them; else its patients are halved. Images of both are brought to the
    synthetic ones' size, and to one scale of intensities (`common_ground`).
    Raises UsageError where a set is empty or says that it holds none of its origin, where the synthetic one has a class
    that the real one lacks, or where the windows of both have too little in common.
    """
    synthetic, real = _of_origin(synthetic, "synthetic"), _of_origin(real, "real")
    missing = set(synthetic.classes) - set(real.classes)
    if missing:
        raise UsageError(
            f"--synthetic has the class {', '.join(sorted(missing))}, which --real lacks (it has "
            f"{', '.join(real.classes)}). Name the folders of both by the same classes."
        )
    left_out = sorted(set(real.classes) - set(synthetic.classes))
    real = real.rows(~real.table["label"].isin(left_out).to_numpy())
    found, found_made = _readable(real), _readable(synthetic)
    real, synthetic = found.lesions, found_made.lesions
    training, held_out, known = _halves(real)
    first, theirs_first = read_image(synthetic.paths[0]), read_image(real.paths[0])
    if first.dims != theirs_first.dims:
        raise UsageError(
            f"--synthetic holds {_KINDS[first.dims]} and --real {_KINDS[theirs_first.dims]}. Give two sets of one kind."
        )
    size = min(_LARGEST, max(first.pixels.shape[1:]))
    ground = common_ground(held_by(found, "--real"), held_by(found_made, "--synthetic"))
    images, _ = load_images(real.paths, size, ground.real)
    made, _ = load_images(synthetic.paths, size, ground.synthetic)
    if made.shape[1] != images.shape[1]:
        raise UsageError(
            f"--synthetic has {made.shape[1]} channels and --real {images.shape[1]}. Convert one of them: grey and "
            "colour can't be compared."
        )
    whole, made_side = _side(real, images), _side(synthetic, made)
    made_side = replace(made_side, groups=np.arange(len(made_side)))
    notes = ground.notes if known else (_UNKNOWN, *ground.notes)
    if left_out:
        notes += (f"Classes without synthetic lesions are left out: {', '.join(left_out)}.",)
    return Sides(made_side, whole.rows(training), whole.rows(held_out), known, notes, True, ground.guessed)


def require_two_of_a_class(sides: Sides) -> None:
    """Raise UsageError, which says what is too little, where no class has two lesions both synthetic and held out."""
    made, real = (sides.counts[side] for side in ("synthetic", "held_out"))
    if _two_or_more(made) & _two_or_more(real):
        return
    if not sides.finished:
        raise UsageError(
            "No class has two or more held-out lesions, so nothing can be judged. "
            "Fit with more lesions, or a larger --holdout."
        )
    held_out = "lesions whose split is test or val" if sides.known else "patients, half of which are held out"
    advice = "Give --synthetic more lesions a class." if _two_or_more(real) else f"Give --real more {held_out}."
    raise UsageError(
        f"No class has two or more lesions both in --synthetic ({_told(made)}) and on the held-out side of --real "
        f"({_told(real)}), so nothing can be judged. {advice}"
    )


def _two_or_more(counts: dict[str, int]) -> set[str]:
    return {label for label, count in counts.items() if count > 1}


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{label}: {count}" for label, count in counts.items())


def _side_of_run(lesions: Lesions, card: Card) -> Side:
    side = _side(lesions, load_images(lesions.paths, card.model.size, card.intensity)[0])
    if not card.model.with_mask:
        return side
    return replace(side, masks=np.stack(load_masks(lesions, card.model.size))[:, None])


def _side(lesions: Lesions, images: np.ndarray) -> Side:
    return Side(images, lesions.table["label"].to_numpy(str), groups(lesions), lesions.paths)


def _of_origin(lesions: Lesions, origin: str) -> Lesions:
    """The rows of this origin; all, of a set that does not tell origins (what is not said to be synthetic stands as
    real)."""
    of_it = (lesions.table["origin"] == origin).to_numpy()
    untold = origin == "synthetic" and not of_it.any() and not lesions.tells_origin
    chosen = lesions if untold else lesions.rows(of_it)
    if not len(chosen):
        raise UsageError(f"{lesions.source}: holds no {origin} lesions. Give another folder to --{origin}.")
    return chosen


def _readable(lesions: Lesions) -> Inspection:
    """Raises DataError where images can't be compared with each other."""
    found = inspect(lesions, masks=False)
    require_readable(found)
    require_alike(found)
    return found


def _halves(real: Lesions) -> tuple[np.ndarray, np.ndarray, bool]:
    """Positions of both sides, and whether the set itself told them apart. (A row without a split is trained on, see
    `holdout`.)"""
    training = ~real.table["split"].isin(["test", "val"]).to_numpy()
    if training.any() and not training.all():
        sides = np.flatnonzero(training), np.flatnonzero(~training)
        guard(real.rows(sides[0]), real.rows(sides[1]))
        return *sides, True
    try:
        return *holdout(replace(real, table=real.table.assign(split="")), 0.5, seed=0), False
    except DataError as error:
        raise UsageError(
            f"--real {real.source}: {error} The references need two sides of real lesions, by patient."
        ) from error
