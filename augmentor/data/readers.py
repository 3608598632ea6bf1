"""From what people have (folders by class, a CSV, a MONAI datalist, a MedMNIST npz) to the lesion table."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from augmentor.arguments import checked
from augmentor.data.class_folders import read_class_folders
from augmentor.data.datalists import read_datalist
from augmentor.data.dicom import is_dicom
from augmentor.data.dicom_lesions import Headers, patients_of, read_headers, require_no_sections
from augmentor.data.formats import names_dicom, stem
from augmentor.data.lesions import Lesions, make_lesions
from augmentor.data.name_patterns import NamePattern, name_pattern
from augmentor.data.named_files import NamedFiles
from augmentor.data.patients import doubts_about_cut
from augmentor.data.tables import (
    FILES,
    LABELS,
    MASKS,
    PATIENTS,
    Table,
    find_columns,
    missing_column,
    read_csv,
    split_name,
)
from augmentor.errors import DataError, UsageError, first_of
from augmentor.files import exists
from augmentor.recipe import COLUMNS

LESION_TABLES = ("lesions.csv", "manifest.csv")  # what `extract` and `expand` call theirs
ALIASES = {
    "path": (*FILES, "roi"),
    "label": LABELS,
    "patient": PATIENTS,
    "split": ("split",),
    "fold": ("fold",),
    "mask": MASKS,
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
        expression with a group named `patient`. With a slash it is held against the path below the folder, or below
        the table's: `<class>/<patient>/<anything>`.

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
    columns, left_out = read_class_folders(folder, sure=pattern is not None and pattern.in_path)
    files = [Path(path) for path in columns["path"]]
    headers = read_headers(filter(names_dicom, files))
    require_no_sections(headers)
    notes = _set_patients(columns, folder, pattern, headers)
    if pattern and pattern.in_path:
        _require_no_classes(columns["patient"], files, folder)
    return make_lesions(columns, folder, [*notes, *left_out])


def _require_no_classes(patients: list[str], files: list[Path], folder: Path) -> None:
    """Raise UsageError where the folder of a class or split was taken for each lesion's patient."""
    tops = [file.relative_to(folder).parts[0] for file in files]
    if patients == tops:
        raise UsageError(
            f"--patient-pattern takes the folder {tops[0]} for a patient, as in {files[0].relative_to(folder)}. With a "
            "slash it is held against the whole path below the data: write <class>/<patient>/<anything>."
        )


def _read_csv(file: Path, columns: dict[str, str], pattern: NamePattern | None) -> Lesions:
    table = read_csv(file)
    theirs = _name_columns(table, columns)
    made = {ours: [row[place] for row in table.rows] for ours, place in theirs.items()}
    rows = zip(table.numbers, made["path"], made["label"], strict=True)
    empty = [f"row {number}" for number, path, label in rows if not path or not label]
    if empty:
        raise DataError(f"{file}: {', '.join(empty[:5])}: path and label must not be empty. Fill or delete these rows.")
    files = NamedFiles(file.parent)
    for name in ("path", "mask"):
        if name in made:
            made[name] = files.find_all(made[name], table.places, mask=name == "mask")
    unused = [name for place, name in enumerate(table.header) if name and place not in theirs.values()]
    lesions = _make(made, file, _set_patients(made, file.parent, pattern), unused)
    return replace(lesions, columns={ours: table.header[place] for ours, place in theirs.items()})


def _name_columns(table: Table, columns: dict[str, str]) -> dict[str, int]:
    """{ours: the place of its column} for those that the table has; asked-for ones and path and label must be there."""
    found, problems = find_columns(table, columns, COLUMNS, ALIASES)
    problems += [missing_column(table, ours, ALIASES[ours]) for ours in ("path", "label") if ours not in found]
    if problems:
        raise DataError(problems)
    return {ours: places[0] for ours, places in found.items()}


def _read_datalist(file: Path, columns: dict[str, str], pattern: NamePattern | None) -> Lesions:
    made = read_datalist(file, columns)
    return _make(made, file, _set_patients(made, file.parent, pattern))


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
    columns: dict[str, list[str]], home: Path, pattern: NamePattern | None, headers: Headers | None = None
) -> list[str]:
    """Take the patients from the files' names, or paths below `home`, where there is a pattern, from the headers of
    DICOM files where none is named. What is left aside for it, and what is to be told, in words. headers: read here
    unless they are given."""
    if not pattern:
        return _set_patients_of_headers(columns, headers)
    before = columns.get("patient", [])
    found = columns["patient"] = pattern.find_all(map(Path, columns["path"]), home)
    names = found if pattern.in_path else [stem(Path(path).name) for path in columns["path"]]
    notes = doubts_about_cut(found, names, len({*columns["label"]}), pattern.given)
    if any(before) and before != found:
        notes.append(
            "The table's column of patients is left aside: --patient-pattern takes them from the file names instead."
        )
    return notes


def _set_patients_of_headers(columns: dict[str, list[str]], headers: Headers | None) -> list[str]:
    files = [Path(path) for path in columns["path"]]
    if any(columns.get("patient", [])) or not all(names_dicom(f) or (f.is_dir() and is_dicom(f)) for f in files):
        return []
    patients, told = patients_of(headers or read_headers(files))
    columns["patient"] = [patients[file] for file in files]
    return told


def _make(
    columns: dict[str, list[str]], source: Path, notes: Sequence[str] = (), unused: Sequence[str] | None = None
) -> Lesions:
    if not columns["path"]:
        raise DataError(f"{source}: holds no rows. A lesion set needs at least two classes of two patients each.")
    made = {name: columns[name] for name in COLUMNS if name in columns}
    _check_values(made, source)
    if "split" in made:
        made["split"] = [split_name(s, source) for s in made["split"]]
    return make_lesions(made, source, notes, unused)


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
