"""DICOM: series, single files, multi-frame files and segmentations, brought to a `Volume`.

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
from pydicom.pixels import apply_modality_lut, get_decoder, pixel_array
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import RLELossless

from augmentor.data.extras import install, need
from augmentor.data.geometry import LPS_TO_RAS, Grid, Volume
from augmentor.errors import DataError
from augmentor.files import exists

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_TURN, _PLACE = "ImageOrientationPatient", "ImagePositionPatient"
_ALIKE = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation")
_WITH_UNITS = ("CT", "PT")  # Hounsfield units and activity keep their sign, however they are displayed
_UNEVEN = 0.05  # of the distance between sections
# How many times smaller than its pixels a frame can be: two bytes of RLE stand for 128; a blank JPEG 2000 is tiny.
_MOST_PACKING = {False: 5000, True: 64}


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
    return _read(file, stop_before_pixels=True)


def is_segmentation(header: Dataset) -> bool:
    return str(header.get("SOPClassUID", "")) in _SEGMENTATIONS


def _read(file: Path, **options: Any) -> Dataset:
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


# --- geometry


def _one_image(file: Path, header: Dataset) -> Volume:
    rows, columns = int(header.Rows), int(header.Columns)
    located = _is_located(header)
    spacing = _spacing(header)
    notes: tuple[str, ...] = ()
    if spacing is None and (detector := _numbers(header.get("ImagerPixelSpacing"), 2)) is not None:
        spacing = detector if (detector > 0).all() else None
        notes = (f"{file}: says its pixels' size on the detector alone; in the body they are smaller.",)
    down, across = (1.0, 1.0) if spacing is None else spacing
    if located:
        thick = _positive(header.get("SpacingBetweenSlices")) or _positive(header.get("SliceThickness")) or 1.0
        affine = _affine(_vector(header, _TURN, 6), _vector(header, _PLACE, 3), np.array([down, across]))
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
    turn, spacing = _vector(first, _TURN, 6), _vector(first, "PixelSpacing", 2)
    normal = np.cross(turn[:3], turn[3:])
    ordered = sorted(headers, key=lambda h: float(_vector(h[1], _PLACE, 3) @ normal))
    positions = np.array([_vector(h, _PLACE, 3) for _, h in ordered])
    affine = _affine(turn, positions[0], spacing)
    affine[:3, 2] = _step(positions, normal, float(spacing.min()), name)
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
    if not _is_located(header) or _spacing(header) is None:
        raise DataError(f"{file}: does not say where it lies, so that its series makes no volume. Leave it out.")
    alike = all(
        np.allclose(_vector(header, name, n), _vector(first, name, n), rtol=0, atol=1e-3)
        for name, n in ((_TURN, 6), ("PixelSpacing", 2))
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
    if len(planes) != frames or measures is None or (spacing := _spacing(measures)) is None:
        raise DataError(f"{file}: does not say how its frames are turned and how large their pixels are. Leave it out.")
    turns = np.array([_vector(p, _TURN, 6) for p in planes])
    if not np.allclose(turns, turns[0], atol=1e-3):
        raise DataError(f"{file}: its frames lie at several angles. Save each stack as a file of its own.")
    positions = np.array([_vector(p, _PLACE, 3) for p in places])
    normal = np.cross(turns[0, :3], turns[0, 3:])
    order = np.argsort(positions @ normal, kind="stable")
    affine = _affine(turns[0], positions[order[0]], spacing)
    if frames > 1:
        affine[:3, 2] = _step(positions[order], normal, float(spacing.min()), str(file))
    else:
        affine[:3, 2] *= _positive(measures.get("SliceThickness")) or 1.0
    scales = [_group(groups[k], shared, "PixelValueTransformationSequence") for k in order]

    def sections(a: int, b: int) -> np.ndarray:
        data = _read(file)
        return np.stack([_decode(data, file, int(order[k]), scales[k]) for k in range(a, b)], axis=2)

    grid = Grid((int(header.Columns), int(header.Rows), frames), LPS_TO_RAS @ affine)
    return Volume(grid, sections, patient=_patient(header))


def _group(frame: Dataset, shared: Dataset, name: str) -> Dataset | None:
    found = frame.get(name) or shared.get(name)
    return found[0] if found else None


def _step(positions: np.ndarray, normal: np.ndarray, pixel: float, name: str) -> np.ndarray:
    """(3,) mm from a section to the next; positions (N, 3) are sorted along the normal. A tilted gantry's sections
    are shifted against each other; they still begin on one line."""
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    if gaps.min() < 1e-3:
        raise DataError(
            f"{name}: several of its {len(positions)} images lie at one place: times, echoes or phases. "
            "Give each a folder of its own."
        )
    if np.abs(gaps - usual).max() > _UNEVEN * usual + 0.01:
        raise DataError(
            f"{name}: its sections lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: some are missing, or two stacks "
            "are mixed. Complete it or leave it out."
        )
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    line = positions[0] + step * np.arange(len(positions))[:, None]
    if np.abs(positions - line).max() > max(pixel, _UNEVEN * usual + 0.01):
        raise DataError(f"{name}: its sections do not lie above each other: two stacks are mixed. Part them.")
    return step


def _affine(orientation: np.ndarray, position: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """(column, row, section) -> LPS mm; the third axis is 1 mm along the normal. spacing: down and across."""
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = orientation[:3] * spacing[1], orientation[3:] * spacing[0]
    affine[:3, 2] = np.cross(orientation[:3], orientation[3:])
    affine[:3, 3] = position
    return affine


def _is_located(header: Dataset) -> bool:
    return all(_numbers(header.get(name), n) is not None for name, n in ((_TURN, 6), (_PLACE, 3)))


def _spacing(header: Dataset) -> np.ndarray | None:
    """(2,) mm: down and across, where both are above zero."""
    found = _numbers(header.get("PixelSpacing"), 2)
    return found if found is not None and (found > 0).all() else None


def _vector(header: Dataset, name: str, count: int) -> np.ndarray:
    found = _numbers(header.get(name), count)
    if found is None:
        raise DataError(f"Its {name} is {header.get(name)!r}, not {count} numbers. Repair the header or leave it out.")
    return found


def _numbers(value: Any, count: int) -> np.ndarray | None:
    try:
        found = np.array([float(v) for v in value], float)
    except (TypeError, ValueError):
        return None
    return found if found.shape == (count,) and np.isfinite(found).all() else None


def _positive(value: Any) -> float | None:
    try:
        return float(value) if float(value) > 0 else None
    except (TypeError, ValueError):
        return None


def _patient(header: Dataset) -> str:
    return str(header.get("PatientID") or "").strip()


# --- pixels


def _stack(files: Sequence[Path]) -> np.ndarray:
    """(columns, rows, sections[, 3])."""
    return np.stack([_decode(_read(f), f) for f in files], axis=2)


def _decode(data: Dataset, file: Path, frame: int | None = None, scale: Dataset | None = None) -> np.ndarray:
    """One frame in the modality's values: (columns, rows[, 3])."""
    _require_decodable(data, file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = pixel_array(data, index=frame)
        meaning = str(data.get("PhotometricInterpretation", ""))
        if meaning == "PALETTE COLOR":
            pixels = pydicom.pixels.apply_color_lut(pixels, data)
        if pixels.ndim == 3:
            return _grey_where_equal(pixels).swapaxes(0, 1)
        if meaning == "MONOCHROME1" and str(data.get("Modality", "")) not in _WITH_UNITS:
            pixels = _inverted(pixels, data)
        if "ModalityLUTSequence" in data:
            pixels = apply_modality_lut(pixels, data)
        else:
            source = data if scale is None else scale
            pixels = _rescaled(pixels, source.get("RescaleSlope"), source.get("RescaleIntercept"))
    return pixels.T


def _grey_where_equal(pixels: np.ndarray) -> np.ndarray:
    """(rows, columns, 3) -> (rows, columns) where the three are equal; 16-bit palettes are brought to 8 bits."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return pixels[..., 0] if (pixels == pixels[..., :1]).all() else pixels


def _inverted(pixels: np.ndarray, data: Dataset) -> np.ndarray:
    largest = -1 if data.PixelRepresentation else 2 ** int(data.BitsStored) - 1
    return (largest - pixels.astype(np.int32)).astype(pixels.dtype)


def _rescaled(pixels: np.ndarray, slope: Any, intercept: Any) -> np.ndarray:
    """Stored values -> the modality's; integers stay integers where slope and intercept are whole."""
    m, b = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
    if m == 1 and b == 0:
        return pixels
    if not (np.isfinite([m, b]).all() and abs(b) < 1e9 and m != 0):
        raise DataError(f"Its slope is {m:g} and its intercept {b:g}; neither may be endless, the slope not zero.")
    if m == 1 and b.is_integer():
        whole = pixels.astype(np.int32) + int(b)
        return whole.astype(np.int16) if np.abs(whole).max(initial=0) < 2**15 else whole
    return (pixels * m + b).astype(np.float32)


def _require_decodable(data: Dataset, file: Path) -> None:
    if "PixelData" not in data:
        raise DataError(f"{file}: has no pixels. Leave it out.")
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not _can_decode(syntax):
        raise DataError(f"{file}: its pixels are packed as {syntax.name}, which needs a decoder: {install('codecs')}.")
    promised = get_expected_length(data)
    room = len(data.PixelData) * (_MOST_PACKING[syntax == RLELossless] if syntax.is_compressed else 1)
    if promised > room or not promised:
        raise DataError(
            f"{file}: its header promises {promised:,} bytes of pixels, and {len(data.PixelData):,} are there. "
            "It is cut off or broken: copy it again or leave it out."
        )


def _can_decode(syntax: pydicom.uid.UID) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


# --- segmentations


def read_segmentation(file: Path) -> tuple[np.ndarray, Grid] | None:
    """The segments of a DICOM SEG as labels (I, J, K), each its number, on their grid; None for other DICOM files.

    Raises DataError where segments overlap, or highdicom (the extra `dicom`) is not installed.
    """
    header = header_of(file)
    if not is_segmentation(header):
        return None
    highdicom = need("highdicom", "dicom", f"{file}: a DICOM SEG is read by highdicom")
    _require_decodable(_read(file), file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmentation = highdicom.seg.segread(file)
        try:
            volume = segmentation.get_volume(combine_segments=True)
        except RuntimeError as error:
            raise DataError(f"{file}: {error} Save each segment as a file of its own.") from error
    return np.asarray(volume.array), Grid(tuple(volume.spatial_shape), LPS_TO_RAS @ volume.affine)
