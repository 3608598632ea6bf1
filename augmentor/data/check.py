"""What is in a lesion set: every image read once, counted, and judged by the rules of `faults`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from augmentor.data.faults import find_faults
from augmentor.data.images import read_stored
from augmentor.data.inspection import Inspection, class_counts
from augmentor.data.lesion_image import LesionImage, content_hash
from augmentor.data.lesions import Lesions
from augmentor.data.masks import drawn_on, without_masks_in_fit
from augmentor.data.splits import holdout
from augmentor.data.upright import set_upright
from augmentor.errors import DataError, first_of
from augmentor.progress import Update
from augmentor.recipe import TrainingSection

_USUAL = TrainingSection()
_TINY = 8  # pixels; an image without a side as long shows no lesion


class _Seen(NamedTuple):
    """What one image says. refused: why its mask would be."""

    path: str
    content: str
    size: str
    dtype: str
    channels: str
    low: float
    high: float
    tiny: bool
    notes: tuple[str, ...]
    refused: list[str]


def inspect(
    lesions: Lesions,
    update: Update | None = None,
    masks: bool = True,
    training: TrainingSection = _USUAL,
    fitted: bool = True,
    per_class: int | None = None,
) -> Inspection:
    """Read every image, and its mask unless `masks` is False, once and report; raises nothing about the data itself.

    training: of the fit that is asked about, which holds out a share of patients. fitted: whether it is one of these
    lesions, and not those of a benchmark's folds, which have other sides. per_class: it takes at most so many of each
    class; all are counted and judged, and it is a problem where those that are taken can't be fitted."""
    seen: list[_Seen | None] = []
    unreadable = []
    for number, (path, mask) in enumerate(zip(lesions.paths, lesions.table["mask"], strict=True), 1):
        try:
            seen.append(_see(path, mask if masks else ""))
        except DataError as error:
            unreadable.append(str(error))
            seen.append(None)
        if update:
            update(number, "")
    table = lesions.table.assign(content=[one.content if one else "" for one in seen])
    images = [one for one in seen if one]
    found = Inspection(
        lesions=replace(lesions, table=table),
        classes=class_counts(lesions),
        sizes=_counted(one.size for one in images),
        dtypes=_counted(one.dtype for one in images),
        channels=_counted(one.channels for one in images),
        intensity={"low": min(o.low for o in images), "high": max(o.high for o in images)} if images else {},
        splits=dict(Counter(s for s in table["split"] if s)),
        folds=dict(sorted(Counter(f for f in table["fold"] if f).items())),
        examples={kind: one.path for one in reversed(images) for kind in (one.dtype, one.channels)},
        unreadable=unreadable,
        warnings=[*lesions.warnings, *first_of([note for one in images for note in one.notes], "notes")],
    )
    if masks:
        found.warnings += _mask_warnings(lesions, [told for one in images for told in one.refused])
    found.warnings += _tiny_warnings([one.path for one in images if one.tiny])
    find_faults(found, training, fitted)
    if per_class is not None:
        taken = found.lesions.at_most(per_class)
        found.taken = {"images": len(taken), "patients": taken.patients}
        found.problems += _undivided(taken, training, per_class) if fitted and not found.problems else []
    return found


def _undivided(taken: Lesions, training: TrainingSection, per_class: int) -> list[str]:
    """Why no patients can be held out of the lesions that are left of a set that can be fitted."""
    try:
        holdout(taken, training.holdout, training.seed)
    except DataError as error:
        return [f"With --max-per-class {per_class}: {problem} Or raise --max-per-class." for problem in error.problems]
    return []


def _see(path: str, mask: str) -> _Seen:
    """Raises DataError where the image can't be read."""
    stored = read_stored(path)
    image = set_upright(stored)
    pixels = image.pixels
    return _Seen(
        path=path,
        content=content_hash(pixels),
        size="x".join(map(str, pixels.shape[1:])),
        dtype=str(pixels.dtype),
        channels=str(pixels.shape[0]),
        low=float(pixels.min()),
        high=float(pixels.max()),
        tiny=max(pixels.shape[1:]) < _TINY,
        notes=tuple(image.notes),
        refused=_refused_mask(mask, stored, path),
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    """Most first."""
    return dict(Counter(values).most_common())


def _tiny_warnings(tiny: list[str]) -> list[str]:
    if not tiny:
        return []
    return [
        f"Images without a side of {_TINY} pixels show no lesion: {len(tiny)}, for example {tiny[0]}. Leave them out."
    ]


def _refused_mask(mask: str, image: LesionImage, path: str) -> list[str]:
    try:
        if mask:
            drawn_on(image, mask, path)
    except DataError as error:
        return error.problems
    return []


def _mask_warnings(lesions: Lesions, refused: list[str]) -> list[str]:
    """What a fit with masks would refuse; nothing of a set that has none."""
    missing = without_masks_in_fit(lesions) if lesions.table["mask"].any() else ""
    if not (refused or missing):
        return []
    told = ["A fit --with-mask would be refused:"]
    return [*told, *([missing] if missing else []), *first_of(refused, "masks")]
