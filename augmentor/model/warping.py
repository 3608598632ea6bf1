"""Sampling an image or a volume between its grid points, with little blur."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from torch import Tensor

from augmentor.model.blocks import along_axes

_OVERSHOOT = 0.3  # of the range of the pixels around a place
_CHUNK_NUMBERS = 8_000_000  # of a volume at twice its resolution, held at a time
_PLANES = ((1, 2), (0, 2), (0, 1))  # that turn about each axis of a volume


def resample(images: Tensor, grid: Tensor) -> Tensor:
    """Images (B, C, S, S) or volumes (B, C, S, S, S) at `grid`, as `F.grid_sample` takes it, borders mirrored.

    The bicubic kernel for images; torch has only the trilinear one for volumes, which are therefore sampled as by
    `resample_finely`. Values may leave the range of the images a little.
    """
    if images.dim() == 4:
        return F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return resample_finely(images, grid)


def resample_finely(images: Tensor, grid: Tensor) -> Tensor:
    """As `resample`, from images of twice the resolution: it keeps nearly all that a pixel grid can hold.

    Sinc interpolation, which doubles the resolution, rings: beside a sharp edge it leaves waves on a dark background.
    So no value may leave the range of the pixels around its place by much.
    """
    if images.dim() == 4:
        fine = F.grid_sample(_doubled(images), grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        return _without_ringing(fine, images, grid)
    rows = max(1, _CHUNK_NUMBERS // (8 * images[0].numel()))
    return torch.cat([_fine_volumes(*part) for part in zip(images.split(rows), grid.split(rows), strict=True)])


def _fine_volumes(volumes: Tensor, grid: Tensor) -> Tensor:
    fine = F.grid_sample(_doubled(volumes), grid, padding_mode="reflection", align_corners=False)
    return _without_ringing(fine, volumes, grid)


def _without_ringing(sampled: Tensor, images: Tensor, grid: Tensor) -> Tensor:
    """`sampled` at `grid` -> the same, kept to the range of the 4 pixels (8 voxels) around each place and a little
    more: white noise, the finest grain, keeps all but a twentieth of its energy."""
    size, dims = images.shape[-1], images.dim() - 2
    most = F.pad(torch.cat([images, -images], 1), [1] * 2 * dims, mode="replicate")
    for axis in range(2, most.dim()):  # torch's max_pool takes thirty times as long
        most = torch.maximum(most.narrow(axis, 0, size + 1), most.narrow(axis, 1, size + 1))
    # One place between centres more than there are pixels: with aligned corners the first stands on the image's border.
    found = F.grid_sample(most, grid, mode="nearest", padding_mode="reflection", align_corners=True)
    high, low = found.chunk(2, 1)  # the negative of the least
    more = _OVERSHOOT * (high + low)
    return torch.minimum(torch.maximum(sampled, -(low + more)), high + more)


def _doubled(images: Tensor) -> Tensor:
    """(B, C, S, ...) -> (B, C, 2 S, ...)."""
    return along_axes(_doubling(images.shape[-1], images.device, for_linear=images.dim() == 5), images)


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # kept for networks that are trained, whoever asks first
def _doubling(size: int, device: torch.device, for_linear: bool) -> Tensor:
    """(2 * size, size): doubles the resolution of a row without loss, by zeros above its DCT-II coefficients.

    The same as sinc interpolation of the row and its mirror image. for_linear: each wave is raised by what linear
    sampling takes of it on average over the places between two samples, (2 + cos w) / 3 of the energy of a wave of w
    radians a sample.
    """
    fine, coarse = dct(np.eye(2 * size), axis=0, norm="ortho"), dct(np.eye(size), axis=0, norm="ortho")
    left = (2 + np.cos(np.pi * np.arange(size) / (2 * size))) / 3 if for_linear else np.ones(size)
    return torch.tensor(2**0.5 * (fine[:size].T / left**0.5) @ coarse, dtype=torch.float32, device=device)


def sampling_matrices(angles: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(B, 1) or (B, 3) rad, see `rotation`, (B, dims) factor along each axis of the grid, before it is turned, and
    (B, dims) shift in half sides -> (B, dims, dims + 1), as `F.affine_grid` takes them."""
    return torch.cat([rotation(angles) * scale[:, None], shift[..., None]], 2)


def rotation(angles: Tensor) -> Tensor:
    """(B, 1) rad -> (B, 2, 2); (B, 3) -> (B, 3, 3): about the first axis of the grid, then the second, then the
    third."""
    if angles.shape[1] == 1:
        return _turn(angles[:, 0], (0, 1), 2)
    first, second, third = (_turn(angle, plane, 3) for angle, plane in zip(angles.unbind(1), _PLANES, strict=True))
    return third @ (second @ first)


def _turn(angle: Tensor, plane: tuple[int, int], dims: int) -> Tensor:
    """(B,) rad -> (B, dims, dims): in the plane of two axes."""
    (one, other), cosine, sine = plane, angle.cos(), angle.sin()
    turn = torch.eye(dims, device=angle.device).repeat(len(angle), 1, 1)
    turn[:, one, one] = turn[:, other, other] = cosine
    turn[:, one, other], turn[:, other, one] = -sine, sine
    return turn


def enlarge(control: Tensor, size: int) -> Tensor:
    """Control points (B, C, K, ...) -> a smooth field (B, C, size, ...), bicubic along each axis."""
    return along_axes(_enlarging(control.shape[-1], size, control.device), control)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for networks that are trained, whoever asks first
def _enlarging(points: int, size: int, device: torch.device) -> Tensor:
    """(size, points): a row of control points to a smooth row. As a matrix it takes a fifth of torch's own time."""
    each = torch.eye(points, dtype=torch.float32, device=device)[None, None]
    return F.interpolate(each, size=(size, points), mode="bicubic", align_corners=False)[0, 0]
