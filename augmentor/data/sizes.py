"""How large the region is that a lesion's image shows."""

from __future__ import annotations

import math

import numpy as np

from augmentor.data.images import LesionImage, read_image, resampled_spacing
from augmentor.data.lesions import Lesions
from augmentor.errors import DataError, first_of


def load_sides(lesions: Lesions) -> np.ndarray:
    """(N,) float32 mm: the column roi_side_mm, or by the file's own spacing the longest side of the square or cube that
    its pixels fill (`to_square`), as an enlarged set tells it; of a volume that is its largest extent.

    Raises DataError where neither is known, or the number makes no sense.
    """
    sides, problems = [], []
    for path, told in zip(lesions.table["path"], lesions.table["roi_side_mm"], strict=True):
        try:
            side = float(told) if told else _by_spacing(path)
        except ValueError:
            side = math.nan
        if not (math.isfinite(side) and side > 0):
            what = f"roi_side_mm is {told!r}" if told else "the file has no spacing"
            problems.append(f"{path}: {what}, so the size of its region is not known.")
        sides.append(side)
    if problems:
        advice = "Give a column roi_side_mm with the region's side in mm, or fit without --condition-on size."
        raise DataError([*first_of(problems, "lesions"), advice])
    return np.array(sides, np.float32)


def _by_spacing(path: str) -> float:
    image = read_image(path)
    if image.spacing_mm is None:
        return math.nan
    return max(image.pixels.shape[1:]) * max(image.spacing_mm)


def spacing_at(image: LesionImage, roi_side_mm: str, size: int) -> tuple[float, ...] | None:
    """mm of a pixel or voxel once the image is brought to `size`: by the file, else by the table, else None."""
    if image.spacing_mm is None and roi_side_mm:
        return (float(roi_side_mm) / size,) * image.dims
    return resampled_spacing(image, size)
