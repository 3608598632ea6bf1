"""Whose the lesions in a folder's DICOM files are, by their headers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from augmentor.data.dicom import header_of, is_dicom
from augmentor.errors import DataError


def patients_of(files: Sequence[Path]) -> tuple[list[str], list[str]]:
    """A patient for each file, "" where none is known, and what is to be told.

    A patient is called by the number of the first of its files, so that nothing of a header goes further. One PatientID
    for all files is none: it was taken out.
    Raises DataError for sections of one series: they are a scan, and no lesions.
    """
    places: dict[str, tuple[Path, str]] = {}
    names: dict[str, str] = {}
    patients, burnt = [], []
    for number, file in enumerate(files, 1):
        header = _header(file)
        _require_no_section(file, header, places)
        who = str(header.get("PatientID") or "").strip()
        patients.append(names.setdefault(who, f"dicom:{number}") if who else "")
        if str(header.get("BurnedInAnnotation", "")).upper() == "YES":
            burnt.append(file)
    notes = []
    if burnt:
        notes.append(
            f"Text is burnt into the pixels of {len(burnt)} images, perhaps a name, as they say of themselves; for "
            f"example {burnt[0]}. Look, and leave them out if so."
        )
    if len(names) < 2:
        return [""] * len(files), notes
    told = f"{len(names)} patients are told apart by PatientID in the DICOM headers"
    return patients, [*notes, f"{told}; if that is no patient's, name them with --patient-pattern."]


def _header(file: Path) -> Dataset:
    """Empty for what is no DICOM file: reading its pixels tells what is wrong with it."""
    try:
        return header_of(file) if is_dicom(file) else Dataset()
    except DataError:
        return Dataset()


def _require_no_section(file: Path, header: Dataset, places: dict[str, tuple[Path, str]]) -> None:
    """places: of each series, its first file and where that lies."""
    series, place = str(header.get("SeriesInstanceUID", "")), header.get("ImagePositionPatient")
    if not series or place is None:
        return
    first, where = places.setdefault(series, (file, str(place)))
    if where != str(place):
        raise DataError(
            f"{first} and {file} are sections of one series: a scan, and no lesions. Cut the lesions out first: "
            "augmentor extract --data SCANS. If each of them shows a lesion, name them in a table with the columns "
            "path, label and patient."
        )
