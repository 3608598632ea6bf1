"""How a mask from another grid comes to lie on its image's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import nibabel
import numpy as np
from scipy import ndimage

from augmentor.data.grids import Grid
from augmentor.data.soft_masks import greys_of
from augmentor.errors import DataError

_SAME_VOXEL = 0.1  # of a voxel, at the corners of a grid
_MOST_FILLED = 0.5  # of a mask: more is no lesion
ROUNDING = 1e-3  # of a mask's numbers, where a file scales them


class EmptyMaskError(DataError):
    """A mask without a lesion: an error by `--strict`, otherwise a scan that gives none."""


@dataclass(frozen=True)
class Placed:
    """A mask on an image's grid: `labels` (a, b, c) whole numbers, whose first voxel is the image's `start` (3,)."""

    labels: np.ndarray
    start: np.ndarray
    notes: tuple[str, ...] = ()


def turned_onto(mask: np.ndarray, mask_grid: Grid, image: Grid) -> np.ndarray | None:
    """A mask (I, J, K) in the order of the image's voxels; None where the two are not the same voxels in space."""
    step = np.linalg.inv(_flat_as_one(image)) @ _flat_as_one(mask_grid)
    if not _same_voxels(step, mask_grid.shape):
        return None
    turned, start = _turned(mask, np.zeros(3, int), np.rint(step))
    return turned if turned.shape == image.shape and not start.any() else None


def _flat_as_one(grid: Grid) -> np.ndarray:
    """The affine, with steps of 1 mm across an image: how thick its section is does not matter."""
    flat = np.array(grid.shape) == 1
    return grid.affine @ np.diag([*np.where(flat, 1 / grid.spacing, 1.0), 1.0])


def place(mask: np.ndarray, mask_grid: Grid, image: Grid, name: str, by_voxel: bool = False) -> Placed:
    """A mask (I, J, K) of whole numbers, 0 outside lesions, on the image's grid.

    Of one that holds greys, all above half of the largest become that one, with a note.
    Grids of the same voxels (whatever their order, direction and extent) are matched exactly; otherwise each voxel of
    the image takes the nearest one of the mask, with a note. by_voxel: the headers are not asked.
    Raises DataError for an empty mask, one that is no mask, and one that lies outside of the image.
    """
    labels, start, notes = _labels_of(mask, name)
    notes += _fills(labels, mask, name)
    same_shape = mask_grid.shape == image.shape
    if by_voxel or not (mask_grid.located and image.located):
        if not same_shape:
            raise DataError(
                f"{name}: is {_told(mask_grid.shape)} and its image {_told(image.shape)}; without two headers that say "
                "where they lie, both need one shape. Save the mask on the image's grid."
            )
        if mask_grid.located != image.located and not by_voxel:
            notes += (f"{name}: only one of image and mask says where it lies; they were matched voxel by voxel.",)
        return Placed(labels, start, notes)
    step = np.linalg.inv(image.affine) @ mask_grid.affine
    outside = _share_outside(labels, start, step, image)
    if outside == 1:
        raise DataError(
            f"{name}: lies outside of its image, by the two headers. Is it the mask of another scan? If it was drawn "
            "on the image's voxels and its header was lost, say --by-voxel."
        )
    if outside:
        notes += (f"{name}: leaves its image; {outside:.1%} of it was cut off at the border.",)
    if _same_voxels(step, mask_grid.shape):
        notes += _mirrored(mask_grid, image, name) + _shifted(step, mask_grid, image, name)
        return _inside(*_turned(labels, start, np.rint(step)), image, notes)
    notes += (_other_grid(mask_grid, image, name),)
    placed = _inside(*_resampled(labels, start, step, image), image, notes)
    return replace(placed, notes=notes + _lost(labels, placed.labels, name))


