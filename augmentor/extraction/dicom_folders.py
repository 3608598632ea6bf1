"""A folder of DICOM files as it comes from an archive: which segmentation belongs to which series."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from pydicom.dataset import Dataset

from augmentor.data.dicom import header_of, is_dicom, is_segmentation
from augmentor.errors import DataError


def pairs_of(folder: Path) -> tuple[list[tuple[tuple[Path, ...], Path]], list[str]]:
    """(files of the series, segmentation) for each DICOM SEG below whose series is there, and what was left out."""
    series: dict[str, list[Path]] = defaultdict(list)
    segmentations: list[tuple[Path, str]] = []
    notes = []
    for file in sorted(f for f in folder.rglob("*") if f.is_file() and is_dicom(f)):
        try:
            header = header_of(file)
        except DataError as error:
            notes.append(str(error))
            continue
        if is_segmentation(header):
            segmentations.append((file, _referred(header)))
        elif "Rows" in header:
            series[str(header.get("SeriesInstanceUID", ""))].append(file)
    pairs = [(tuple(series[uid]), file) for file, uid in segmentations if uid in series]
    notes += [
        f"{file}: segments a series that does not lie below {folder}; it was left out."
        for file, uid in segmentations
        if uid not in series
    ]
    used = {uid for _, uid in segmentations}
    rest = [uid for uid in series if uid not in used]
    if rest:
        notes.append(f"{folder}: {len(rest)} series have no segmentation below it; they were left out.")
    return pairs, notes


def _referred(header: Dataset) -> str:
    """The series that a segmentation was drawn on."""
    referred = header.get("ReferencedSeriesSequence") or []
    return str(referred[0].get("SeriesInstanceUID", "")) if referred else ""
