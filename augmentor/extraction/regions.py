"""Regions of interest: where the lesions of a scan are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from augmentor.data.grids import Grid
from augmentor.data.placing import Placed
from augmentor.errors import DataError

_TOUCHING = np.ones((3, 3, 3))  # voxels that share a corner are one lesion
_VOID = 255  # the largest number of 8 bits
_ONE_VOXEL = 1 - 1e-6  # with what rounding takes away


@dataclass(frozen=True)
class Region:
    """One lesion on an image's grid. `lower` and `upper` (3,) are its edges in voxel indices (half a voxel outwards).

    `mask` (a, b, c) bool begins at the voxel `start`; None where only a box is known. `value` is the mask's number.
    """

    lower: np.ndarray
    upper: np.ndarray
    mask: np.ndarray | None = None
    value: int = 0

    @property
    def start(self) -> np.ndarray:
        return np.rint(self.lower + 0.5).astype(int)


def regions_of(placed: Placed, values: Sequence[int] = (), by_value: bool = False) -> list[Region]:
    """The lesions of a mask: connected components, or with `by_value` all voxels of one number.

    values: only these numbers are lesions, and those of two numbers are two lesions even where they touch; otherwise
    all but 0 are, and components join whatever touches.
    """
    if by_value or values:
        wanted = values or [int(v) for v in np.unique(placed.labels) if v]
        masks = [(value, placed.labels == value) for value in wanted]
    else:
        masks = [(0, placed.labels != 0)]
    return [region for value, mask in masks for region in _parts(mask, placed.start, value, by_value)]


def _parts(mask: np.ndarray, start: np.ndarray, value: int, joined: bool) -> Iterator[Region]:
    numbered = mask.astype(np.int32) if joined else ndimage.label(mask, _TOUCHING)[0]
    for number, box in enumerate(ndimage.find_objects(numbered), 1):
        if box is not None:
            part = numbered[box] == number
            first = start + [s.start for s in box]
            yield Region(first - 0.5, first + part.shape - 0.5, part, value)


def region_of_box(box: Sequence[float], grid: Grid) -> Region:
    """A box of 4 or 6 numbers, counted from the edge of the first voxel; see `Scan`. Raises DataError.

    Numbers that all lie in 0..1 are shares of the scan's sides; six of 0 and 1 alone are the corners of a voxel.
    """
    if len(box) == 4:
        if grid.shape[2] != 1:
            raise DataError(
                f"The box {_told(box)} has 4 numbers and the scan {grid.shape[2]} sections; give x0,y0,z0,x1,y1,z1."
            )
        shares = _are_shares(box)
        box = (box[0], box[1], 0.0, box[2], box[3], 1.0)
    else:
        shares = _are_shares(box) and not {0, 1}.issuperset(box)
    if shares:
        box = tuple(v * n for v, n in zip(box, grid.shape * 2, strict=True))
    lower, upper = np.array(box[:3]), np.array(box[3:])
    if not np.isfinite(box).all() or not (lower < upper).all():
        raise DataError(f"The box {_told(box)} has no extent; it is x0, y0 (, z0), x1, y1 (, z1) with x0 < x1.")
    if (upper <= 0).any() or (lower >= grid.shape).any():
        raise DataError(f"The box {_told(box)} lies outside of the scan ({_told(grid.shape)} voxels).")
    return Region(np.maximum(lower, 0) - 0.5, np.minimum(upper, grid.shape) - 0.5)


def _are_shares(box: Sequence[float]) -> bool:
    return min(box) >= 0 and max(box) <= 1


def is_thin(region: Region) -> bool:
    """Whether a box holds less than a voxel along an axis."""
    return bool((region.upper - region.lower < _ONE_VOXEL).any())


def numbers_joined(placed: Placed) -> list[int]:
    """The numbers of a mask whose components would join what may be several things: of several, or of one below 0."""
    numbers = [int(number) for number in np.unique(placed.labels) if number]
    return numbers if len(numbers) > 1 or min(numbers, default=0) < 0 else []


def numbers_ignored(placed: Placed) -> list[int]:
    """The numbers of a mask by which programs mark what is not to be looked at: those below 0, and 255 beside small
    ones."""
    numbers = [int(number) for number in np.unique(placed.labels) if number]
    small = any(0 < number < _VOID // 2 for number in numbers)
    return [number for number in numbers if number < 0 or (number == _VOID and small)]


def leaves(box: Sequence[float], grid: Grid) -> bool:
    """Whether a part of the box lies outside of the scan."""
    half = len(box) // 2
    return min(box) < 0 or any(upper > size for upper, size in zip(box[half:], grid.shape[:half], strict=True))


def touches(region: Region, grid: Grid, dims: int) -> bool:
    """Whether a lesion reaches the scan's border, so that what is cut of it ends there; in 2-D, within a section."""
    cut_axes = [a for a in range(3) if grid.shape[a] > 1 and (dims == 3 or a != grid.section_axis)]
    ends = (region.lower <= -0.5) | (region.upper >= np.array(grid.shape) - 0.5)
    return bool(ends[cut_axes].any())


def _told(numbers: Sequence[float]) -> str:
    return ", ".join(f"{n:g}" for n in numbers)