def _fills(labels: np.ndarray, mask: np.ndarray, name: str) -> tuple[str, ...]:
    share = np.count_nonzero(labels) / mask.size
    if share <= _MOST_FILLED:
        return ()
    return (f"{name}: is lesion in {share:.0%} of its voxels. A mask is 0 outside lesions: is this a mask?",)


def _share_outside(labels: np.ndarray, start: np.ndarray, step: np.ndarray, image: Grid) -> float:
    """Of the mask's voxels, those whose centres lie off the image."""
    corners = nibabel.affines.apply_affine(step, start + _corners(labels.shape))
    if (corners > -0.5).all() and (corners < np.array(image.shape) - 0.5).all():
        return 0.0
    centres = nibabel.affines.apply_affine(step, start + np.argwhere(labels))
    met = ((centres > -0.5) & (centres < np.array(image.shape) - 0.5)).all(axis=1)
    return 1 - float(met.mean())


def _lost(before: np.ndarray, after: np.ndarray, name: str) -> tuple[str, ...]:
    """A note where lesions are so small that they fell between the image's voxels; an error where all did."""
    counts = [int(ndimage.label(labels, np.ones((3, 3, 3)))[1]) for labels in (before, after)]
    if not counts[1]:
        raise DataError(f"{name}: its lesions are smaller than the image's voxels, and fell between them.")
    if counts[1] >= counts[0]:
        return ()
    return (
        f"{name}: has {counts[0]} lesions on its own grid and {counts[1]} on the image's, whose voxels are larger.",
    )


