"""What the headers of DICOM lesions say: whose they are, and whether they are lesions at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom.dataset import Dataset

from augmentor.data.dicom import header_of, is_dicom
from augmentor.data.patients import BY_DICOM, patient_key
from augmentor.errors import DataError

Headers = dict[Path, Dataset]


def read_headers(files: Iterable[Path]) -> Headers:
    """Of each file or volume's folder, empty for what is no DICOM or can't be read: reading its pixels tells what is
    wrong with it."""
    return {file: _header(file) for file in files}


def patients_of(headers: Headers) -> tuple[dict[Path, str], list[str]]:
    """The patient of each file, "" where none is known, and what is to be told.

    A patient is called by the first of its files, so that nothing of a header goes further. One PatientID for all files
    is none: it was taken out. How it is spelt tells no two apart (`patient_key`).
    """
    ids = {f: patient_key(str(h.get("PatientID") or "")) for f, h in headers.items()}
    if len(set(ids.values())) < 2:
        return dict.fromkeys(headers, ""), []
    names: dict[str, str] = {"": ""}
    patients = {file: names.setdefault(own, f"{BY_DICOM}{file}") for file, own in ids.items()}
    told = f"{len(names) - 1} patients are told apart by PatientID in the DICOM headers"
    return patients, [f"{told}; if that is no patient's, name them with --patient-pattern."]


def require_no_sections(headers: Headers) -> None:
    """Raise DataError for sections of one series: they are a scan, and no lesions."""
    places: dict[str, tuple[Path, str]] = {}
    for file, header in headers.items():
        series, place = str(header.get("SeriesInstanceUID", "")), header.get("ImagePositionPatient")
        if not series or place is None:
            continue
        first, where = places.setdefault(series, (file, str(place)))
        if where != str(place):
            raise DataError(
                f"{first} and {file} are sections of one series: a scan, and no lesions. Cut the lesions out first: "
                "augmentor extract --data SCANS. If each of them shows a lesion, name them in a table with the columns "
                "path, label and patient."
            )


def _header(file: Path) -> Dataset:
    """Of a folder, which is one volume, its first file's."""
    try:
        files = sorted(file.iterdir()) if file.is_dir() else [file]
        first = next((f for f in files if f.is_file() and is_dicom(f)), None)
        return header_of(first) if first else Dataset()
    except (DataError, OSError):
        return Dataset()
