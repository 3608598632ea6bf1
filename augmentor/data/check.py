"""What is in a lesion set, and everything that is wrong with it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augmentor.data.images import read_stored
from augmentor.data.lesion_image import LesionImage
from augmentor.data.lesions import Lesions
from augmentor.data.masks import drawn_on, without_masks
from augmentor.data.patients import shown
from augmentor.data.tables import advice_on_files
from augmentor.data.upright import set_upright
from augmentor.data.windows import RECORD, units_of
from augmentor.errors import SHOWN, DataError, first_of
from augmentor.progress import Update
from augmentor.recipe import Recipe

_FAR_SMALLER = 0.75  # of the side that networks see
_LEAST_SIZE = 16  # of a network
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # the last ones turn the writing round
_TINY = 8  # pixels; an image without a side as long shows no lesion


@dataclass
class Inspection:
    """`problems` forbid a fit, `warnings` do not. `lesions` has its `content` column filled (unreadable rows: "")."""

    lesions: Lesions
    classes: dict[str, dict[str, int]]
    sizes: dict[str, int]
    dtypes: dict[str, int]
    channels: dict[str, int]
    intensity: dict[str, float]
    splits: dict[str, int]
    folds: dict[str, int]
    examples: dict[str, str] = field(default_factory=dict)  # the first file of each dtype and channel count
    exact_duplicates: list[list[str]] = field(default_factory=list)
    duplicates_across_patients: list[list[str]] = field(default_factory=list)
    duplicates_across_splits: list[list[str]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def dims(self) -> set[int]:
        """2 where there are images, 3 where there are volumes."""
        return {size.count("x") + 1 for size in self.sizes}

    @property
    def largest(self) -> int:
        """The longest side of any image, in pixels or voxels; 0 where none can be read."""
        return max((int(side) for size in self.sizes for side in size.split("x")), default=0)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the table, ready for JSON."""
        content = asdict(replace(self, lesions=None))  # type: ignore[arg-type]
        content["lesions"] = {"images": len(self.lesions), "patients": self.lesions.table["patient"].nunique()}
        told = {"source": str(self.lesions.source), "columns": dict(self.lesions.columns)}
        return content | told | {"usable": not self.problems}


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


def inspect(lesions: Lesions, update: Update | None = None, masks: bool = True, holds_out: bool = True) -> Inspection:
    """Read every image, and its mask unless `masks` is False, once and report; raises nothing about the data itself.

    holds_out: whether a fit of them will draw patients to hold out."""
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
        classes={
            str(k): {"images": int(v.images), "patients": int(v.patients)} for k, v in lesions.per_class().iterrows()
        },
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
    _find_duplicates(found)
    _find_problems(found)
    _find_few_patients(found, holds_out)
    return found


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
    missing = without_masks(lesions) if lesions.table["mask"].any() else ""
    if not (refused or missing):
        return []
    told = ["A fit --with-mask would be refused:"]
    return [*told, *([missing] if missing else []), *first_of(refused, "masks")]


