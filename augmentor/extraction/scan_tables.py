"""Tables of scans (CSV, MONAI datalist): which image, which mask or boxes, which class, which patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from augmentor.data.datalists import class_of, label_names, parse_json, text_of
from augmentor.data.named_files import NamedFiles
from augmentor.data.tables import (
    FILES,
    LABELS,
    MASKS,
    PATIENTS,
    SPLITS,
    Table,
    find_columns,
    find_together,
    missing_column,
    read_csv,
    split_name,
)
from augmentor.errors import DataError, first_of
from augmentor.extraction.cut_scan import CUT_COLUMN
from augmentor.extraction.scans import Box, Scan
from augmentor.extraction.volumes import ITK_SUFFIXES, is_scan, is_volume
from augmentor.recipe import SCAN_COLUMNS

ALIASES = {
    "image": FILES,
    "mask": (*MASKS, "mask_path", "label_path"),
    "label": LABELS,
    "patient": PATIENTS,
    "spacing": ("spacing", "spacing_mm", "spacing_mm_px_"),
    "split": ("split",),
    "fold": ("fold",),
}
_ELSE = {  # looked for where there is none of these: DeepLesion's, and words that often mean something else
    "image": ("scan", "series"),
    "label": ("type_name", "coarse_lesion_type"),
    "patient": ("patient_index",),
}
_DOUBTFUL = "bbox"
_OF_LESIONS = {CUT_COLUMN, "origin"}  # a table that has one of these columns holds lesions already
_BOXES = (
    ("box",), (_DOUBTFUL,), ("bounding_boxes",), ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax"),
    ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"),
)  # fmt: skip


def read_scan_csv(file: Path, columns: dict[str, str]) -> list[Scan]:
    """One scan a row. Raises DataError with the rows that can't be used."""
    table = read_csv(file)
    names = _name_columns(table, columns)
    boxes = [table.header[i].lower() for i in names.get("box", [])]
    if boxes == [_DOUBTFUL] and "box" not in columns and _has_boxes(table, names):
        raise DataError(
            f"{file}: its boxes stand in a column {_DOUBTFUL}, which in COCO means x, y, width, height. If they are "
            f"corners (x0, y0, x1, y1), say so: --columns box={_DOUBTFUL}. Else write the corners in a column box."
        )
    files = NamedFiles(file.parent, ITK_SUFFIXES)
    scans, problems = [], []
    for where, row in zip(table.places, table.rows, strict=True):
        got = {ours: [row[i] for i in places] for ours, places in names.items()}
        try:
            scans.append(_csv_scan(got, files, file, decimal_commas=table.separator != ","))
        except DataError as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise DataError(first_of(problems, "rows"))
    return scans


def is_scan_csv(file: Path, columns: dict[str, str]) -> bool:
    """Whether a CSV names scans, whatever is wrong with its rows: it has boxes, or masks and its first image is a
    volume (one alone is looked into, since lesions can be many NIfTI files, too).

    Raises DataError where its header is of something else.
    """
    table = read_csv(file)
    if _is_of_lesions(table.header):
        return False
    names, files = _name_columns(table, columns), NamedFiles(file.parent, ITK_SUFFIXES)
    first = next((image for row in table.rows if (image := row[names["image"][0]])), "")
    return _has_boxes(table, names) or (bool(first) and is_volume(files.find(first)))


def is_scan_datalist(file: Path, columns: dict[str, str]) -> bool:
    """As `is_scan_csv`, of a datalist. Raises DataError, or UsageError, where an item is no scan."""
    content = parse_json(file)
    if _is_of_lesions(key for *_, item in items_of(content) for key in item):
        return False
    scans = _scans_of(content, file, columns)
    return any(scan.boxes for scan in scans) or any(is_volume(scan.image[0]) for scan in scans[:1])


def _is_of_lesions(columns: Iterable[str]) -> bool:
    """Whether a table is one that `extract` or `expand` wrote."""
    return not _OF_LESIONS.isdisjoint(name.lower() for name in columns)


def _has_boxes(table: Table, names: dict[str, list[int]]) -> bool:
    """Whether there is a box in a row that has no mask."""
    boxes, masks = names.get("box", []), names.get("mask", [])
    return bool(boxes) and any(all(row[i] for i in boxes) and not any(row[i] for i in masks) for row in table.rows)


