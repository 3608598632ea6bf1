"""How a square or a cube is cut from a scan's voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel
import numpy as np
from scipy import ndimage

from augmentor.data.grids import Grid
from augmentor.extraction.regions import Region
from augmentor.extraction.shear import skew
from augmentor.extraction.views import View

_SPLINE = 3  # cubic, as for every other picture here
_SPLINE_REACH = 4


@dataclass(frozen=True)
class Cut:
    """`image` float32 (size, size[, 3]) rows down and columns across, or (size, size, size) towards R, A, S.

    `mask` bool of the same shape, or None; `affine` leads from (column, row, 0) or (i, j, k) to RAS mm.
    """

    image: np.ndarray
    mask: np.ndarray | None
    affine: np.ndarray
    spacing: float


def box_of(view: View, grid: Grid, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and the one after the last of what `cut` looks at, within the image."""
    step, turn = view.side / size / grid.spacing, _skew(view, grid)
    half = view.side / 2 / grid.spacing * np.abs(turn).sum(axis=1)
    reach = half + _SPLINE_REACH * np.maximum(1, step * np.linalg.norm(turn, axis=1)) + 1
    if view.section is not None:
        reach[grid.section_axis] = 0
    first = np.clip(np.floor(view.centre - reach).astype(int), 0, np.array(grid.shape) - 1)
    last = np.clip(np.ceil(view.centre + reach).astype(int) + 1, first + 1, grid.shape)
    return first, last


def cut(voxels: np.ndarray, first: np.ndarray, grid: Grid, region: Region, view: View, size: int) -> Cut:
    """Cut one view to `size` isotropic pixels a side.

    voxels: (a, b, c[, 3]), the part of the image that `box_of` asks for, from the voxel `first` on. Beyond the image's
    border its voxels are mirrored, and its mask is empty. In 2-D columns run to the patient's left and rows to the back
    (or feet), as radiologists hang pictures, whatever the header's order; a picture's grid is such that it stays as it
    is. A cube's axes are orthogonal even where those of the voxels are not. Values are interpolated by cubic splines,
    smoothed before where the pixels become larger, and never leave their range.
    """
    axes = "LPS" if view.section is not None else "RAS"
    affine = grid.affine @ _shift(first)
    mask = None if region.mask is None else _fitted(region.mask, region.start - first, voxels.shape[:3])
    turn = _turn_to(axes, affine[:3, :3].tobytes())
    back = nibabel.orientations.inv_ornt_aff(turn, voxels.shape[:3])
    affine = affine @ back
    axis = int(turn[grid.section_axis, 0])
    voxels = nibabel.apply_orientation(voxels, turn)
    mask = None if mask is None else nibabel.apply_orientation(mask, turn)
    centre = np.linalg.solve(affine, np.append(grid.world(view.centre), 1))[:3]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    step = view.side / size / spacing
    skewed = back[:3, :3].T @ _skew(view, grid) @ back[:3, :3]
    if not np.array_equal(skewed, np.eye(3)):
        step = step[:, None] * skewed
    place = _Place(affine, centre, step, size, view.side / size)
    return _cube(voxels, mask, place) if view.section is None else _square(voxels, mask, place, axis)


def _skew(view: View, grid: Grid) -> np.ndarray:
    """As `skew`, of a cube; a square lies along its section's axes as they are."""
    return skew(grid) if view.section is None else np.eye(3)


@lru_cache(maxsize=64)  # all lesions of a scan are turned alike
def _turn_to(axes: str, directions: bytes) -> np.ndarray:
    """nibabel's orientation transform from an affine's (3, 3) float64 to `axes`."""
    affine = np.eye(4)
    affine[:3, :3] = np.frombuffer(directions).reshape(3, 3)
    return nibabel.orientations.ornt_transform(nibabel.io_orientation(affine), nibabel.orientations.axcodes2ornt(axes))


@dataclass(frozen=True)
class _Place:
    """Of a cut among the voxels: `size` pixels of `spacing` mm along each axis, `step` voxels apart, around `centre`.

    affine: of the voxels. centre: (3,) float64. step: (3,) float64, or (3, 3) from a pixel's index where the voxels'
    axes are not the pixels', as `ndimage.affine_transform` takes either.
    """

    affine: np.ndarray
    centre: np.ndarray
    step: np.ndarray
    size: int
    spacing: float

    @property
    def origin(self) -> np.ndarray:
        """The voxel of the first pixel."""
        return self.centre - _matrix(self.step) @ np.full(3, (self.size - 1) / 2)


