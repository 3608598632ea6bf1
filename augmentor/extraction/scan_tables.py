"""Tables of scans (CSV, MONAI datalist): which image, which mask or boxes, which class, which patient."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from augmentor.data.readers import (
    SPLITS,
    csv_rows,
    label_names,
    read_json,
    separator_of,
    split_name,
    with_slashes,
)
from augmentor.errors import DataError, first_of
from augmentor.extraction.scans import Box, Scan, checked
from augmentor.extraction.volumes import is_scan

_ALIASES = {
    "image": ("image", "path", "file", "filename", "file_name", "image_path", "scan", "series"),
    "mask": ("mask", "segmentation", "seg", "mask_path", "label_path"),
    "label": ("label", "class", "dx", "diagnosis", "target", "type_name", "coarse_lesion_type"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id", "patient_index"),
    "spacing": ("spacing", "spacing_mm", "spacing_mm_px_"),
    "split": ("split",),
    "fold": ("fold",),
}
_BOXES = (
    ("box",), ("bbox",), ("bounding_boxes",), ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax"),
    ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"),
)  # fmt: skip
COLUMNS = (*_ALIASES, "box")


def read_scan_csv(file: Path, columns: dict[str, str]) -> list[Scan]:
    """One scan a row. Raises DataError with the rows that can't be used."""
    header, cells = csv_rows(file)
    names = _name_columns(header, columns, file)
    files, decimal_commas = _Files(file.parent), _may_hold_decimal_commas(file)
    scans, problems = [], []
    for number, row in enumerate(cells, 2):
        got = {ours: [row[header.index(t)] for t in theirs] for ours, theirs in names.items()}
        try:
            scans.append(_csv_scan(got, files, file, decimal_commas))
        except DataError as error:
            problems.append(f"{file}: row {number}: {error}")
    if problems:
        raise DataError(first_of(problems, "rows"))
    return scans


def scan_images(file: Path, columns: dict[str, str]) -> Iterator[Path]:
    """The images that a CSV of scans names, whatever else is wrong with its rows. Raises DataError where its header is
    of something else."""
    header, cells = csv_rows(file)
    column = header.index(_name_columns(header, columns, file)["image"][0])
    files = _Files(file.parent)
    return (files.find(row[column]) for row in cells if row[column])


def read_scan_datalist(file: Path, columns: dict[str, str]) -> list[Scan]:
    """MONAI's: {"training": [{"image", "mask" | "box", "label", "patient"}]}; a label that is a file is the mask."""
    content = read_json(file)
    parts = {k: v for k, v in content.items() if isinstance(v, list)} if isinstance(content, dict) else {}
    items = [(part, n, item) for part, found in parts.items() for n, item in enumerate(found) if isinstance(item, dict)]
    keys, files = {name: name for name in COLUMNS} | columns, _Files(file.parent)
    named = label_names(content.get("labels") or {}, file) if items else {}
    several = len({part for part, *_ in items}) > 1
    scans: list[Scan] = []
    problems = []
    for part, number, item in items:
        got = {ours: item.get(theirs) for ours, theirs in keys.items()}
        got["split"] = SPLITS.get(part.lower(), "") if several else ""
        try:
            scans += _item_scans(got, files, named)
        except DataError as error:
            problems.append(f"{file}: {part}[{number}]: {error}")
    if problems:
        raise DataError(first_of(problems, "rows"))
    return scans


class _Files:
    """Finds what a table names: a path relative to it; or a bare name somewhere below it (`Images/a/b.png` for
    `b.png`, and as DeepLesion names its slices, for `a_b.png`)."""

    def __init__(self, home: Path):
        self.home = home

    def find(self, name: str) -> Path:
        name = with_slashes(name, self.home)
        path = self.home / name
        _require_possible(path)
        if path.exists() or Path(name).name != name:
            return path
        found = self._below.get(name, [])
        if len(found) > 1:
            raise DataError(f"{name}: several files have this name below the table. Give paths instead.")
        return found[0] if found else path

    @cached_property
    def _below(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.home.rglob("*")):
            found[path.name].append(path)
            if path.parent != self.home:
                found[f"{path.parent.name}_{path.name}"].append(path)
        return found


def _require_possible(path: Path) -> None:
    try:
        path.exists()
    except OSError as error:
        raise DataError(f"{path}: is no file's name ({error.strerror}). Correct the path.") from error


def _csv_scan(row: dict[str, list[str]], files: _Files, file: Path, decimal_commas: bool) -> Scan:
    image, mask = row["image"][0], (row.get("mask") or [""])[0]
    if decimal_commas:
        box, spacing = (_with_points(row.get(name) or [], name) for name in ("box", "spacing"))
    else:
        box, spacing = (",".join(row.get(name) or []).strip(", ") for name in ("box", "spacing"))
    if not image:
        raise DataError("has no image. Fill or delete the row.")
    return checked(
        Scan(
            image=(files.find(image),),
            mask=(files.find(mask),) if mask else (),
            boxes=(_numbers(box),) if box else (),
            label=(row.get("label") or [""])[0],
            patient=(row.get("patient") or [""])[0],
            spacing=_spacing(spacing),
            split=split_name((row.get("split") or [""])[0], file),
            fold=(row.get("fold") or [""])[0],
        )
    )


