"""Volumes turned towards the patient's axes, on voxels that are cubes."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np

from augmentor.data.lesion_image import LesionImage

_UNEVEN = 1.01  # the longest edge of a voxel over its shortest
_MOST_CUBES = 512  # along a side that is made of cubes, unless the file has more


def set_upright(image: LesionImage, nearest: bool = False) -> LesionImage:
    """A volume that says where it lies towards R, A, S, as `extract` cuts lesions and as they are written; then, where
    it tells a spacing, on voxels that are cubes. An image stays as it is.

    nearest: no value is interpolated, as in a mask.
    """
    if image.dims == 3:
        image = _of_cubes(_towards_ras(image), nearest)
    return replace(image, grid=None)


def _towards_ras(image: LesionImage) -> LesionImage:
    if image.grid is None:
        return image
    turn = nibabel.io_orientation(image.grid.affine)
    pixels = np.stack([nibabel.apply_orientation(channel.T, turn).T for channel in image.pixels])
    ours = np.argsort(turn[:, 0])  # which of the file's axes leads to R, to A, to S
    spacing = image.spacing_mm and tuple(image.spacing_mm[::-1][axis] for axis in reversed(ours))
    return replace(image, pixels=pixels, spacing_mm=spacing)


def _of_cubes(image: LesionImage, nearest: bool) -> LesionImage:
    """Each voxel's edges as long as the shortest was (linear along each axis, the extent kept to half a voxel): a
    network's cube is then one in mm, too. The longest side stays as it is in mm."""
    steps, shape = image.spacing_mm, image.pixels.shape[1:]
    if steps is None or not 0 < _UNEVEN * min(steps) < max(steps) < np.inf:
        return image
    extents = [count * step for count, step in zip(shape, steps, strict=True)]
    edge = max(min(steps), max(extents) / max(_MOST_CUBES, *shape))
    pixels = image.pixels
    for axis, extent in enumerate(extents, 1):
        pixels = _with_length(pixels, axis, max(1, round(extent / edge)), nearest)
    return replace(image, pixels=pixels, spacing_mm=(max(extents) / max(pixels.shape[1:]),) * 3)


def _with_length(pixels: np.ndarray, axis: int, length: int, nearest: bool) -> np.ndarray:
    """The same extent along an axis in `length` steps. (In numpy alone, which gives equal pixels, and so an equal
    `content`, on every machine.)"""
    stored = pixels.shape[axis]
    if stored == length:
        return pixels
    place = np.clip((np.arange(length) + 0.5) * stored / length - 0.5, 0, stored - 1)
    if nearest:
        return pixels.take(np.floor(place + 0.5).astype(int), axis)
    before = np.floor(place).astype(int)
    real = np.result_type(pixels.dtype, np.float32)
    share = (place - before).astype(real).reshape(-1, *[1] * (pixels.ndim - 1 - axis))
    lower = pixels.take(before, axis).astype(real)
    between = lower + (pixels.take(np.minimum(before + 1, stored - 1), axis).astype(real) - lower) * share
    return (between.round() if pixels.dtype.kind in "iu" else between).astype(pixels.dtype)