def _cube(voxels: np.ndarray, mask: np.ndarray | None, place: _Place) -> Cut:
    origin, step, size = place.origin, place.step, place.size
    image = _sampled(voxels, origin, step, size)
    inside = None if mask is None else _mask_sampled(mask, origin, step, size)
    way = _shift(origin)
    way[:3, :3] = _matrix(step)
    return Cut(image, inside, place.affine @ way, place.spacing)


def _square(voxels: np.ndarray, mask: np.ndarray | None, place: _Place, axis: int) -> Cut:
    """In the plane across `axis`: the first of the other axes runs across, the second down (from head to feet)."""
    across, down = (a for a in range(3) if a != axis)
    upright = axis != 2 and down == 2  # S counts upwards, rows count downwards
    plane, inside = voxels.take(0, axis=axis), None if mask is None else mask.take(0, axis=axis)
    origin, scale, size = place.origin[[across, down]], place.step[[across, down]], place.size
    colours = [plane] if plane.ndim == 2 else np.moveaxis(plane, -1, 0)
    image = np.stack([_sampled(c, origin, scale, size).T for c in colours], axis=-1)
    outline = None if inside is None else _mask_sampled(inside, origin, scale, size).T
    way = np.eye(4)  # (column, row, 0) -> oriented index
    way[:3, :3] = 0
    way[across, 0], way[down, 1], way[axis, 2] = scale[0], scale[1], 1.0
    way[across, 3], way[down, 3] = origin
    if upright:
        image, outline = image[::-1], None if outline is None else outline[::-1]
        way[down, 1], way[down, 3] = -scale[1], origin[1] + scale[1] * (size - 1)
    return Cut(image[..., 0] if plane.ndim == 2 else image, outline, place.affine @ way, place.spacing)


def _fitted(mask: np.ndarray, offset: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The mask laid into an array of `shape`, its first voxel at `offset`; what lies outside is cut off."""
    laid = np.zeros(shape, bool)
    first, last = np.maximum(offset, 0), np.minimum(offset + mask.shape, shape)
    if (last > first).all():
        into = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        laid[into] = mask[tuple(slice(a - o, b - o) for a, b, o in zip(first, last, offset, strict=True))]
    return laid


def _sampled(values: np.ndarray, origin: np.ndarray, step: np.ndarray, size: int) -> np.ndarray:
    values = values.astype(np.float32)
    low, high = values.min(), values.max()
    resampled = ndimage.affine_transform(
        _smoothed(values, step), step, origin, (size,) * values.ndim, order=_SPLINE, mode="reflect"
    )
    return np.clip(resampled, low, high)


def _mask_sampled(mask: np.ndarray, origin: np.ndarray, step: np.ndarray, size: int) -> np.ndarray:
    share = ndimage.affine_transform(
        _smoothed(mask.astype(np.float32), step), step, origin, (size,) * mask.ndim, order=1, mode="reflect"
    )
    share[_beyond(mask.shape, origin, step, size)] = 0
    # A lesion thinner than a pixel would vanish at one half.
    return share >= min(0.5, share.max()) if share.max() > 0 else np.zeros_like(share, bool)


def _beyond(shape: tuple[int, ...], origin: np.ndarray, step: np.ndarray, size: int) -> np.ndarray:
    """(size, ...) bool: the pixels whose centres lie off the voxels."""
    index = np.ogrid[(slice(size),) * len(shape)]
    beyond = np.zeros((size,) * len(shape), bool)
    for axis, count in enumerate(shape):
        place = origin[axis] + sum(s * i for s, i in zip(_matrix(step)[axis], index, strict=True) if s)
        beyond |= (place < -0.5) | (place > count - 0.5)
    return beyond


def _smoothed(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Low-pass before pixels become larger, so that nothing is folded into coarser patterns."""
    sigma = np.maximum(0, (np.linalg.norm(_matrix(step), axis=1) - 1) / 2)
    return ndimage.gaussian_filter(values, sigma, mode="reflect", truncate=3) if sigma.any() else values


def _matrix(step: np.ndarray) -> np.ndarray:
    """From a pixel's index to voxels; `step` as in `_Place`, of as many axes as there are."""
    return step if step.ndim == 2 else np.diag(step)


def _shift(origin: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    return matrix
