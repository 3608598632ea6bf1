"""Which files the cells of a table name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from augmentor.data.dicom import is_dicom
from augmentor.data.formats import is_image, stem, visible_below
from augmentor.data.mask_names import in_mask_folders
from augmentor.data.spelling import spelling_key
from augmentor.errors import DataError, first_of
from augmentor.files import exists


class NamedFiles:
    """Finds what a table names: a path relative to it; or a bare name or id somewhere below it (`Images/a/b.png` for
    `b.png` or `b`, and as DeepLesion names its slices, for `a_b.png`). Hidden files are none. Where no file
    has a path, one that differs in case or the encoding of letters alone is meant: elsewhere they may be the same."""

    def __init__(self, home: Path, also: tuple[str, ...] = ()):
        """also: endings of files that an id can mean, beside those of images."""
        self.home, self._also = home, also
        self._within: dict[Path, dict[str, list[Path]]] = {}  # of folders: their contents, by `spelling_key`

    def find(self, name: str, mask: bool = False) -> Path:
        """mask: a mask is meant; an image is none of those in folders of masks. Raises DataError."""
        name = self._with_slashes(name)
        path = self.home / name
        _require_possible(path)
        if Path(name).name != name:
            return path if exists(path) else _one_of(self._respelt(path), name) or path
        if path.is_file() or is_dicom(path):
            return path
        named, by_id = self._below
        found = [f for f in named.get(name, ()) if f.is_file() or is_dicom(f)]
        found = found or [f for f in by_id.get(name, ()) if f.is_file()]
        masks = [f for f in found if f in self._masks]
        found = [f for f in found if f not in self._masks] if not mask else masks or found
        return _one_of(found or self._respelt(path), name) or path

    def find_all(self, names: Iterable[str], places: Iterable[str], mask: bool = False) -> list[str]:
        """Of each name; "" of an empty one. places: how messages name each. Raises DataError of all that are wrong."""
        found, problems = [], []
        for name, where in zip(names, places, strict=True):
            try:
                found.append(str(self.find(name, mask)) if name else "")
            except DataError as error:
                problems.append(f"{where}: {error}")
        if problems:
            raise DataError(first_of(problems, "rows"))
        return found

    def _with_slashes(self, name: str) -> str:
        """A path that was written on Windows, unless a file has the backslashes in its name."""
        return name if "\\" not in name or exists(self.home / name) else name.replace("\\", "/")

    def _respelt(self, path: Path) -> list[Path]:
        """Files and folders whose paths differ from this one in their spelling alone."""
        found = [Path(path.anchor)]
        for part in path.parts[bool(path.anchor) :]:
            there = [home / part for home in found if exists(home / part)]
            found = there or [one for home in found for one in self._spelt(home).get(spelling_key(part), [])]
        return found

    def _spelt(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._within:
            alike = self._within[folder] = defaultdict(list)
            for path in sorted(folder.iterdir()) if folder.is_dir() and os.access(folder, os.R_OK) else ():
                alike[spelling_key(path.name)].append(path)
        return self._within[folder]

    @cached_property
    def _below(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        """Files and folders by their names, and files by their ids, which are names without an ending."""
        named: dict[str, list[Path]] = defaultdict(list)
        by_id: dict[str, list[Path]] = defaultdict(list)
        for path in self._paths:
            named[path.name].append(path)
            if path.parent != self.home:
                named[f"{path.parent.name}_{path.name}"].append(path)
            if is_image(path) or path.name.lower().endswith(self._also):
                by_id[stem(path.name) if is_image(path) else path.stem].append(path)
        return named, by_id

    @cached_property
    def _masks(self) -> set[Path]:
        return in_mask_folders(self._paths, self.home)

    @cached_property
    def _paths(self) -> list[Path]:
        return visible_below(self.home)


def _one_of(found: Sequence[Path], name: str) -> Path | None:
    if len(found) > 1:
        told = ", ".join(map(str, found[:3]))
        raise DataError(f"{name}: several files have this name below the table: {told}. Give paths instead.")
    return found[0] if found else None


def _require_possible(path: Path) -> None:
    try:
        path.exists()
    except OSError as error:
        raise DataError(f"{path}: is no file's name ({error.strerror}). Correct the path.") from error
