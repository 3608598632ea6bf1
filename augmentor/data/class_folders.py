"""A folder with one folder a class: which of its files are lesions, and what is left out of it, in words."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from augmentor.data.folders import is_ours
from augmentor.data.formats import SUFFIXES, is_hidden, is_image, names_dicom, stem
from augmentor.data.mask_names import ALWAYS, FOLDERS, masks_among
from augmentor.data.tables import SPLITS, advice_on_files, data_files
from augmentor.errors import DataError, listed

# What people and systems keep beside images; files of other kinds could be images that are not read.
_SIDECARS = (".csv", ".db", ".ini", ".json", ".log", ".md", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml")
_NUMBER = re.compile(r"\d")
_NUMBERS = re.compile(r"\d+")
_SCAN_FOLDERS = (("imagestr", "labelstr"), *(("images", masks) for masks in FOLDERS))


@dataclass(frozen=True)
class Home:
    """A class's folder, and the split that it belongs to ("" for none)."""

    split: str
    folder: Path

    @cached_property
    def below(self) -> list[Path]:
        return list(_below(self.folder))

    @cached_property
    def images(self) -> list[Path]:
        return _images(self.below)


def read_class_folders(folder: Path, sure: bool = False) -> tuple[dict[str, list[str]], list[str]]:
    """The columns path, label and split of its lesions, and what was left out. sure: that its folders are classes, and
    not kinds of images with a folder a class in each. Raises DataError."""
    splits, homes = _homes(folder)
    masks = {f for home in homes for f in masks_among(home.images, folder)}
    doubled = _beside_pictures([f for home in homes for f in home.images])
    rows = [(home, f) for home in homes for f in home.images if f not in masks | doubled]
    if not rows:
        raise DataError(
            f"{folder}: holds no images in folders by class. Expected {folder.name}/<class>/<image>, "
            f"with the image one of {', '.join(SUFFIXES)}. "
            f"Lesions inside scans are cut out by augmentor extract --data.{advice_on_files(folder)}"
        )
    if not (splits or sure):
        _require_one_level(folder, rows)
    columns = {
        "path": [str(f) for _, f in rows],
        "label": [home.folder.name for home, _ in rows],
        "split": [home.split for home, _ in rows],
    }
    left = [
        *([] if sure else _like_patients(folder, rows)),
        *_empty(folder, homes),
        *_other_files(homes),
        *_no_lesions(masks, doubled),
        *_called_masks((folder, *splits)),
    ]
    return columns, [*left, *_ours(folder, homes), *_stray((folder, *splits)), *_unread(folder)]


def _homes(folder: Path) -> tuple[list[Path], list[Home]]:
    """The folders of splits, where there are any, and those of classes."""
    tops = _class_folders(folder)
    _require_no_scans(folder)
    splits = [d for d in tops if d.name.lower() in SPLITS and _class_folders(d)]
    if not splits:
        return [], [Home("", d) for d in tops]
    beside = [d.name for d in tops if d not in splits and _images(_below(d))]
    if beside:
        raise DataError(
            f"{folder}: holds {', '.join(beside)} beside the splits {', '.join(d.name for d in splits)}. "
            "Move every class into a split, or take the split folders away."
        )
    for split in splits:
        _require_no_scans(split)
    return splits, [Home(SPLITS[d.name.lower()], c) for d in splits for c in _class_folders(d)]


def _require_no_scans(folder: Path) -> None:
    names = {d.name.lower(): d.name for d in folder.iterdir() if d.is_dir()}
    for images, masks in _SCAN_FOLDERS:
        if images in names and masks in names:
            raise DataError(
                f"{folder}: {names[images]} and {names[masks]} are no classes, but scans with their masks. Cut the "
                f"lesions out first: augmentor extract --data {shlex.quote(str(folder))}"
            )


def _require_one_level(folder: Path, rows: list[tuple[Home, Path]]) -> None:
    """Raise DataError where the classes are one level below: all folders of lesions have the same folders within, and
    nothing beside these. Names with a number in each may be patients, and splits may lie within classes."""
    within: dict[Path, set[str]] = {}
    for home, file in rows:
        within.setdefault(home.folder, set()).add(next(iter(file.relative_to(home.folder).parts[:-1]), ""))
    homes, parts = list(within), next(iter(within.values()))
    if len(homes) < 2 or len(parts) < 2 or any(some != parts for some in within.values()):
        return
    if any(part.lower() in ("", *SPLITS) for part in parts) or all(map(_NUMBER.search, parts)):
        return
    names = [f"{home.name}/" for home in homes]
    raise DataError(
        f"{folder}: {listed(names)} hold the same folders ({listed(sorted(parts))}), which look like the classes. Give "
        f"--data {shlex.quote(str(homes[0]))}. If {names[0]} is a class itself, say where the patient stands in the "
        f"path below it: --patient-pattern '<class>/<anything>/<patient>_<anything>'.{advice_on_files(folder)}"
    )


def _like_patients(folder: Path, rows: list[tuple[Home, Path]]) -> list[str]:
    """A note where three folders or more hold files of the same names, as those of patients do (`T1.nii.gz`,
    `FLAIR.nii.gz`). Names that differ in numbers alone are no sign: lesions of each class can be numbered."""
    held: dict[str, set[str]] = {}
    for home, file in rows:
        held.setdefault(home.folder.name, set()).add(file.relative_to(home.folder).as_posix())
    names, *others = held.values()
    kinds = {_NUMBERS.sub("", name) for name in names}
    if len(others) < 2 or any(some != names for some in others) or 1 == len(kinds) < len(names):
        return []
    return [
        f"The {len(held)} folders of {folder.name} ({listed(sorted(held))}) all hold files of the same names "
        f"({listed(sorted(names))}): they look like patients, and are taken for classes. If they hold scans, cut the "
        f"lesions out first: augmentor extract --data {shlex.quote(str(folder))}. If they hold lesions, give --data a "
        "CSV with the columns path, label and patient, or put them into a folder a class."
    ]


