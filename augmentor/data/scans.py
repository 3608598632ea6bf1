"""The table of scans: which image, which mask or boxes, which class, which patient."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.data.dicom_folders import pairs_of
from augmentor.data.readers import compile_patient_pattern, patient_of
from augmentor.data.volumes import ITK_SUFFIXES, NIFTI_SUFFIXES, is_scan, read_volume
from augmentor.errors import DataError, UsageError

Box = tuple[float, ...]
_ALIASES = {
    "image": ("image", "path", "file", "filename", "file_name", "image_path", "scan", "series"),
    "mask": ("mask", "segmentation", "seg", "mask_path", "label_path"),
    "label": ("label", "class", "dx", "diagnosis", "target", "type_name", "coarse_lesion_type"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id", "patient_index"),
    "spacing": ("spacing", "spacing_mm", "spacing_mm_px_"),
}
_BOXES = (
    ("box",), ("bbox",), ("bounding_boxes",), ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax"),
    ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"),
)  # fmt: skip
COLUMNS = (*_ALIASES, "box")
CUT_COLUMN = "roi_side_mm"  # `extract` writes it: a table that has it holds lesions already
# How image and mask are called in folders that are met often.
_CONVENTIONS = (
    ("*_image.*", "*_label.*"),
    ("*_image.*", "*_mask.*"),
    ("imagesTr/*_0000.*", "labelsTr/*.*"),
    ("imagesTr/*.*", "labelsTr/*.*"),
    ("images/*", "masks/*"),
    ("images/*", "labels/*"),
)


@dataclass(frozen=True)
class Scan:
    """`image`: one file, a folder with one DICOM series, or the files of a series. Either `mask` or `boxes` is given.

    A box is x0, y0, x1, y1 in pixels of a picture (shares of its sides, if all four are at most 1), or x0, y0, z0,
    x1, y1, z1 in voxels, counted from the edge of the first. `spacing` is (across, down) in mm, where a table says it.
    """

    image: tuple[Path, ...]
    mask: tuple[Path, ...] = ()
    boxes: tuple[Box, ...] = ()
    label: str = ""
    patient: str = ""
    spacing: tuple[float, ...] | None = None


def read_scans(
    data: str | Path,
    columns: dict[str, str] | None = None,
    images: str | None = None,
    masks: str | None = None,
    patient_pattern: str | None = None,
    label: str | None = None,
) -> tuple[list[Scan], list[str]]:
    """The scans of a CSV, a MONAI datalist, or a folder; and what was left out, in words.

    columns: {ours: theirs} for a table, for example {"image": "ct", "box": "xmin+ymin+xmax+ymax"}.
    images, masks: for a folder, how the files (or series' folders) are called, as in `*_T1.nii.gz`; an image and the
        mask for whose stars the same stands are a pair. Without them the usual names are tried, and then DICOM
        segmentations with the series that they were drawn on.
    patient_pattern: as for `read_lesions`, but against the path below the folder: `<patient>/<anything>`.
    label: the class of all lesions; a table's own column goes before it.

    Raises DataError or UsageError.
    """
    source = Path(data).expanduser().resolve()
    if not source.exists():
        raise DataError(f"{data}: no such file or folder. Give --data a CSV, a datalist or a folder of scans.")
    if source.is_dir():
        if columns:
            raise UsageError(f"{data}: is a folder and has no columns; leave --columns out, or give --data a CSV.")
        (scans, notes), home = _read_folder(source, images, masks), source
    else:
        if images or masks:
            raise UsageError(f"{data}: is a table; leave --images and --masks out, or give --data a folder.")
        readers = {".csv": _read_csv, ".json": _read_datalist}
        if source.suffix.lower() not in readers:
            raise DataError(f"{data}: is no folder, .csv or .json; --data takes one of these.")
        scans, notes, home = readers[source.suffix.lower()](source, columns or {}), [], source.parent
    if not scans:
        raise DataError(f"{data}: holds no scans with a mask or a box.")
    return [_named(scan, home, patient_pattern, label) for scan in scans], notes


def is_scan_table(data: str | Path) -> bool:
    """Whether --data is a table of scans rather than of lesions: it has boxes, or its first image is a volume."""
    file = Path(data).expanduser()
    if file.suffix.lower() not in (".csv", ".json") or not file.is_file():
        return False
    try:
        scans = _read_csv(file, {}) if file.suffix.lower() == ".csv" else _read_datalist(file, {})
    except DataError:
        return False
    if CUT_COLUMN in file.open(encoding="utf-8-sig").readline():
        return False
    return bool(scans) and (bool(scans[0].boxes) or _is_volume(scans[0].image[0]))


def _is_volume(image: Path) -> bool:
    if image.name.lower().endswith(NIFTI_SUFFIXES) and image.is_file():
        return min(read_volume([image]).grid.shape) > 1
    return image.is_dir() or image.name.lower().endswith((*ITK_SUFFIXES, ".dcm"))


def _named(scan: Scan, home: Path, pattern: str | None, label: str | None) -> Scan:
    """With the class and the patient that the call names."""
    named = replace(scan, label=scan.label or label or "")
    if not pattern:
        return named
    compiled = compile_patient_pattern(pattern)
    image = scan.image[0]
    below = image.relative_to(home).as_posix() if image.is_relative_to(home) else image.as_posix()
    try:
        return replace(named, patient=patient_of(below, compiled))
    except DataError:
        return replace(named, patient=patient_of(image.name, compiled))


# --- tables


def _read_csv(file: Path, columns: dict[str, str]) -> list[Scan]:
    try:
        header = file.open(encoding="utf-8-sig").readline()
        separator = max(",;\t", key=header.count)
        table = pd.read_csv(
            file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as a CSV: {error}. Save it as UTF-8 text.") from error
    table.columns = [str(c).strip() for c in table.columns]
    names = _name_columns(list(table.columns), columns, file)
    rows = [
        {ours: [row[t].strip() for t in theirs] for ours, theirs in names.items()} for row in table.to_dict("records")
    ]
    scans, problems = [], []
    for number, row in enumerate(rows, 2):
        try:
            scans.append(_csv_scan(row, file))
        except DataError as error:
            problems.append(f"{file}: row {number}: {error}")
    if problems:
        raise DataError(problems[:5] + ([f"... and {len(problems) - 5} more such rows."] if len(problems) > 5 else []))
    return scans


def _csv_scan(row: dict[str, list[str]], file: Path) -> Scan:
    image, mask = row["image"][0], (row.get("mask") or [""])[0]
    text = ",".join(row.get("box") or [])
    boxes = (_numbers(text),) if text.strip(", ") else ()
    spacing = ",".join(row.get("spacing") or [])
    if not image:
        raise DataError("has no image. Fill or delete the row.")
    return _checked(
        Scan(
            image=(_find(image, file.parent),),
            mask=(_find(mask, file.parent),) if mask else (),
            boxes=boxes,
            label=(row.get("label") or [""])[0],
            patient=(row.get("patient") or [""])[0],
            spacing=_numbers(spacing)[:2] if spacing.strip(", ") else None,
        )
    )


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


def _read_datalist(file: Path, columns: dict[str, str]) -> list[Scan]:
    """MONAI's: {"training": [{"image", "mask" | "box", "label", "patient"}]}; a label that is a file is the mask."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: is no JSON: {error}.") from error
    parts = [v for v in content.values() if isinstance(v, list)] if isinstance(content, dict) else []
    items = [item for part in parts for item in part if isinstance(item, dict)]
    keys = {name: name for name in COLUMNS} | columns
    return [_item_scan(item, keys, file) for item in items]


def _item_scan(item: dict[str, Any], keys: dict[str, str], file: Path) -> Scan:
    got = {ours: item.get(theirs) for ours, theirs in keys.items()}
    if not isinstance(got["image"], str):
        raise DataError(f"{file}: an item's {keys['image']!r} is {got['image']!r}; give one file.")
    label = "" if got["label"] is None else str(got["label"])
    if got["mask"] is None and label and is_scan(file.parent / label):
        got["mask"], label = label, ""
    boxes = got["box"] or []
    boxes = boxes if boxes and isinstance(boxes[0], list) else [boxes] if boxes else []
    return _checked(
        Scan(
            image=(_find(got["image"], file.parent),),
            mask=(_find(str(got["mask"]), file.parent),) if got["mask"] else (),
            boxes=tuple(_numbers(",".join(map(str, box))) for box in boxes),
            label=label,
            patient="" if got["patient"] is None else str(got["patient"]),
            spacing=tuple(float(s) for s in got["spacing"]) if got["spacing"] else None,
        )
    )


def _checked(scan: Scan) -> Scan:
    if not scan.mask and not scan.boxes:
        raise DataError("has neither mask nor box. Fill in one of them, or delete the row.")
    if scan.mask and scan.boxes:
        raise DataError("has both a mask and a box. Keep one of them.")
    if any(len(box) not in (4, 6) for box in scan.boxes):
        raise DataError("its box needs 4 numbers (x0, y0, x1, y1) or 6 (x0, y0, z0, x1, y1, z1).")
    return scan


def _numbers(text: str) -> Box:
    try:
        return tuple(float(part) for part in re.split(r"[,;\s]+", text.strip("[]() ")) if part)
    except ValueError as error:
        raise DataError(f"{text!r} are no numbers.") from error


def _find(name: str, home: Path) -> Path:
    """A path of a table, relative to it. A bare name that is not there is looked for below (`Images/a/b.png` for
    `b.png`, and as DeepLesion names its slices, for `a_b.png`)."""
    path = home / name
    if path.exists() or Path(name).name != name:
        return path
    folder, _, last = name.rpartition("_")
    found = [*home.rglob(name), *(home.rglob(f"{folder}/{last}") if folder else ())]
    if len(found) > 1:
        raise DataError(f"{name}: several files have this name below the table. Give paths instead.")
    return found[0] if found else path


# --- folders


def _read_folder(folder: Path, images: str | None, masks: str | None) -> tuple[list[Scan], list[str]]:
    if bool(images) != bool(masks):
        raise UsageError("Give both --images and --masks, as in --images '*_T1.nii.gz' --masks '*_mask.nii.gz'.")
    if images and masks:
        pairs = _pairs(folder, images, masks)
        if not pairs:
            raise DataError(f"{folder}: nothing below is called {images!r}. Correct --images.")
        return pairs, []
    for convention in _CONVENTIONS:
        if pairs := _pairs(folder, *convention):
            return pairs, []
    segmented, notes = pairs_of(folder)
    if segmented:
        return [Scan(series, (mask,)) for series, mask in segmented], notes
    told = "; ".join(f"{i} and {m}" for i, m in _CONVENTIONS)
    raise DataError(
        f"{folder}: no image with its mask was found by the usual names ({told}), and no DICOM segmentation with its "
        "series. Say how they are called: --images '*_T1.nii.gz' --masks '*_mask.nii.gz'; or give --data a CSV with "
        "the columns image and mask (or box)."
    )


def _pairs(folder: Path, images: str, masks: str) -> list[Scan]:
    """Raises DataError where an image has no mask, or several."""
    found = _matches(folder, masks)
    scans, problems = [], []
    for stars, image in sorted(_matches(folder, images).items()):
        if image in found.values():
            continue
        own = [found[stars]] if stars in found else [m for s, m in found.items() if s[:2] == stars[:2]]
        if len(own) == 1:
            scans.append(Scan((image,), (own[0],)))
        else:
            problems.append(f"{image}: {len(own) or 'no'} masks by {masks!r} belong to it; it needs one.")
    if problems and (scans or found):
        raise DataError(problems[:5] + ([f"... and {len(problems) - 5} more."] if len(problems) > 5 else []))
    return scans


def _matches(folder: Path, glob: str) -> dict[tuple[str, ...], Path]:
    """{(what stands for the folders before, the first star, ...): file or folder}."""
    pattern = re.compile(_as_regex(glob))
    found: dict[tuple[str, ...], Path] = {}
    for path in _below(folder):
        match = pattern.fullmatch(path.relative_to(folder).as_posix())
        if match:
            found[match.groups()] = path
    return found


def _below(folder: Path) -> Iterable[Path]:
    paths = sorted(folder.rglob("*"))
    return [p for p in paths if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def _as_regex(glob: str) -> str:
    parts = re.split(r"(\*\*/|\*|\?)", glob)
    made = {"**/": r"((?:.*/)?)", "*": r"([^/]*)", "?": r"([^/])"}
    return r"((?:.*/)?)" + "".join(made.get(p, re.escape(p)) for p in parts)