def content_hash(pixels: np.ndarray) -> str:
    """What the column `content` holds of an image's pixels, their dtype and their shape."""
    return hashlib.sha256(
        str((pixels.shape, pixels.dtype)).encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()[:16]


def _find_duplicates(found: Inspection) -> None:
    table = found.lesions.table
    twice = table[(table["content"] != "") & table["content"].duplicated(keep=False)]
    for _, group in twice.groupby("content", sort=False):
        paths = group["path"].tolist()
        found.exact_duplicates.append(paths)
        if group["patient"].nunique() > 1:
            found.duplicates_across_patients.append(paths)
        if group["split"].nunique() > 1 or group["fold"].nunique() > 1:
            found.duplicates_across_splits.append(paths)
        if group["label"].nunique() > 1:
            found.warnings.append(f"One image under two labels: {', '.join(paths)}. One of the labels is wrong.")
    for name, sets in (("patients", found.duplicates_across_patients), ("splits", found.duplicates_across_splits)):
        if sets:
            found.warnings.append(
                f"{len(sets)} images stand under several {name} (for example {' = '.join(sets[0][:2])}). "
                "They are kept on one side of every split, so that none is trained on and tested on."
            )


def _find_problems(found: Inspection) -> None:
    problems, table = found.problems, found.lesions.table
    if found.unreadable:
        problems += first_of(found.unreadable, "files")
    synthetic = int((table["origin"] == "synthetic").sum())
    if synthetic:
        problems.append(
            f"{synthetic} of {len(table)} rows are synthetic; a GAN is trained, and a classifier tested, on real "
            "lesions only. Give the real set from which they were made."
        )
    if not found.classes:
        problems.append(f"{found.lesions.source}: no lesion is left of it. Choose more of its rows.")
    if len(found.classes) == 1:
        problems.append(
            f"{found.lesions.source} has one class, {next(iter(found.classes))!r}; a classifier needs two or more. "
            f"Add a folder or a label for the others.{_advice_on(found.lesions.source)}"
        )
    for name, count in found.classes.items():
        if count["patients"] < 2:
            problems.append(
                f"Class {name!r} has {count['patients']} patient ({count['images']} images) in {found.lesions.source}; "
                "a fit holds patients out, so it needs 2 or more a class (a benchmark: one a fold). "
                "Merge the class with another, or add patients."
            )
    _check_names(found)
    _check_spelling(found)
    _check_alike(found)
    several = [
        f"{path} stands under {' and '.join(names)}; an image has one {column}. Leave the other rows out."
        for column in ("label", "patient")
        for path, named in table.groupby("path")[column]
        if len(names := sorted(set(named))) > 1
    ]
    problems += first_of(several, "images")
    for column in ("split", "fold"):
        _check_patients_stay(table, column, problems)


def _advice_on(source: Path) -> str:
    return advice_on_files(source) if source.is_dir() else ""


def _find_few_patients(found: Inspection, holds_out: bool) -> None:
    """Warn of classes of which one patient is left to train on. holds_out: as in `inspect`; not where the data brings
    those that are."""
    split = found.lesions.table["split"]
    drawn = holds_out and not (split == "val").any()
    needed = 3 if drawn else 2
    training = found.lesions.rows(~split.isin(("val", "test")).to_numpy()).per_class()
    for name in training.index[training["patients"] == needed - 1]:
        why = "2 patients, of whom a fit holds one out" if drawn else "1 patient to train on"
        found.warnings.append(
            f"Class {name!r} has {why}: of one patient's lesions few new ones can be made, and of a single lesion "
            f"none. Give it {needed} patients or more{', or fit with --holdout 0' if drawn else ''}."
        )


def _check_names(found: Inspection) -> None:
    """What the tables that are written could not give back."""
    rows = found.lesions.table.drop(columns="content").itertuples(index=False)
    odd = dict.fromkeys(text for row in rows for text in row if text != _written(text))
    found.problems += first_of(
        [
            f"{text!a}: has a line break or other control character in its name, or bytes that are no UTF-8. Rename it."
            for text in odd
        ],
        "names",
    )


def _check_spelling(found: Inspection) -> None:
    spelt: dict[str, list[str]] = {}
    for name in found.classes:
        spelt.setdefault(" ".join(unicodedata.normalize("NFC", name).casefold().split()), []).append(name)
    found.problems += [
        f"Classes {' and '.join(map(shown, names))} in {found.lesions.source} differ in case, spaces or the encoding "
        "of letters alone. Spell them alike if they are one, else give them other names."
        for names in spelt.values()
        if len(names) > 1
    ]


def _written(text: str) -> str:
    return _CONTROL.sub("", text).encode(errors="replace").decode()


def _check_units(found: Inspection) -> None:
    """PNGs of one `extract` have one window: two windows are two scales of grey, at any depth."""
    units: dict[tuple[float, float], str] = {}
    try:
        readable = found.lesions.table.loc[found.lesions.table["content"] != "", "path"]
        for path in {Path(path).parent: path for path in readable}.values():
            units.setdefault(units_of(path), path)
        _find_resaved(found)
    except DataError as error:
        found.problems.append(str(error))
    if len(units) > 1:
        told = " and ".join(f"{path} (stored x {slope:g} {base:+g})" for (slope, base), path in list(units.items())[:2])
        found.problems.append(
            f"Lesions were cut out with different windows, so their greys mean different units: {told}. Extract all "
            "lesions of a set with the same --window."
        )


def _find_resaved(found: Inspection) -> None:
    for dtype in found.dtypes:
        path = found.examples[dtype]
        if units_of(path) != units_of(path, dtype):
            found.warnings.append(
                f"{path}: holds {dtype} values, and the {RECORD} of its set tells the units of 16-bit pictures: it was "
                "saved again since. The numbers count as greys, in no units. To keep units, extract the lesions again."
            )


def _check_alike(found: Inspection) -> None:
    _check_units(found)
    if len(found.dims) > 1:
        told = ", ".join(f"{n} of {size}" for size, n in list(found.sizes.items())[:SHOWN])
        found.problems.append(
            f"Images and volumes in one set ({told}). Cut sections from the volumes, or leave one kind out."
        )
    for what, counts in (("channel counts", found.channels), ("dtypes", found.dtypes)):
        if len(counts) > 1:
            told = ", ".join(f"{n} of {k}" for k, n in counts.items())
            found.problems.append(
                f"Mixed {what}: {told} (for example {found.examples[list(counts)[-1]]}). All images of a set need the "
                "same; convert the smaller part."
            )


def _check_patients_stay(table: Any, column: str, problems: list[str]) -> None:
    named = table[table[column] != ""]
    torn = [
        f"Patient {patient!r} is in {column}s {', '.join(where)}; a patient must stay in one. "
        f"Correct the {column} column."
        for patient, cells in named.groupby("patient")[column]
        if len(where := sorted(set(cells))) > 1
    ]
    problems += first_of(torn, "patients")


def require_usable(
    lesions: Lesions,
    update: Update | None = None,
    dims: int | None = None,
    size: int | None = None,
    masks: bool = True,
    holds_out: bool = True,
) -> Inspection:
    """Inspect, and raise DataError with every reason if the lesions can't be used, or are no images (2) or volumes (3)
    where `dims` asks for them. Warns where all are far smaller than `size`, the side that networks see."""
    found = inspect(lesions, update, masks, holds_out)
    if found.problems:
        raise DataError(found.problems)
    if dims and dims not in found.dims:
        shape = next(iter(found.sizes))
        kind, advice = ("volumes", "--spatial-dims 3 --size 32") if dims == 2 else ("images", "--spatial-dims 2")
        raise DataError(
            f"{lesions.source}: holds {kind} ({shape}), and {dims} spatial dimensions are asked for. "
            f"Give {advice} (model.spatial_dims in a recipe)"
            + (", or cut a section of each lesion: augmentor extract." if dims == 2 else ".")
        )
    if size:
        _find_enlarged(found, size)
    return found


class Prepared(NamedTuple):
    """What a fit or a benchmark is of."""

    lesions: Lesions
    recipe: Recipe
    warnings: list[str]


def prepare(lesions: Lesions, recipe: Recipe, update: Update | None = None) -> Prepared:
    """The lesions inspected, and of each class as many as the recipe asks for; the recipe with its size named.

    Raises DataError, as `require_usable` does."""
    # (A fit reads masks where it needs them, and names all that it refuses.)
    holds_out = recipe.training.holdout > 0
    found = require_usable(lesions, update, recipe.model.spatial_dims, recipe.named_size, False, holds_out)
    return Prepared(found.lesions.at_most(recipe.data.max_per_class), at_own_size(recipe, found), found.warnings)


def at_own_size(recipe: Recipe, found: Inspection) -> Recipe:
    """The recipe, with `model.size` named: as it is, or where it names none and every image is far smaller than the
    usual size, the side that just holds them."""
    return recipe.with_options(model={"size": recipe.named_size or _fitting(found.largest, recipe.model.size)})


def _find_enlarged(found: Inspection, size: int) -> None:
    if (fitting := _fitting(found.largest, size)) != size:
        found.warnings.append(
            f"No image has a side above {found.largest}, and they are enlarged to {size}: slower, and judged by detail "
            f"that they don't have. Give --size {fitting} (model.size in a recipe)."
        )


def _fitting(largest: int, usual: int) -> int:
    held = max(_LEAST_SIZE, -(-largest // 4) * 4)
    return held if held <= _FAR_SMALLER * usual else usual