def _class_folders(folder: Path) -> list[Path]:
    tops = sorted(d for d in folder.iterdir() if d.is_dir())
    return [d for d in tops if not _left_out(d.name) and not _is_written(d)]


# --- what is no lesion


def _left_out(name: str) -> bool:
    return is_hidden(name) or name.lower() == ALWAYS


def _is_written(folder: Path) -> bool:
    """Whether a command wrote it, or all that lies in it, as in runs/ where `fit` is called among the lesions."""
    return is_ours(folder) or (any(map(is_ours, folder.glob("*/"))) and not _images(_below(folder)))


def _below(folder: Path) -> Iterator[Path]:
    """All files below, in linked folders too, but for hidden ones (what a Mac or a notebook leaves beside the real
    ones), those in a folder `masks`, and those that a command wrote. A link to a folder above, or to one that was read
    already, adds nothing."""
    seen = {*folder.resolve().parents}
    waiting = [folder]
    for start in waiting:
        if start.resolve() in seen:
            continue
        for home, folders, names in os.walk(start):
            seen.add(Path(home).resolve())
            yield from (Path(home, name) for name in names if not _left_out(name))
            within = [f for name in sorted(folders) if not _left_out(name) and not is_ours(f := Path(home, name))]
            waiting += [f for f in within if f.is_symlink()]
            folders[:] = [f.name for f in within if f.resolve() not in seen]


def _images(paths: Iterable[Path]) -> list[Path]:
    """The images among them, sorted; with links that lead nowhere (what was not fetched), for reading those tells."""
    return sorted(f for f in paths if is_image(f) and (f.is_file() or (f.is_symlink() and not f.exists())))


def _beside_pictures(files: list[Path]) -> set[Path]:
    """`x.dcm` where `x.png` lies beside it: one lesion in two formats."""
    pictures = {(f.parent, stem(f.name)) for f in files if not names_dicom(f)}
    return {f for f in files if names_dicom(f) and (f.parent, stem(f.name)) in pictures}


# --- what is told


def _empty(folder: Path, homes: list[Home]) -> list[str]:
    empty = [str(home.folder.relative_to(folder)) for home in homes if not home.images]
    if not empty:
        return []
    return [f"No image is in {', '.join(empty)}, so no lesions come from there (read are {', '.join(SUFFIXES)})."]


def _other_files(homes: list[Home]) -> list[str]:
    """A note about files in classes' folders that could be images of a kind that is not read."""
    below = (f for home in homes if home.images for f in home.below)
    files = [f for f in below if not is_image(f) and f.suffix.lower() not in _SIDECARS]
    kinds = Counter(f.suffix.lower() or "without a suffix" for f in files)
    told = [f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda k: (-k[1], k[0]))]
    if not files:
        return []
    return [
        f"Files beside the images are left out: {listed(told)} "
        f"(for example {min(files)}). Convert those that show lesions; read are {', '.join(SUFFIXES)}."
    ]


def _no_lesions(masks: set[Path], doubled: set[Path]) -> list[str]:
    notes = []
    if masks:
        notes.append(
            f"{len(masks)} images are taken for masks by their names and left out, for example {min(masks)}. To make "
            "lesions with masks, name both in a table with the columns path, label and mask. Lesions inside scans are "
            "cut out by augmentor extract."
        )
    if doubled:
        notes.append(
            f"{len(doubled)} DICOM files are left out, for example {min(doubled)}: a picture of the same name lies "
            "beside each."
        )
    return notes


def _called_masks(folders: Iterable[Path]) -> list[str]:
    """A note about folders of masks where the classes are."""
    called = [d for home in folders for d in sorted(home.glob("*/")) if d.name.lower() == ALWAYS]
    counts = {d: sum(map(is_image, d.rglob("*"))) for d in called}
    told = ", ".join(f"{d} ({count} image{'s' * (count != 1)})" for d, count in counts.items() if count)
    return [f"Taken for masks by its name, and left out: {told}. If it is a class, rename it."] if told else []


def _ours(folder: Path, homes: list[Home]) -> list[str]:
    ours = [d for d in sorted(folder.iterdir()) if d.is_dir() and _is_written(d)]
    ours += [d for home in homes for d in sorted(home.folder.glob("*/")) if is_ours(d)]
    told = ", ".join(d.relative_to(folder).as_posix() for d in ours)
    return [f"No classes, and left out, is what augmentor wrote: {told}."] if ours else []


def _stray(folders: Iterable[Path]) -> list[str]:
    stray = [f for home in folders for f in _images(home.iterdir()) if not _left_out(f.name)]
    if not stray:
        return []
    return [f"Images in no class's folder are left out: {len(stray)}, for example {min(stray)}. Move them into one."]


def _unread(folder: Path) -> list[str]:
    files = data_files(folder)
    if not files:
        return []
    return [
        f"Not read, since the folders are the classes: {listed([f.name for f in files])}. If a file names images and "
        "classes, give it as --data."
    ]