def _may_hold_decimal_commas(file: Path) -> bool:
    with file.open(encoding="utf-8-sig") as stream:
        return separator_of(stream.readline()) != ","


def _with_points(cells: list[str], name: str) -> str:
    """The numbers in the cells of a table whose columns no comma separates, with points and between spaces.

    A comma between two digits is a decimal one, unless the number has a point, or the cell is a box of four or six
    whole numbers between commas. Numbers are separated by spaces, semicolons, an x, or a comma and a space.
    """
    parts = [part for cell in cells for part in re.split(r"[;x\s]+|(?<!\d),|,(?!\d)", cell.strip("[]() ")) if part]
    return " ".join(_with_point(part, boxed=name == "box" and len(parts) == 1) for part in parts)


def _with_point(text: str, boxed: bool) -> str:
    commas = text.count(",")
    if "." in text or (boxed and commas in (3, 5)):
        return text
    if commas > 1:
        raise DataError(
            f"{text!r} can be read in several ways: in a table separated by semicolons or tabs a comma is a decimal "
            "one. Put spaces between the numbers."
        )
    return text.replace(",", ".")


def _name_columns(present: list[str], columns: dict[str, str], file: Path) -> dict[str, list[str]]:
    """{ours: theirs}; `box` may be several columns, joined by `+`. image, and mask or box, must be there."""
    asked = {ours: theirs.split("+") for ours, theirs in columns.items()}
    problems = [f"--columns names {o!r}; it takes {', '.join(COLUMNS)}." for o in asked if o not in COLUMNS]
    missing = [t for theirs in asked.values() for t in theirs if t not in present]
    if missing:
        problems.append(f"{file}: has no column {', '.join(missing)}. Its columns are {', '.join(present)}.")
    lower = {name.lower(): name for name in reversed(present)}
    found = dict(asked)
    for ours, aliases in _ALIASES.items():
        match = next((lower[a] for a in aliases if a in lower), None)
        if ours not in found and match:
            found[ours] = [match]
    corners = next((names for names in _BOXES if set(names) <= set(lower)), ())
    if corners and "box" not in found:
        found["box"] = [lower[c] for c in corners]
    if "image" not in found:
        problems.append(
            f"{file}: has no column for image. Its columns are {', '.join(present)}. Say: --columns image=.."
        )
    if not {"mask", "box"} & set(found):
        problems.append(
            f"{file}: has no column for mask or box. Its columns are {', '.join(present)}. Say which: --columns "
            "mask=NAME, or --columns box=XMIN+YMIN+XMAX+YMAX."
        )
    if problems:
        raise DataError(problems)
    return found


def _item_scans(got: dict[str, Any], files: _Files, named: dict[str, str]) -> Iterator[Scan]:
    """One scan; one for each box where each has its own label."""
    if not isinstance(got["image"], str) or not got["image"]:
        raise DataError(f"its image is {got['image']!r}; give one file.")
    boxes = got["box"] or []
    boxes = boxes if isinstance(boxes, list) and all(isinstance(box, list) for box in boxes) else [boxes]
    if isinstance(got["label"], list):
        if len(got["label"]) != len(boxes):
            raise DataError(f"it has {len(boxes)} boxes and {len(got['label'])} labels; each box needs one.")
        for box, label in zip(boxes, got["label"], strict=True):
            yield from _item_scans(got | {"box": box, "label": label}, files, named)
        return
    label, mask = _text(got["label"]), _text(got["mask"])
    if not mask and label and is_scan(files.home / label):
        mask, label = label, ""
    yield checked(
        Scan(
            image=(files.find(got["image"]),),
            mask=(files.find(mask),) if mask else (),
            boxes=tuple(_numbers(_listed(box)) for box in boxes),
            label=named.get(label, label),
            patient=_text(got["patient"]),
            spacing=_spacing(_listed(got["spacing"])),
            split=got["split"],
            fold=_text(got["fold"]),
        )
    )


def _spacing(text: str) -> tuple[float, ...] | None:
    """Across and down, from one number for both, or from two or three."""
    numbers = _numbers(text)
    return (numbers * 2)[:2] if numbers else None


def _listed(value: Any) -> str:
    """What a datalist gives as a list, as one number or as text."""
    return ",".join(map(str, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _numbers(text: str) -> Box:
    try:
        return tuple(float(part) for part in re.split(r"[,;\s]+", text.strip("[]() ")) if part)
    except ValueError as error:
        raise DataError(f"{text!r} are no numbers.") from error