def _labels_of(mask: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """As `_crop`, once a mask of greys is cut at half, with a note."""
    labels, start = _crop(mask, name)
    greys = greys_of(labels)
    if not greys:
        return labels, start, ()
    largest = int(labels.max())
    kept, first = _crop(np.where(labels > largest / 2, largest, 0), name)
    note = (
        f"{name}: holds {greys} grey values, as a JPEG or a mask with smoothed edges does; it was cut at half of the "
        f"largest, {largest}. Look at what is cut, or save it as a PNG of 0 and 255."
    )
    return kept, start + first, (note,)


def _crop(mask: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The smallest box that holds all lesions, and its first voxel."""
    filled = np.abs(mask) > ROUNDING if mask.dtype.kind == "f" else mask != 0
    spans = [np.flatnonzero(filled.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not spans[0].size:
        raise EmptyMaskError(f"{name}: is empty. Leave the scan out, or give the mask that belongs to it.")
    box = tuple(slice(s[0], s[-1] + 1) for s in spans)
    labels = mask[box]
    scaled = labels.dtype.kind == "f"
    with np.errstate(invalid="ignore"):
        whole_numbers = (np.rint(labels) if scaled else labels).astype(np.int32)
    odd = np.abs(whole_numbers - labels) > ROUNDING if scaled else whole_numbers != labels
    if odd.any():
        raise DataError(
            f"{name}: holds {np.unique(labels[odd])[0]!s}, and a mask holds whole numbers (0 "
            "outside lesions). Save it as labels; a probability must be cut at a threshold first."
        )
    return whole_numbers, np.array([s[0] for s in spans])


def _corners(shape: tuple[int, ...]) -> np.ndarray:
    """(8, 3): the indices of a grid's outermost voxels."""
    return np.array(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij")).reshape(3, -1).T


def _same_voxels(step: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether every voxel of the mask is one of the image's grid (mask index -> image index by `step`)."""
    exact = np.rint(step)
    if abs(abs(np.linalg.det(exact[:3, :3])) - 1) > 0.5 or np.abs(exact[:3, :3]).sum() != 3:
        return False
    corners = _corners(shape)
    apart = nibabel.affines.apply_affine(step, corners) - nibabel.affines.apply_affine(exact, corners)
    return bool(np.abs(apart).max() < _SAME_VOXEL)


def _turned(labels: np.ndarray, start: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reordered by a signed permutation, without interpolation."""
    ends = nibabel.affines.apply_affine(step, np.stack([start, start + labels.shape - 1]))
    theirs = np.abs(step[:3, :3]).argmax(axis=1)  # which of the mask's axes is the image's first, second, third
    turned = labels.transpose(theirs)
    backwards = [axis for axis in range(3) if step[axis, theirs[axis]] < 0]
    return np.flip(turned, tuple(backwards)), ends.min(axis=0).astype(int)


def _resampled(labels: np.ndarray, start: np.ndarray, step: np.ndarray, image: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Each voxel of the image takes the nearest of the mask; only where the two can meet is looked."""
    edges = start + np.where(_corners((2, 2, 2)) == 0, -0.5, np.array(labels.shape) - 0.5)
    reach = nibabel.affines.apply_affine(step, edges)
    first = np.maximum(np.floor(reach.min(axis=0)), 0).astype(int)
    last = np.minimum(np.ceil(reach.max(axis=0)) + 1, image.shape).astype(int)
    back = np.linalg.inv(step)
    rows, columns = (np.arange(a, b) for a, b in zip(first[:2], last[:2], strict=True))
    planes = []
    for k in range(first[2], last[2]):  # by planes: the indices of a whole volume would take ten times its memory
        index = [back[r, 0] * rows[:, None] + back[r, 1] * columns + back[r, 2] * k + back[r, 3] for r in range(3)]
        nearest = [np.rint(i).astype(np.int64) - s for i, s in zip(index, start, strict=True)]
        met = np.logical_and.reduce([(n >= 0) & (n < size) for n, size in zip(nearest, labels.shape, strict=True)])
        planes.append(np.where(met, labels[tuple(np.where(met, n, 0) for n in nearest)], 0))
    return np.stack(planes, axis=2), first


def _inside(labels: np.ndarray, start: np.ndarray, image: Grid, notes: tuple[str, ...]) -> Placed:
    """Cut at the image's border."""
    first = np.maximum(-start, 0)
    last = np.minimum(np.array(image.shape) - start, labels.shape)
    kept = labels[tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))]
    return Placed(kept, start + first, notes)


def _mirrored(mask: Grid, image: Grid, name: str) -> tuple[str, ...]:
    """A note where the two headers count from left to right in opposite directions."""
    if np.allclose(mask.affine[:3, :3], image.affine[:3, :3]):
        return ()
    sides = [next((axis for axis in grid.axes if axis in "LR"), "") for grid in (mask, image)]
    if sides[0] == sides[1]:
        return ()
    return (
        f"{name}: counts its voxels towards {mask.axes}, its image towards {image.axes}: left and right are swapped "
        "between the two headers. It was turned as the headers say; if it was drawn on the image's voxels, say "
        "--by-voxel.",
    )


def _shifted(step: np.ndarray, mask: Grid, image: Grid, name: str) -> tuple[str, ...]:
    """A note where a mask as large as its image lies some whole voxels beside it; a smaller one is a part of it."""
    corners = np.rint(nibabel.affines.apply_affine(step, _corners(mask.shape)))
    apart = np.abs(corners.min(axis=0)).max()
    if not apart or sorted(mask.shape) != sorted(image.shape):
        return ()
    return (
        f"{name}: is as large as its image, but its header puts it up to {apart:g} voxels aside. It was laid where the "
        "header says; if it was drawn on the image's voxels, say --by-voxel.",
    )


def _other_grid(mask: Grid, image: Grid, name: str) -> str:
    if mask.shape == image.shape:
        return (
            f"{name}: has the shape of its image ({_told(mask.shape)}), but its header puts it elsewhere. It was "
            "resampled as the headers say; if it was drawn on the image's voxels, say --by-voxel."
        )
    return (
        f"{name}: lies on another grid ({_told(mask.shape)}, {mask.axes}) than its image ({_told(image.shape)}, "
        f"{image.axes}); it was resampled to the nearest voxel. Check on extracted.png that it meets the lesions."
    )


def _told(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)