def read_scan_datalist(file: Path, columns: dict[str, str]) -> list[Scan]:
    """MONAI's: {"training": [{"image", "mask" | "box", "label", "patient"}]}; a label that is a file is the mask."""
    return _scans_of(parse_json(file), file, columns)


def items_of(content: Any) -> list[tuple[str, int, dict[str, Any]]]:
    """(part, number in it, item) for each item of a datalist's content; none of another file's."""
    parts = {k: v for k, v in content.items() if isinstance(v, list)} if isinstance(content, dict) else {}
    return [(part, n, item) for part, found in parts.items() for n, item in enumerate(found) if isinstance(item, dict)]


def _scans_of(content: Any, file: Path, columns: dict[str, str]) -> list[Scan]:
    items = items_of(content)
    keys, files = {name: name for name in SCAN_COLUMNS} | columns, NamedFiles(file.parent, ITK_SUFFIXES)
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


def _csv_scan(row: dict[str, list[str]], files: NamedFiles, file: Path, decimal_commas: bool) -> Scan:
    image, mask = row["image"][0], (row.get("mask") or [""])[0]
    if decimal_commas:
        box, spacing = (_with_points(row.get(name) or [], name) for name in ("box", "spacing"))
    else:
        box, spacing = (",".join(row.get(name) or []).strip(", ") for name in ("box", "spacing"))
    if not image:
        raise DataError("has no image. Fill or delete the row.")
    return Scan(
        image=(files.find(image),),
        mask=(files.find(mask, mask=True),) if mask else (),
        boxes=(_numbers(box),) if box else (),
        label=(row.get("label") or [""])[0],
        patient=(row.get("patient") or [""])[0],
        spacing=_spacing(spacing),
        split=split_name((row.get("split") or [""])[0], file),
        fold=(row.get("fold") or [""])[0],
    )


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


def _name_columns(table: Table, columns: dict[str, str]) -> dict[str, list[int]]:
    """{ours: the places of its columns}; image, and mask or box, must be there."""
    names = {name.lower() for name in table.header}
    usual = {o: own if names.intersection(own) else (*own, *_ELSE.get(o, ())) for o, own in ALIASES.items()}
    found, problems = find_columns(table, columns, SCAN_COLUMNS, usual, joined=("box", "spacing"))
    corners = next((some for some in _BOXES if names.issuperset(some)), ())
    if "box" not in found and corners:
        found["box"], told = find_together(table, "box", corners)
        problems += told
    if "image" not in found:
        problems.append(missing_column(table, "image", usual["image"]))
    if not {"mask", "box"} & set(found):
        problems.append(
            f"{table.file}: has no column for mask or box. Its columns are {', '.join(table.header)}. Say which: "
            "--columns mask=NAME, or --columns box=XMIN+YMIN+XMAX+YMAX."
        )
    if problems:
        raise DataError(problems)
    return found


def _item_scans(got: dict[str, Any], files: NamedFiles, named: dict[str, str]) -> Iterator[Scan]:
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
    label, mask = text_of(got["label"]), text_of(got["mask"])
    if not mask and label and is_scan(files.home / label):
        mask, label = label, ""
    yield Scan(
        image=(files.find(got["image"]),),
        mask=(files.find(mask, mask=True),) if mask else (),
        boxes=tuple(_numbers(_listed(box)) for box in boxes),
        label=class_of(label, named),
        patient=text_of(got["patient"]),
        spacing=_spacing(_listed(got["spacing"])),
        split=got["split"],
        fold=text_of(got["fold"]),
    )


def _spacing(text: str) -> tuple[float, ...] | None:
    """Across and down, from one number for both, or from two or three."""
    numbers = _numbers(text)
    return (numbers * 2)[:2] if numbers else None


def _listed(value: Any) -> str:
    """What a datalist gives as a list, as one number or as text."""
    return ",".join(map(str, value)) if isinstance(value, list) else text_of(value)


def _numbers(text: str) -> Box:
    try:
        return tuple(float(part) for part in re.split(r"[,;\s]+", text.strip("[]() ")) if part)
    except ValueError as error:
        raise DataError(f"{text!r} are no numbers.") from error
