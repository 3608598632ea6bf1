"""From what people have (folders by class, a CSV, a MONAI datalist, a MedMNIST npz) to the lesion table."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.arguments import checked
from augmentor.data.dicom_lesions import Headers, patients_of, read_headers, require_no_sections
from augmentor.data.images import SUFFIXES, is_image, names_dicom, stem
from augmentor.data.lesions import COLUMNS, Lesions, make_lesions
from augmentor.data.name_patterns import NamePattern, name_pattern
from augmentor.data.windows import DESCRIPTION
from augmentor.errors import SHOWN, DataError, UsageError, first_of
from augmentor.files import exists
from augmentor.recipe import COLUMNS as _READ_COLUMNS

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LESION_TABLES = ("lesions.csv", "manifest.csv")  # what `extract` and `expand` call theirs
_NOT_CLASSES = {"masks"}
# One of these lies in whatever the commands write: runs, enlarged sets, benchmarks, evaluations, lesions cut out and
# readings. A report has its figures beside it; alone, `report.html` may be anybody's.
_WRITTEN = ("recipe.toml", "benchmark.toml", "evaluation.json", "extract.toml", "key.json")
_REPORT = ("report.html", "figures")
_MASK_ENDINGS = ("_mask", "-mask", "_seg", "_segmentation")  # of the name of a lesion's mask, beside the lesion
# What people and systems keep beside images; files of other kinds could be images that are not read.
_SIDECARS = (".csv", ".db", ".ini", ".json", ".log", ".md", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml")
_SCAN_FOLDERS = (("imagestr", "labelstr"), ("images", "labels"), ("images", "masks"))
_ALIASES = {
    "path": ("path", "image", "file", "filename", "roi", "image_path"),
    "label": ("label", "class", "dx", "diagnosis", "target"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id"),
    "split": ("split",),
    "fold": ("fold",),
    "mask": ("mask", "segmentation", "seg"),
    "roi_side_mm": ("roi_side_mm",),
    "origin": ("origin",),
}


@checked
def read_lesions(
    data: str | Path, columns: dict[str, str] | None = None, patient_pattern: str | None = None
) -> Lesions:
    """Read a lesion set.

    data: a folder with one folder a class (or `<split>/<class>/`), a folder that holds `lesions.csv` (or `expand`'s
        `manifest.csv`), a CSV, a MONAI datalist JSON, or a MedMNIST-format npz.
    columns: for a CSV or a datalist, {ours: theirs}, for example {"path": "roi", "patient": "run"}.
    patient_pattern: where in a file name its patient stands: a template such as `<patient>_<anything>`, or a regular
        expression with a group named `patient`.

    Raises DataError (what is wrong with the data) or UsageError (what is wrong with the call).
    """
    try:
        source = Path(data).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{data}: can't be followed ({error}). Give --data what its link should lead to.") from error
    if not exists(source):
        raise DataError(f"{data}: no such file or folder. Give --data a folder by class, a CSV, a datalist or an npz.")
    pattern = name_pattern(patient_pattern) if patient_pattern else None
    for table in LESION_TABLES:
        if source.is_dir() and (source / table).exists():
            source = source / table
    if source.is_dir():
        if columns:
            raise UsageError(f"{data}: is a folder and has no columns; leave --columns out, or give --data a CSV.")
        return _read_folder(source, pattern)
    readers = {".csv": _read_csv, ".json": _read_datalist, ".npz": _read_npz}
    reader = readers.get(source.suffix.lower())
    if reader is None:
        raise DataError(f"{data}: is no folder, .csv, .json or .npz; --data takes one of these.")
    return reader(source, columns or {}, pattern)


def _read_folder(folder: Path, pattern: NamePattern | None) -> Lesions:
    tops = _class_folders(folder)
    _require_no_scans(folder)
    splits = [d for d in tops if d.name.lower() in SPLITS and _class_folders(d)]
    if splits:
        homes = [(SPLITS[d.name.lower()], c) for d in splits for c in _class_folders(d)]
        beside = [d.name for d in tops if d not in splits and _images(_below(d))]
        if beside:
            raise DataError(
                f"{folder}: holds {', '.join(beside)} beside the splits {', '.join(d.name for d in splits)}. "
                "Move every class into a split, or take the split folders away."
            )
    else:
        homes = [("", d) for d in tops]
    below = {home: list(_below(home)) for _, home in homes}
    found = [(split, home, _images(below[home])) for split, home in homes]
    files = [f for *_, some in found for f in some]
    masks, doubled = _masks_among(files), _beside_pictures(files)
    rows = [(split, home.name, f) for split, home, some in found for f in some if f not in masks | doubled]
    if not rows:
        raise DataError(
            f"{folder}: holds no images in folders by class. Expected {folder.name}/<class>/<image>, "
            f"with the image one of {', '.join(SUFFIXES)}. "
            "Lesions inside scans are cut out by augmentor extract --data."
        )
    made = {"path": [str(f) for *_, f in rows], "label": [c for _, c, _ in rows], "split": [s for s, *_ in rows]}
    headers = read_headers(f for *_, f in rows if names_dicom(f))
    require_no_sections(headers)
    notes = _set_patients(made, pattern, headers)
    empty = [str(home.relative_to(folder)) for _, home, files in found if not files]
    if empty:
        notes.append(
            f"No image is in {', '.join(empty)}, so no lesions come from there (read are {', '.join(SUFFIXES)})."
        )
    notes += _other_files(f for _, home, files in found if files for f in below[home])
    if masks:
        notes.append(
            f"{len(masks)} images are taken for masks and left out, for example {min(masks)}. To make lesions with "
            "masks, name both in a table with the columns path, label and mask."
        )
    if doubled:
        notes.append(
            f"{len(doubled)} DICOM files are left out, for example {min(doubled)}: a picture of the same name lies "
            "beside each."
        )
    ours = [d for d in sorted(folder.iterdir()) if d.is_dir() and _is_written(d)]
    ours += [d for *_, home in homes for d in sorted(home.glob("*/")) if _is_ours(d)]
    if ours:
        told = ", ".join(d.relative_to(folder).as_posix() for d in ours)
        notes.append(f"No classes, and left out, is what augmentor wrote: {told}.")
    stray = [f for home in (folder, *splits) for f in _images(home.iterdir()) if not _left_out(f.name)]
    if stray:
        notes.append(
            f"Images in no class's folder are left out: {len(stray)}, for example {min(stray)}. Move them into one."
        )
    return make_lesions(made, folder, notes)


def _require_no_scans(folder: Path) -> None:
    names = {d.name.lower(): d.name for d in folder.iterdir() if d.is_dir()}
    for images, masks in _SCAN_FOLDERS:
        if images in names and masks in names:
            raise DataError(
                f"{folder}: {names[images]} and {names[masks]} are no classes, but scans with their masks. Cut the "
                f"lesions out first: augmentor extract --data {folder}"
            )


def _class_folders(folder: Path) -> list[Path]:
    tops = sorted(d for d in folder.iterdir() if d.is_dir())
    return [d for d in tops if not _left_out(d.name) and not _is_written(d)]


def _is_written(folder: Path) -> bool:
    """Whether a command wrote it, or all that lies in it, as in runs/ where `fit` is called among the lesions."""
    return _is_ours(folder) or (any(map(_is_ours, folder.glob("*/"))) and not _images(_below(folder)))


def _is_ours(folder: Path) -> bool:
    """Whether a command wrote what it holds."""
    if all((folder / name).exists() for name in _REPORT) or any((folder / name).exists() for name in _WRITTEN):
        return True
    description = folder / DESCRIPTION  # of any BIDS set, and so of an enlarged one
    return description.is_file() and '"augmentor"' in description.read_text(encoding="utf-8", errors="ignore")


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
            within = [f for name in sorted(folders) if not _left_out(name) and not _is_ours(f := Path(home, name))]
            waiting += [f for f in within if f.is_symlink()]
            folders[:] = [f.name for f in within if f.resolve() not in seen]


def _other_files(below: Iterable[Path]) -> list[str]:
    """A note about files in classes' folders that could be images of a kind that is not read."""
    files = [f for f in below if not is_image(f) and f.suffix.lower() not in _SIDECARS]
    kinds = Counter(f.suffix.lower() or "without a suffix" for f in files)
    told = [f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda k: (-k[1], k[0]))]
    if not files:
        return []
    return [
        f"Files beside the images are left out: {', '.join(told[:SHOWN])}{', ...' if told[SHOWN:] else ''} "
        f"(for example {min(files)}). Convert those that show lesions; read are {', '.join(SUFFIXES)}."
    ]


