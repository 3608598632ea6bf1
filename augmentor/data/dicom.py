"""DICOM: series, single files and multi-frame files, brought to a `Volume`.

Nothing of a header leaves this module but the geometry and the patient's id, which `identity` hides.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from augmentor.data.dicom_grids import (
    PLACE,
    TURN,
    affine_of,
    is_located,
    numbers,
    positive,
    spacing_of,
    step_between,
    vector,
)
from augmentor.data.dicom_pixels import decode
from augmentor.data.grids import LPS_TO_RAS, Grid, Volume
from augmentor.errors import DataError
from augmentor.files import exists

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_ALIKE = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation")


def is_dicom(path: Path) -> bool:
    """A file with DICOM's mark, or a folder that holds one."""
    if exists(path) and path.is_dir():
        return any(_has_mark(f) for f in sorted(path.iterdir()) if f.is_file())
    return exists(path) and path.is_file() and _has_mark(path)


def _has_mark(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM"


def header_of(file: Path) -> Dataset:
    """Everything but the pixels. Raises DataError for what is no DICOM."""
    return dataset_of(file, stop_before_pixels=True)


def is_segmentation(header: Dataset) -> bool:
    return str(header.get("SOPClassUID", "")) in _SEGMENTATIONS


def dataset_of(file: Path, **options: Any) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom tells every odd value of a header
        try:
            return pydicom.dcmread(file, **options)
        except Exception as error:
            raise DataError(
                f"{file}: can't be read as DICOM ({type(error).__name__}: {error}). Leave it out."
            ) from error


def read_dicom(paths: Sequence[Path]) -> Volume:
    """One scan from a file, a folder with one series, or the files of a series; overlays are ignored.

    Values are the modality's (Hounsfield units in CT): slope and intercept or the lookup table are applied, and
    MONOCHROME1, where bright means little, is inverted where values have no unit (all but CT and PET). Palettes and
    YBR become RGB, and RGB of equal channels grey.
    Raises DataError for files without pixels, several series or times, uneven or missing sections, and codecs that
    are not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers = [(f, h) for f in _files(paths) if "Rows" in (h := header_of(f)) and not is_segmentation(h)]
        _require_one_series(headers, str(paths[0]))
        frames = int(headers[0][1].get("NumberOfFrames") or 1)
        if len(headers) == 1:
            framed = frames > 1 or "PerFrameFunctionalGroupsSequence" in headers[0][1]
            volume = _multi_frame(*headers[0], frames) if framed else _one_image(*headers[0])
        else:
            volume = _series(headers)
    burnt = [f for f, h in headers if str(h.get("BurnedInAnnotation", "")).upper() == "YES"]
    return replace(volume, notes=(*volume.notes, *map(_burnt_in, burnt[:1])))


def _burnt_in(file: Path) -> str:
    return (
        f"{file}: says that text is burnt into its pixels, perhaps a name. Look whether any of it is in the lesion (of "
        "a scan: in extracted.png), and leave it out if so."
    )


def _files(paths: Iterable[Path]) -> list[Path]:
    found = [f for p in paths for f in (sorted(p.iterdir()) if p.is_dir() else [p])]
    return [f for f in found if f.is_file() and _has_mark(f)]


def _require_one_series(headers: list[tuple[Path, Dataset]], name: str) -> None:
    if not headers:
        raise DataError(f"{name}: holds no DICOM images (a report or a map has no pixels). Leave it out.")
    series = {str(h.get("SeriesInstanceUID", "")) for _, h in headers}
    if len(series) > 1:
        raise DataError(f"{name}: holds {len(series)} series; a scan is one. Give each a folder of its own.")


def _one_image(file: Path, header: Dataset) -> Volume:
    rows, columns = int(header.Rows), int(header.Columns)
    located = is_located(header)
    spacing = spacing_of(header)
    notes: tuple[str, ...] = ()
    if spacing is None and (detector := numbers(header.get("ImagerPixelSpacing"), 2)) is not None:
        spacing = detector if (detector > 0).all() else None
        notes = (f"{file}: says its pixels' size on the detector alone; in the body they are smaller.",)
    down, across = (1.0, 1.0) if spacing is None else spacing
    if located:
        thick = positive(header.get("SpacingBetweenSlices")) or positive(header.get("SliceThickness")) or 1.0
        affine = affine_of(vector(header, TURN, 6), vector(header, PLACE, 3), np.array([down, across]))
        affine[:3, 2] *= thick
    else:
        affine = np.diag([across, down, 1.0, 1.0])
    grid = Grid((columns, rows, 1), LPS_TO_RAS @ affine, spacing is not None, located)
    return Volume(
        grid, lambda a, b: _stack([file])[:, :, a:b], "volume" if located else "picture", notes, _patient(header)
    )


def _series(headers: list[tuple[Path, Dataset]]) -> Volume:
    name = str(headers[0][0].parent)
    first = headers[0][1]
    for file, header in headers:
        _require_like(header, first, file)
    turn, spacing = vector(first, TURN, 6), vector(first, "PixelSpacing", 2)
    normal = np.cross(turn[:3], turn[3:])
    ordered = sorted(headers, key=lambda h: float(vector(h[1], PLACE, 3) @ normal))
    positions = np.array([vector(h, PLACE, 3) for _, h in ordered])
    affine = affine_of(turn, positions[0], spacing)
    affine[:3, 2] = step_between(positions, normal, float(spacing.min()), name)
    grid = Grid((int(first.Columns), int(first.Rows), len(ordered)), LPS_TO_RAS @ affine)
    files = [f for f, _ in ordered]
    return Volume(grid, lambda a, b: _stack(files[a:b]), notes=_uneven_scales(headers), patient=_patient(first))


def _uneven_scales(headers: Sequence[tuple[Path, Dataset]]) -> tuple[str, ...]:
    """In CT one slope and intercept serves all sections (in PET each has its own)."""
    scales = {(str(h.get("RescaleSlope", 1)), str(h.get("RescaleIntercept", 0))) for _, h in headers}
    if len(scales) == 1 or str(headers[0][1].get("Modality", "")) != "CT":
        return ()
    told = ", ".join(f"{slope} and {intercept}" for slope, intercept in sorted(scales)[:3])
    return (f"{headers[0][0].parent}: its sections have different slopes and intercepts ({told}), odd for CT.",)


def _require_like(header: Dataset, first: Dataset, file: Path) -> None:
    """Raise DataError for an image that can't be a section of the same volume."""
    if not is_located(header) or spacing_of(header) is None:
        raise DataError(f"{file}: does not say where it lies, so that its series makes no volume. Leave it out.")
    alike = all(
        np.allclose(vector(header, name, n), vector(first, name, n), rtol=0, atol=1e-3)
        for name, n in ((TURN, 6), ("PixelSpacing", 2))
    )
    if not alike or any(header.get(name) != first.get(name) for name in _ALIKE):
        raise DataError(
            f"{file}: lies at another angle, or has another size or kind of pixels, than the first image of its series "
            "(a localizer?). "
            "Leave it out."
        )


def _multi_frame(file: Path, header: Dataset, frames: int) -> Volume:
    """Enhanced CT or MR: each frame's place stands in the functional groups."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    places = [p for g in groups if (p := _group(g, shared, "PlanePositionSequence")) is not None]
    if not len(groups) == len(places) == frames:
        raise DataError(
            f"{file}: holds {frames} frames that do not say where they lie (a film?). Save the frame wanted as a file "
            "of its own."
        )
    planes = [p for g in groups if (p := _group(g, shared, "PlaneOrientationSequence")) is not None]
    measures = _group(groups[0], shared, "PixelMeasuresSequence")
    if len(planes) != frames or measures is None or (spacing := spacing_of(measures)) is None:
        raise DataError(f"{file}: does not say how its frames are turned and how large their pixels are. Leave it out.")
    turns = np.array([vector(p, TURN, 6) for p in planes])
    if not np.allclose(turns, turns[0], atol=1e-3):
        raise DataError(f"{file}: its frames lie at several angles. Save each stack as a file of its own.")
    positions = np.array([vector(p, PLACE, 3) for p in places])
    normal = np.cross(turns[0, :3], turns[0, 3:])
    order = np.argsort(positions @ normal, kind="stable")
    affine = affine_of(turns[0], positions[order[0]], spacing)
    if frames > 1:
        affine[:3, 2] = step_between(positions[order], normal, float(spacing.min()), str(file))
    else:
        affine[:3, 2] *= positive(measures.get("SliceThickness")) or 1.0
    scales = [_group(groups[k], shared, "PixelValueTransformationSequence") for k in order]

    def sections(a: int, b: int) -> np.ndarray:
        data = dataset_of(file)
        return np.stack([decode(data, file, int(order[k]), scales[k]) for k in range(a, b)], axis=2)

    grid = Grid((int(header.Columns), int(header.Rows), frames), LPS_TO_RAS @ affine)
    return Volume(grid, sections, patient=_patient(header))


def _group(frame: Dataset, shared: Dataset, name: str) -> Dataset | None:
    found = frame.get(name) or shared.get(name)
    return found[0] if found else None


def _patient(header: Dataset) -> str:
    return str(header.get("PatientID") or "").strip()


def _stack(files: Sequence[Path]) -> np.ndarray:
    """(columns, rows, sections[, 3])."""
    return np.stack([decode(dataset_of(f), f) for f in files], axis=2)
