"""DICOM segmentations, read as labels on their grid."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array

from augmentor.data.dicom import dataset_of, header_of, is_segmentation
from augmentor.data.dicom_grids import PLACE, TURN, group_of, positive, vector
from augmentor.data.dicom_pixels import require_decodable
from augmentor.data.extras import need
from augmentor.data.grids import LPS_TO_RAS, Grid
from augmentor.errors import DataError

_MOST_GAP = 1.5  # times a section's thickness from one to the next: frames farther apart are not neighbours
_OFF_GRID = 0.01  # of a step, as highdicom allows
_MOST_SECTIONS = 4096
_ONE_PLACE = 1e-3  # mm: frames of several segments
_ADVICE = (
    "Write SpacingBetweenSlices, the step of the image's sections in mm, into its PixelMeasuresSequence, or save the "
    "mask as NIfTI on the image's grid."
)


def read_segmentation(file: Path) -> tuple[np.ndarray, Grid] | None:
    """The segments of a DICOM SEG as labels (I, J, K), each its number, on their grid; None for other DICOM files.

    Raises DataError where segments overlap, where they are fractions, where frames make no volume or don't tell how
    far its sections lie apart, and where highdicom (the extra `dicom`) is not installed.
    """
    header = header_of(file)
    if not is_segmentation(header):
        return None
    highdicom = need("highdicom", "dicom", f"{file}: a DICOM SEG is read by highdicom")
    data = dataset_of(file)
    require_decodable(data, file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _require_no_fractions(data, file)
        _say_step(data, file)
        try:
            volume = highdicom.seg.Segmentation.from_dataset(data, copy=False).get_volume(combine_segments=True)
        except RuntimeError as error:
            overlap = "overlap" in str(error)
            raise DataError(
                f"{file}: {error} {'Save each segment as a file of its own.' if overlap else _ADVICE}"
            ) from error
    return np.asarray(volume.array), Grid(tuple(volume.spatial_shape), LPS_TO_RAS @ volume.affine)


def _require_no_fractions(data: Dataset, file: Path) -> None:
    """Raise DataError for a fractional segmentation that holds anything but 0 and its largest value."""
    if str(data.get("SegmentationType", "")) != "FRACTIONAL":
        return
    largest, held = int(data.MaximumFractionalValue), np.unique(pixel_array(data))
    between = held[(held != 0) & (held != largest)]
    if between.size:
        raise DataError(
            f"{file}: holds fractions ({between[0] / largest:.3g}), and a mask holds whole numbers (0 outside "
            "lesions). Save it as a segmentation of type BINARY or LABELMAP; a probability must be cut at a threshold "
            "first."
        )


def _say_step(data: Dataset, file: Path) -> None:
    """Write into `data` how far its sections lie apart, where it does not say.

    highdicom would take the least gap between frames, and those without a lesion are often left out.
    Raises DataError where the frames' places and thickness don't tell.
    """
    groups = data.get("PerFrameFunctionalGroupsSequence") or []
    shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    measures = [own[0] for group in (shared, *groups) if (own := group.get("PixelMeasuresSequence"))]
    unsaid = [one for one in measures if not one.get("SpacingBetweenSlices")]
    places = [found for group in groups if (found := group_of(group, shared, "PlanePositionSequence")) is not None]
    turn = group_of(groups[0], shared, "PlaneOrientationSequence") if groups else None
    if not unsaid or turn is None or len(places) < len(groups):
        return
    axes = vector(turn, TURN, 6)
    along = np.sort(np.array([vector(place, PLACE, 3) for place in places]) @ np.cross(axes[:3], axes[3:]))
    thickness = min((thick for one in measures if (thick := positive(one.get("SliceThickness")))), default=None)
    step = _step(along, thickness, file)
    for one in unsaid:
        one.SpacingBetweenSlices = step


def _step(along: np.ndarray, thickness: float | None, file: Path) -> float:
    """mm from a section to the next, for the frames' places (N,) along the normal, sorted: the thickness where all lie
    on its multiples, else the least gap between them, where it is at most 1.5 times the thickness."""
    gaps = np.diff(along)
    gaps = gaps[gaps > _ONE_PLACE]
    if not gaps.size:
        return thickness or 1.0
    least = float(gaps.min())
    if thickness:
        if _on_multiples(along, thickness):
            return thickness
        if least <= _MOST_GAP * thickness and _on_multiples(along, least):
            return least
    thick = f"are {thickness:.4g} mm thick" if thickness else "do not say how thick they are"
    raise DataError(
        f"{file}: does not say how far its sections lie apart, and its frames don't tell: they lie {least:.4g} to "
        f"{gaps.max():.4g} mm apart and {thick} (those without a lesion were left out). {_ADVICE}"
    )


def _on_multiples(along: np.ndarray, step: float) -> bool:
    steps = (along - along[0]) / step
    return bool(steps[-1] < _MOST_SECTIONS and np.abs(steps - np.rint(steps)).max() <= _OFF_GRID)
