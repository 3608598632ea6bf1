"""Regions of interest: where the lesions of a scan are, and how a square or a cube around each is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import nibabel
import numpy as np
from scipy import ndimage

from augmentor.data.geometry import Grid, Placed
from augmentor.errors import DataError

_TOUCHING = np.ones((3, 3, 3))  # voxels that share a corner are one lesion
_LEAST_SECTION = 0.1  # of the lesion's largest section: what is smaller only grazes it
_SPLINE = 3  # cubic, as for every other picture here
_SPLINE_REACH = 4
_MOST_BEYOND = 3  # times the scan: beyond its border it is mirrored


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


@dataclass(frozen=True)
class View:
    """What is cut: a square (2-D, in `section`) or a cube of `side` mm around `centre` (3,) in voxel indices."""

    centre: np.ndarray
    side: float
    section: int | None = None


@dataclass(frozen=True)
class Cut:
    """`image` float32 (size, size[, 3]) rows down and columns across, or (size, size, size) towards R, A, S.

    `mask` bool of the same shape, or None; `affine` leads from (column, row, 0) or (i, j, k) to RAS mm.
    """

    image: np.ndarray
    mask: np.ndarray | None
    affine: np.ndarray
    spacing: float


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
    """A box of 4 or 6 numbers, counted from the edge of the first voxel; see `Scan`. Raises DataError."""
    if len(box) == 4:
        if grid.shape[2] != 1:
            raise DataError(
                f"The box {_told(box)} has 4 numbers and the scan {grid.shape[2]} sections; give x0,y0,z0,x1,y1,z1."
            )
        box = (box[0], box[1], 0.0, box[2], box[3], 1.0)
        if min(box) >= 0 and max(box) <= 1:
            box = tuple(v * n for v, n in zip(box, (*grid.shape[:2], 1) * 2, strict=True))
    lower, upper = np.array(box[:3]), np.array(box[3:])
    if not np.isfinite(box).all() or not (lower < upper).all():
        raise DataError(f"The box {_told(box)} has no extent; it is x0, y0 (, z0), x1, y1 (, z1) with x0 < x1.")
    if (upper <= 0).any() or (lower >= grid.shape).any():
        raise DataError(f"The box {_told(box)} lies outside of the scan ({_told(grid.shape)} voxels).")
    return Region(np.maximum(lower, 0) - 0.5, np.minimum(upper, grid.shape) - 0.5)


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


def views_of(region: Region, grid: Grid, dims: int, margin: float, fov: float | None, every: int | None) -> list[View]:
    """What to cut of a lesion: in 3-D all of it, in 2-D its largest section, and each `every`-th counted from there.

    The side is the largest extent (of the section, or of the lesion) with a `margin` of its share on both sides, or
    `fov` mm. Raises DataError where that is far wider than the scan.
    """
    largest = float((np.array(grid.shape) * grid.spacing).max())
    if fov and fov > _MOST_BEYOND * largest:
        raise DataError(f"--fov {fov:g} mm: the scan is {largest:.3g} mm wide. Take less, or mend its spacing.")
    if dims == 3:
        extent = float(((region.upper - region.lower) * grid.spacing).max())
        return [View((region.lower + region.upper) / 2, fov or extent * (1 + 2 * margin))]
    views = []
    for section, lower, upper in _sections(region, grid.section_axis, every):
        across = [axis for axis in range(3) if axis != grid.section_axis]
        extent = float(((upper - lower) * grid.spacing)[across].max())
        views.append(View((lower + upper) / 2, fov or extent * (1 + 2 * margin), section))
    return views


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
    largest = int(areas.argmax())
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


def box_of(view: View, grid: Grid, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and the one after the last of what `cut` looks at, within the image."""
    step = view.side / size
    reach = view.side / 2 / grid.spacing + _SPLINE_REACH * np.maximum(1, step / grid.spacing) + 1
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
    is. Values are interpolated by cubic splines, smoothed before where the pixels become larger, and never leave their
    range.
    """
    axes = "LPS" if view.section is not None else "RAS"
    affine = grid.affine @ _shift(first)
    mask = None if region.mask is None else _fitted(region.mask, region.start - first, voxels.shape[:3])
    turn = _turn_to(axes, affine[:3, :3].tobytes())
    affine = affine @ nibabel.orientations.inv_ornt_aff(turn, voxels.shape[:3])
    axis = int(turn[grid.section_axis, 0])
    voxels = nibabel.apply_orientation(voxels, turn)
    mask = None if mask is None else nibabel.apply_orientation(mask, turn)
    centre = np.linalg.solve(affine, np.append(grid.world(view.centre), 1))[:3]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    place = _Place(affine, centre, view.side / size / spacing, size, view.side / size)
    return _cube(voxels, mask, place) if view.section is None else _square(voxels, mask, place, axis)


@lru_cache(maxsize=64)  # all lesions of a scan are turned alike
def _turn_to(axes: str, directions: bytes) -> np.ndarray:
    """nibabel's orientation transform from an affine's (3, 3) float64 to `axes`."""
    affine = np.eye(4)
    affine[:3, :3] = np.frombuffer(directions).reshape(3, 3)
    return nibabel.orientations.ornt_transform(nibabel.io_orientation(affine), nibabel.orientations.axcodes2ornt(axes))


@dataclass(frozen=True)
class _Place:
    """Of a cut among the voxels: `size` pixels of `spacing` mm along each axis, `step` voxels apart, around `centre`.

    affine: of the voxels. centre and step: (3,) float64."""

    affine: np.ndarray
    centre: np.ndarray
    step: np.ndarray
    size: int
    spacing: float

    @property
    def origin(self) -> np.ndarray:
        """The voxel of the first pixel."""
        return self.centre - self.step * (self.size - 1) / 2


def _cube(voxels: np.ndarray, mask: np.ndarray | None, place: _Place) -> Cut:
    origin, step, size = place.origin, place.step, place.size
    image = _sampled(voxels, origin, step, size)
    inside = None if mask is None else _mask_sampled(mask, origin, step, size)
    return Cut(image, inside, place.affine @ _shift(origin) @ np.diag([*step, 1.0]), place.spacing)


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
    for axis, count in enumerate(mask.shape):
        place = origin[axis] + step[axis] * np.arange(size)
        beyond = (place < -0.5) | (place > count - 0.5)
        share[(slice(None),) * axis + (beyond,)] = 0
    # A lesion thinner than a pixel would vanish at one half.
    return share >= min(0.5, share.max()) if share.max() > 0 else np.zeros_like(share, bool)


def _smoothed(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Low-pass before pixels become larger, so that nothing is folded into coarser patterns."""
    sigma = np.maximum(0, (step - 1) / 2)
    return ndimage.gaussian_filter(values, sigma, mode="reflect", truncate=3) if sigma.any() else values


def _shift(origin: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    return matrix