def _images(paths: Iterable[Path]) -> list[Path]:
    """The images among them, sorted; with links that lead nowhere (what was not fetched), for reading those tells."""
    return sorted(f for f in paths if is_image(f) and (f.is_file() or (f.is_symlink() and not f.exists())))


def _masks_among(files: list[Path]) -> set[Path]:
    """`x_mask.png` where `x.png` lies beside it."""
    names = {(f.parent, stem(f.name)) for f in files}
    return {f for f in files if any((f.parent, name) in names for name in _masked(stem(f.name)))}


def _beside_pictures(files: list[Path]) -> set[Path]:
    """`x.dcm` where `x.png` lies beside it: one lesion in two formats."""
    pictures = {(f.parent, stem(f.name)) for f in files if not names_dicom(f)}
    return {f for f in files if names_dicom(f) and (f.parent, stem(f.name)) in pictures}


def _left_out(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOT_CLASSES


def _masked(name: str) -> list[str]:
    """The lesion whose mask a file of this name is, by its ending: `x` for `x_mask`."""
    return [name[: -len(ending)] for ending in _MASK_ENDINGS if name.lower().endswith(ending)]


def _read_csv(file: Path, columns: dict[str, str], pattern: NamePattern | None) -> Lesions:
    header, rows = csv_rows(file)
    theirs = _name_columns(header, columns, file)
    made = {ours: [row[header.index(name)] for row in rows] for ours, name in theirs.items()}
    empty = [f"row {i + 2}" for i, (p, c) in enumerate(zip(made["path"], made["label"], strict=True)) if not p or not c]
    if empty:
        raise DataError(f"{file}: {', '.join(empty[:5])}: path and label must not be empty. Fill or delete these rows.")
    for name in ("path", "mask"):
        if name in made:
            made[name] = _resolve(made[name], file.parent)
    return _make(made, file, _set_patients(made, pattern))


def _resolve(names: list[str], folder: Path) -> list[str]:
    """Paths from a table, relative to it. A bare name or id (ISIC_0025554) finds the one image so called below it."""
    names = [with_slashes(n, folder) for n in names]
    bare = [n for n in names if n and Path(n).name == n and not exists(folder / n)]
    below: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")) if bare else ():
        if is_image(file):
            below.setdefault(file.name, []).append(file)
            below.setdefault(stem(file.name), []).append(file)
    several = [n for n in bare if len(below.get(n, [])) > 1]
    if several:
        told = ", ".join(str(f) for f in below[several[0]][:3])
        raise DataError(f"{several[0]}: several images have this name below {folder}: {told}. Give paths instead.")
    return [str(below[n][0] if n in below and n in bare else folder / n) if n else "" for n in names]


def with_slashes(name: str, folder: Path) -> str:
    """A path from a table that was written on Windows, unless a file below `folder` has the backslashes in its name."""
    return name if "\\" not in name or exists(folder / name) else name.replace("\\", "/")


def csv_rows(file: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, every row as long as the header; commas, semicolons or tabs, with or without a BOM."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        comma = separator_of(text.partition("\n")[0])
        cells = [[c.strip() for c in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=comma) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as a CSV: {error}. Save it as UTF-8 text.") from error
    if not cells:
        raise DataError(f"{file}: is empty. A table has a header (path, label, patient, ...) and one row an image.")
    header = cells[0]
    long = [f"row {i}" for i, row in enumerate(cells, 1) if any(row[len(header) :])]
    if long:
        raise DataError(
            f"{file}: {', '.join(long[:5])}: more fields than the header has ({len(header)}). "
            "Name all columns, and quote fields that hold a comma."
        )
    return header, [(row + [""] * len(header))[: len(header)] for row in cells[1:]]


def separator_of(header: str) -> str:
    """What stands between the columns of a CSV with this first line."""
    return max(",;\t", key=header.count)


def _name_columns(present: list[str], columns: dict[str, str], file: Path) -> dict[str, str]:
    """{ours: theirs} for the columns that the table has; asked-for ones and path and label must be there."""
    problems = [
        f"--columns names {o!r}; it takes {', '.join(_READ_COLUMNS)}." for o in columns if o not in _READ_COLUMNS
    ]
    problems += [
        f"{file}: has no column {theirs!r} (wanted for {ours}). Its columns are {', '.join(present)}."
        for ours, theirs in columns.items()
        if theirs not in present
    ]
    lower = {name.lower(): name for name in reversed(present)}
    found = dict(columns)
    for ours, aliases in _ALIASES.items():
        match = next((lower[a] for a in aliases if a in lower), None)
        if ours not in found and match and match not in found.values():
            found[ours] = match
    problems += [
        f"{file}: has no column for {ours} (looked for {', '.join(_ALIASES[ours])}). Its columns are "
        f"{', '.join(present)}. Say which: --columns {ours}=NAME."
        for ours in ("path", "label")
        if ours not in found
    ]
    if problems:
        raise DataError(problems)
    return found


def _read_datalist(file: Path, columns: dict[str, str], pattern: NamePattern | None) -> Lesions:
    """A MONAI datalist: {"training": [{"image", "label", ...}], "validation": [...], "test": [...]}."""
    content = read_json(file)
    parts = {k: v for k, v in content.items() if k in SPLITS} if isinstance(content, dict) else {}
    if not parts or not all(isinstance(v, list) for v in parts.values()):
        raise DataError(f"{file}: is no MONAI datalist; it needs a list named training (and validation, test).")
    keys = {"path": "image", "label": "label"} | {k: k for k in ("patient", "fold", "mask", "roi_side_mm", "origin")}
    if set(columns) - set(keys):
        raise UsageError(f"--columns names {', '.join(columns)}; for a datalist it takes {', '.join(keys)}.")
    names, theirs = label_names(content.get("labels") or {}, file), keys | columns
    made: dict[str, list[str]] = {name: [] for name in (*theirs, "split")}
    for part, items in parts.items():
        for number, item in enumerate(items):
            _check_item(item, theirs, f"{file}: {part}[{number}]")
            for ours, name in theirs.items():
                text = "" if item.get(name) is None else str(item[name])
                made[ours].append(names.get(text, text) if ours == "label" else text)
            made["split"].append(SPLITS[part])
    for name in ("path", "mask"):
        made[name] = [str(file.parent / with_slashes(p, file.parent)) if p else "" for p in made[name]]
    if len(parts) == 1 and "training" in parts:
        made["split"] = [""] * len(made["path"])
    return _make(made, file, _set_patients(made, pattern))


def read_json(file: Path) -> Any:
    """The content of a JSON file, with or without a BOM. Raises DataError."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: is no JSON: {error}.") from error


def _check_item(item: object, theirs: dict[str, str], where: str) -> None:
    for ours in ("path", "label"):
        value = item.get(theirs[ours]) if isinstance(item, dict) else None
        if value is None or value == "":
            raise DataError(f"{where}: has no {theirs[ours]!r}; every item needs an image and a label (its class).")
        if isinstance(value, list | dict):
            raise DataError(f"{where}: {theirs[ours]!r} is {value!r}; give one file and one class for each lesion.")


def label_names(labels: object, file: Path) -> dict[str, str]:
    """{number: name} from a datalist's `labels`, which people write that way, the other way round, or as a list."""
    if isinstance(labels, list):
        return {str(i): str(name) for i, name in enumerate(labels)}
    if not isinstance(labels, dict):
        raise DataError(f'{file}: labels is {labels!r}; it takes the names by number, as in {{"0": "cyst"}}.')
    if labels and all(isinstance(v, int) for v in labels.values()):
        return {str(number): str(name) for name, number in labels.items()}
    return {str(number): str(name) for number, name in labels.items()}


def _read_npz(file: Path, columns: dict[str, str], pattern: NamePattern | None) -> Lesions:
    """MedMNIST's arrays: {train,val,test}_images (N, H, W[, 3]) and {train,val,test}_labels (N, 1)."""
    if columns or pattern:
        raise UsageError(
            f"{file.name}: an npz has no columns and no file names; leave --columns and --patient-pattern out."
        )
    made: dict[str, list[str]] = {"path": [], "label": [], "split": []}
    try:
        with np.load(file, allow_pickle=False) as archive:
            for split in ("train", "val", "test"):
                if f"{split}_images" in archive.files:
                    images = archive[f"{split}_images"]
                    if images.ndim < 3:
                        raise ValueError(f"{split}_images has the shape {images.shape}, and images are (N, H, W[, 3])")
                    labels = archive[f"{split}_labels"].reshape(len(images), -1)
                    _require_one_label(labels, f"{file}: {split}_labels")
                    made["path"] += [f"{file}#{split}_images/{i}" for i in range(len(labels))]
                    made["label"] += [str(row[0]) for row in labels]
                    made["split"] += [split] * len(labels)
    except (ValueError, KeyError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: can't be read as a MedMNIST npz ({error}). Download or save it again.") from error
    if not made["path"]:
        raise DataError(f"{file}: holds no train_images and train_labels; it is no MedMNIST npz.")
    return _make(made, file)


def _require_one_label(labels: np.ndarray, where: str) -> None:
    if labels.shape[1] != 1:
        raise DataError(f"{where}: has {labels.shape[1]} labels an image; a lesion has one class. Choose one of them.")


def _set_patients(
    columns: dict[str, list[str]], pattern: NamePattern | None, headers: Headers | None = None
) -> list[str]:
    """Take the patients from the file names where there is a pattern, from the headers of DICOM files where none is
    named. What is left aside for it, and what is to be told, in words. headers: read here unless they are given."""
    if not pattern:
        return _set_patients_of_headers(columns, headers)
    before = columns.get("patient", [])
    columns["patient"] = pattern.find_all([Path(p).name for p in columns["path"]])
    if not any(before) or before == columns["patient"]:
        return []
    return ["The table's column of patients is left aside: --patient-pattern takes them from the file names instead."]


def _set_patients_of_headers(columns: dict[str, list[str]], headers: Headers | None) -> list[str]:
    files = [Path(path) for path in columns["path"]]
    if any(columns.get("patient", [])) or not all(map(names_dicom, files)):
        return []
    patients, told = patients_of(headers or read_headers(files))
    columns["patient"] = [patients[file] for file in files]
    return told


def _make(columns: dict[str, list[str]], source: Path, notes: Sequence[str] = ()) -> Lesions:
    if not columns["path"]:
        raise DataError(f"{source}: holds no rows. A lesion set needs at least two classes of two patients each.")
    made = {name: columns[name] for name in COLUMNS if name in columns}
    _check_values(made, source)
    if "split" in made:
        made["split"] = [split_name(s, source) for s in made["split"]]
    return make_lesions(made, source, notes)


def _check_values(columns: dict[str, list[str]], source: Path) -> None:
    """Raises DataError where origin or roi_side_mm is of another kind."""
    rules = {
        "origin": (lambda text: text in ("real", "synthetic"), "real or synthetic. Rename a column of another meaning"),
        "roi_side_mm": (_is_length, "a number of mm above 0. Correct it, leave it empty, or rename the column"),
    }
    for name, (fits, rule) in rules.items():
        cells = zip(columns["path"], columns.get(name, []), strict=False)
        bad = [
            f"{source}: {name} of {path} is {text!r}; it is {rule}." for path, text in cells if text and not fits(text)
        ]
        if bad:
            raise DataError(first_of(bad, "rows"))


def _is_length(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def split_name(text: str, source: Path) -> str:
    """train, val or test for the usual names, "" for none. Raises DataError."""
    if text and text.lower() not in SPLITS:
        raise DataError(f"{source}: split {text!r} is none of {', '.join(sorted(SPLITS))}.")
    return SPLITS.get(text.lower(), "")
