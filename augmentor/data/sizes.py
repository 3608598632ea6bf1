"""How large the region is that a lesion's image shows."""

from __future__ import annotations

import math

import numpy as np

from augmentor.data.images import read_image
from augmentor.data.lesion_image import LesionImage
from augmentor.data.lesions import Lesions
from augmentor.data.squares import resampled_spacing
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


def spacing_of_side(side_mm: float, size: int, dims: int, proportions: tuple[float, ...] | None) -> tuple[float, ...]:
    """mm of a pixel or voxel at `size`: the longest of them fills the side, the others are in these proportions."""
    steps = proportions or (1.0,) * dims
    return tuple(side_mm / size * (step / max(steps)) for step in steps)


def _by_spacing(path: str) -> float:
    image = read_image(path)
    if image.spacing_mm is None:
        return math.nan
    return max(image.pixels.shape[1:]) * max(image.spacing_mm)


def spacing_at(image: LesionImage, roi_side_mm: str, size: int) -> tuple[float, ...] | None:
    """mm of a pixel or voxel once the image is brought to `size`: by the table's side as in `load_sides`, in the
    proportions of the file's spacing; by that alone where the table has none; else None."""
    by_file = resampled_spacing(image, size)
    return spacing_of_side(float(roi_side_mm), size, image.dims, by_file) if roi_side_mm else by_file
