"""What is cut of a lesion: around which places, how wide, and in which sections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from augmentor.data.grids import Grid
from augmentor.errors import DataError
from augmentor.extraction.regions import Region
from augmentor.extraction.shear import cube_axes, is_sheared

_LEAST_SECTION = 0.1  # of the lesion's largest section: what is smaller only grazes it
_MOST_BEYOND = 3  # times the scan: beyond its border it is mirrored


@dataclass(frozen=True)
class View:
    """What is cut: a square (2-D, in `section`) or a cube of `side` mm around `centre` (3,) in voxel indices."""

    centre: np.ndarray
    side: float
    section: int | None = None


def views_of(region: Region, grid: Grid, dims: int, margin: float, fov: float | None, every: int | None) -> list[View]:
    """What to cut of a lesion: in 3-D all of it, in 2-D its largest section, and each `every`-th counted from there.

    Of several largest sections it is the one nearest to the lesion's middle, of two the earlier.

    The side is the largest extent (of the section, or of the lesion) with a `margin` of its share on both sides, or
    `fov` mm. Raises DataError where that is far wider than the scan.
    """
    largest = float((np.array(grid.shape) * grid.spacing).max())
    if fov and fov > _MOST_BEYOND * largest:
        raise DataError(f"--fov {fov:g} mm: the scan is {largest:.3g} mm wide. Take less, or mend its spacing.")
    if dims == 3:
        centre, extent = _around(region, grid)
        return [View(centre, fov or extent * (1 + 2 * margin))]
    views = []
    for section, lower, upper in _sections(region, grid.section_axis, every):
        across = [axis for axis in range(3) if axis != grid.section_axis]
        extent = float(((upper - lower) * grid.spacing)[across].max())
        views.append(View((lower + upper) / 2, fov or extent * (1 + 2 * margin), section))
    return views


def _around(region: Region, grid: Grid) -> tuple[np.ndarray, float]:
    """The centre (3,) of a lesion in voxel indices, and its largest extent in mm, both along the axes of a cube."""
    centre, extents = (region.lower + region.upper) / 2, region.upper - region.lower
    if not is_sheared(grid):
        return centre, float((extents * grid.spacing).max())
    along = cube_axes(grid).T @ grid.affine[:3, :3]  # mm along a cube's axes for each voxel
    if region.mask is None:
        return centre, float((np.abs(along) @ extents).max())
    reached = (np.argwhere(region.mask) + region.start) @ along.T
    lower, upper = reached.min(axis=0), reached.max(axis=0)
    return np.linalg.solve(along, (lower + upper) / 2), float((upper - lower + np.abs(along).sum(axis=1)).max())


def _sections(region: Region, axis: int, every: int | None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(its index in the image, lower edges, upper edges) of each section that is cut."""
    first, last = int(np.ceil(region.lower[axis])), int(np.ceil(region.upper[axis]))
    if region.mask is None:
        middle = int(np.rint((region.lower[axis] + region.upper[axis]) / 2))
        for section in range(min(first, middle), max(last, middle + 1)):
            if section == middle or (every and (section - middle) % every == 0):
                yield section, *_at(region.lower, region.upper, axis, section)
        return
    areas = region.mask.sum(axis=tuple({0, 1, 2} - {axis}))
    widest = np.flatnonzero(areas == areas.max())
    largest = int(widest[np.abs(widest - (len(areas) - 1) / 2).argmin()])
    for number, area in enumerate(areas):
        if number == largest or (every and (number - largest) % every == 0 and area >= _LEAST_SECTION * areas.max()):
            plane = region.mask.take([number], axis=axis)
            box = ndimage.find_objects(plane.astype(np.int8))[0]
            lower = region.start + [s.start for s in box] - 0.5
            upper = region.start + [s.stop for s in box] - 0.5
            yield first + number, *_at(lower, upper, axis, first + number)


def _at(lower: np.ndarray, upper: np.ndarray, axis: int, section: int) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = lower.copy(), upper.copy()
    lower[axis], upper[axis] = section - 0.5, section + 0.5
    return lower, upper
