"""A lesion made from two training lesions: each warped by a smooth random map, the centre of one set into the other.

All randomness comes from one latent vector of standard normals a lesion, so a latent is a lesion, at any batch size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from torch import Tensor

_CONTROL = 4  # control points a side of the elastic map and of the graft's edge
_WARP = 6 + 2 * _CONTROL**2
LATENTS = 2 + 2 * _WARP + 1 + _CONTROL**2


@dataclass(frozen=True)
class GraftRange:
    """How far a lesion may be moved from what it was. Lengths are shares of half the image side."""

    rotation_degrees: float = 12.0
    log_zoom: float = 0.12
    log_aspect: float = 0.06
    shift: float = 0.06
    elastic: float = 0.02


@dataclass(frozen=True)
class Graft:
    """`lesion` and `surround` (B, C, S, S) warped training lesions; `edge` (B, 1, S, S) in [0, 1], 1 = surround."""

    lesion: Tensor
    surround: Tensor
    edge: Tensor

    @property
    def image(self) -> Tensor:
        return self.blend(self.edge)

    def blend(self, edge: Tensor) -> Tensor:
        return self.lesion * (1 - edge) + self.surround * edge


def draw_graft(latents: Tensor, bank: Tensor, first: Tensor, count: Tensor, reach: GraftRange) -> Graft:
    """Make one graft a row.

    latents: (B, LATENTS) standard normal. bank: (N, C, S, S) training lesions in [-1, 1], sorted by class.
    first, count: (B,) int64, where the lesions of each row's class begin in the bank and how many there are.
    """
    pick, warp_a, warp_b, reached, field = latents.split([2, _WARP, _WARP, 1, _CONTROL**2], dim=1)
    one, other = uniform(pick).split(1, dim=1)
    lesion_row = (one[:, 0] * count).long().clamp(max=count - 1)
    # Another lesion than the first, wherever the class has one: nothing may be a single patient's picture.
    step = 1 + (other[:, 0] * (count - 1)).long().clamp(max=(count - 2).clamp(min=0))
    surround_row = (lesion_row + step) % count
    size = bank.shape[-1]
    lesion = warp(bank[first + lesion_row].float(), warp_a, reach)
    surround = warp(bank[first + surround_row].float(), warp_b, reach)
    wobble = _smooth(field.view(-1, 1, _CONTROL, _CONTROL), size) * 0.7
    distance = _radius(size, bank.device) - 0.55 - 0.25 * uniform(reached)[..., None, None]
    return Graft(lesion, surround, torch.sigmoid(4 * (wobble + 4 * distance)))


def uniform(normals: Tensor) -> Tensor:
    """Standard normal -> uniform in (0, 1)."""
    return torch.special.ndtr(normals)


def warp(images: Tensor, normals: Tensor, reach: GraftRange) -> Tensor:
    """Mirror, rotate, zoom, shift and bend: (B, C, S, S), (B, _WARP) standard normal -> (B, C, S, S) in [-1, 1]."""
    simple, bend = normals.split([6, 2 * _CONTROL**2], dim=1)
    size = images.shape[-1]
    grid = F.affine_grid(_affine(uniform(simple) * 2 - 1, reach), list(images.shape), align_corners=False)
    grid = grid + reach.elastic * _smooth(bend.view(-1, 2, _CONTROL, _CONTROL), size).permute(0, 2, 3, 1)
    # Sampling between pixels blurs, and the blur alone tells a warped lesion from a real one; at twice the resolution
    # the bicubic kernel passes nearly all that a pixel grid can hold.
    finer = _doubling(size, images.device)
    warped = F.grid_sample(
        finer @ images @ finer.T, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return warped.clamp(-1, 1)


@lru_cache(maxsize=4)
def _doubling(size: int, device: torch.device) -> Tensor:
    """(2 * size, size): doubles the resolution of a row without loss, by zeros above its DCT-II coefficients.

    The same as sinc interpolation of the row and its mirror image.
    """
    fine, coarse = dct(np.eye(2 * size), axis=0, norm="ortho"), dct(np.eye(size), axis=0, norm="ortho")
    return torch.tensor(2**0.5 * fine[:size].T @ coarse, dtype=torch.float32, device=device)


def _affine(signed: Tensor, reach: GraftRange) -> Tensor:
    """(B, 6) uniform in (-1, 1) -> (B, 2, 3) sampling matrices."""
    angle = signed[:, 0] * math.radians(reach.rotation_degrees)
    zoom, aspect = torch.exp(signed[:, 1] * reach.log_zoom), torch.exp(signed[:, 2] * reach.log_aspect)
    mirror = torch.where(signed[:, 3] < 0, -1.0, 1.0)
    across, down = zoom * aspect * mirror, zoom
    top = torch.stack([across * angle.cos(), -down * angle.sin(), signed[:, 4] * reach.shift], 1)
    bottom = torch.stack([across * angle.sin(), down * angle.cos(), signed[:, 5] * reach.shift], 1)
    return torch.stack([top, bottom], 1)


def _smooth(control: Tensor, size: int) -> Tensor:
    return F.interpolate(control, size=size, mode="bicubic", align_corners=False)


def _radius(size: int, device: torch.device) -> Tensor:
    line = torch.linspace(-1, 1, size, device=device)
    return (line[:, None] ** 2 + line[None] ** 2).sqrt()
