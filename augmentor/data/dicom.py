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
    group_of,
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
_SAME_SPACING = 0.01  # of it
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


def read_dicom(paths: Sequence[Path], spacing: tuple[float, ...] | None = None) -> Volume:
    """One scan from a file, a folder with one series, or the files of a series; overlays are ignored.

    spacing: of a pixel, across and down, in mm, where a table says it. It is taken for a single image that has no
    PixelSpacing; everywhere else the header's is, with a doubt where the two differ by more than 1 %.

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
            volume = _multi_frame(*headers[0], frames) if framed else _one_image(*headers[0], spacing)
        else:
            volume = _series(headers)
    burnt = [f for f, h in headers if str(h.get("BurnedInAnnotation", "")).upper() == "YES"]
    other = () if spacing is None else _other_spacing(volume.grid, spacing, str(paths[0]))
    return replace(volume, notes=(*volume.notes, *other, *map(_burnt_in, burnt[:1])))


def _other_spacing(grid: Grid, table: tuple[float, ...], name: str) -> tuple[str, ...]:
    """A doubt where a table says another spacing (across, down) than the one that was taken."""
    if np.allclose(grid.spacing[:2], table, rtol=_SAME_SPACING, atol=0):
        return ()
    return (
        f"{name}: its header says pixels of {_across_down(grid.spacing[:2])} mm (across x down), its table "
        f"{_across_down(table)}. The header's was taken; correct the table's spacing, or leave the cell empty.",
    )


def _across_down(spacing: Iterable[float]) -> str:
    return " x ".join(f"{step:.4g}" for step in spacing)


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


def _one_image(file: Path, header: Dataset, table: tuple[float, ...] | None) -> Volume:
    rows, columns = int(header.Rows), int(header.Columns)
    located = is_located(header)
    spacing, notes = _spacing_in_body(file, header, table)
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


def _spacing_in_body(
    file: Path, header: Dataset, table: tuple[float, ...] | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """(2,) mm, down and across, and doubts: the header's, else the table's, else the detector's, which is larger."""
    said, detector = spacing_of(header), numbers(header.get("ImagerPixelSpacing"), 2)
    if detector is not None and not (detector > 0).all():
        detector = None
    if said is None and table is not None:
        own = np.array(table[::-1])
        if detector is None or (own <= detector * (1 + _SAME_SPACING)).all():
            return own, ()
        return own, (
            f"{file}: its table says pixels of {_across_down(table)} mm (across x down), and its header "
            f"{_across_down(detector[::-1])} on the detector; in the body they are smaller. The table's was taken.",
        )
    if said is not None or detector is None:
        return said, ()
    return detector, (f"{file}: says its pixels' size on the detector alone; in the body they are smaller.",)


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
    places = [p for g in groups if (p := group_of(g, shared, "PlanePositionSequence")) is not None]
    if not len(groups) == len(places) == frames:
        raise DataError(
            f"{file}: holds {frames} frames that do not say where they lie (a film?). Save the frame wanted as a file "
            "of its own."
        )
    planes = [p for g in groups if (p := group_of(g, shared, "PlaneOrientationSequence")) is not None]
    measures = [m for g in groups if (m := group_of(g, shared, "PixelMeasuresSequence")) is not None]
    spacings = [s for m in measures if (s := spacing_of(m)) is not None]
    if not len(planes) == len(spacings) == frames:
        raise DataError(f"{file}: does not say how its frames are turned and how large their pixels are. Leave it out.")
    turns = np.array([vector(p, TURN, 6) for p in planes])
    if not np.allclose(turns, turns[0], atol=1e-3):
        raise DataError(f"{file}: its frames lie at several angles. Save each stack as a file of its own.")
    spacing = spacings[0]
    if not np.allclose(spacings, spacing, rtol=0, atol=1e-3):
        told = ", ".join(f"{down:.4g} x {across:.4g}" for down, across in np.unique(spacings, axis=0)[:3])
        raise DataError(
            f"{file}: its frames have pixels of several sizes ({told} mm). Save each stack as a file of its own."
        )
    positions = np.array([vector(p, PLACE, 3) for p in places])
    normal = np.cross(turns[0, :3], turns[0, 3:])
    order = np.argsort(positions @ normal, kind="stable")
    affine = affine_of(turns[0], positions[order[0]], spacing)
    if frames > 1:
        affine[:3, 2] = step_between(positions[order], normal, float(spacing.min()), str(file))
    else:
        affine[:3, 2] *= positive(measures[0].get("SliceThickness")) or 1.0
    scales = [group_of(groups[k], shared, "PixelValueTransformationSequence") for k in order]

    def sections(a: int, b: int) -> np.ndarray:
        data = dataset_of(file)
        return np.stack([decode(data, file, int(order[k]), scales[k]) for k in range(a, b)], axis=2)

    grid = Grid((int(header.Columns), int(header.Rows), frames), LPS_TO_RAS @ affine)
    return Volume(grid, sections, patient=_patient(header))


def _patient(header: Dataset) -> str:
    return str(header.get("PatientID") or "").strip()


def _stack(files: Sequence[Path]) -> np.ndarray:
    """(columns, rows, sections[, 3])."""
    return np.stack([decode(dataset_of(f), f) for f in files], axis=2)
