"""A lesion made from two training lesions: each warped by a smooth random map, the centre of one set into the other.

The two are blended in two bands (Burt and Adelson 1983, "A multiresolution spline with application to image mosaics"):
what is coarse over a wide edge, so that no step of brightness is left, what is fine over a narrow one, so that neither
outline shines through the other and grain is not averaged away.

Images and volumes alike. All randomness comes from one latent vector of standard normals a lesion, so a latent is a
lesion, at any batch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from augmentor.model.blocks import along_axes
from augmentor.model.warping import enlarge, resample_finely, sampling_matrices

_CONTROL = 4  # control points a side of the elastic map and of the graft's edge
_AFFINE = {2: 6, 3: 10}  # numbers that decide about a linear map of the plane, or of space
_ALIKE = {
    2: [0, 3],
    3: [0, 1, 2, 6],
}  # of these, rotation and mirroring: a lesion and its partner lie alike, and stay so
_EDGE, _SEAM = 2.0, 16.0  # how steep the change of what is coarse, and of what is fine
_COARSE = 1 / 20  # what a Gaussian of this deviation, in sides of the image, leaves is coarse


def _warp_latents(dims: int) -> int:
    return _AFFINE[dims] + dims * _CONTROL**dims


def graft_latents(dims: int) -> int:
    """How many standard normals decide about a graft of images (2) or volumes (3)."""
    return 2 + 2 * _warp_latents(dims) + 1 + _CONTROL**dims


@dataclass(frozen=True)
class GraftRange:
    """How far a lesion may be moved from what it was. Lengths are shares of half the image side.

    mirror: the share that is mirrored from left to right. Each number may be a tensor without dimensions.
    """

    rotation_degrees: float | Tensor = 12.0
    log_zoom: float | Tensor = 0.12
    log_aspect: float | Tensor = 0.06
    shift: float | Tensor = 0.06
    elastic: float | Tensor = 0.02
    mirror: float | Tensor = 0.5


@dataclass(frozen=True)
class Graft:
    """`lesion` and `surround` (B, C, S, ...) warped training lesions, their difference, and what is coarse in it;
    `edge` and `seam` (B, 1, S, ...) in [0, 1], 1 = surround: where coarse and fine change from one to the other."""

    lesion: Tensor
    surround: Tensor
    difference: Tensor
    coarse: Tensor
    edge: Tensor
    seam: Tensor

    @property
    def image(self) -> Tensor:
        return self.blend(self.edge, self.seam)

    def blend(self, edge: Tensor, seam: Tensor) -> Tensor:
        return self.lesion + self.coarse * edge + (self.difference - self.coarse) * seam


class Bank(NamedTuple):
    """Training lesions (N, C, S, ...) in [-1, 1], sorted by class, and (N, K) rows of partners of each.

    masks: how many of the last channels are masks (`augmentor.data.masks`).
    """

    images: Tensor
    partners: Tensor
    masks: int = 0


def pick_rows(latents: Tensor, partners: Tensor, first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 2 or more) latents -> (B,) rows of the bank: the lesion's, of those of its class, and its surround's, a
    partner. See `draw_graft`."""
    one, other = uniform(latents[:, :2]).unbind(1)
    lesion = first + (one * count).long().clamp(max=count - 1)
    return lesion, partners[lesion, (other * partners.shape[1]).long().clamp(max=partners.shape[1] - 1)]


def draw_graft(latents: Tensor, bank: Bank, first: Tensor, count: Tensor, reach: GraftRange) -> Graft:
    """Make one graft a row.

    latents: (B, graft_latents(dims)) standard normal. first, count: (B,) int64, where the lesions of each row's class
    begin in the bank and how many there are.
    """
    size, dims = bank.images.shape[-1], bank.images.dim() - 2
    warped, points = _warp_latents(dims), _CONTROL**dims
    pick, warp_a, warp_b, reached, field = latents.split([2, warped, warped, 1, points], dim=1)
    warp_b = warp_b.index_copy(1, torch.tensor(_ALIKE[dims], device=warp_b.device), warp_a[:, _ALIKE[dims]])
    lesion_row, surround_row = pick_rows(pick, bank.partners, first, count)
    lesion = warp(bank.images[lesion_row].float(), warp_a, reach)
    surround = warp(bank.images[surround_row].float(), warp_b, reach)
    wobble = enlarge(field.view(-1, 1, *[_CONTROL] * dims), size) * 0.7
    reached = 0.25 * uniform(reached).view(-1, *[1] * (dims + 1))
    outside = wobble + 4 * (_radius(size, dims, latents.device) - 0.55 - reached)
    edge, seam = torch.sigmoid(_EDGE * outside), torch.sigmoid(_SEAM * outside)
    if bank.masks:
        clear = _clear_of_lesions(lesion[:, -bank.masks :], surround[:, -bank.masks :])
        edge, seam = edge * clear, seam * clear
    difference = surround - lesion
    return Graft(lesion, surround, difference, _coarse(difference, bank.masks), edge, seam)


def _coarse(images: Tensor, masks: int) -> Tensor:
    """The low frequencies of (B, C, S, ...); masks, the last channels, have none: they change with what is fine."""
    found = along_axes(_smoothing(images.shape[-1], images.device), images)
    if masks:
        found[:, -masks:] = 0
    return found


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for networks that are trained, whoever asks first
def _smoothing(size: int, device: torch.device) -> Tensor:
    """(size, size): a Gaussian over a row of pixels, borders mirrored."""
    rows = gaussian_filter1d(np.eye(size), _COARSE * size, axis=0, mode="reflect")
    return torch.tensor(rows, dtype=torch.float32, device=device)


def _clear_of_lesions(lesion: Tensor, surround: Tensor) -> Tensor:
    """Two masks (B, M, S, ...) -> (B, 1, S, ...): 0 in either lesion and next to it, 1 well outside both.

    A factor of edge and seam. The lesion comes whole from one training lesion and no part of the other's is left around
    it, so that the mask of the graft, which is blended as its image is, is the lesion's own.
    """
    nearest = torch.cat([lesion, surround], 1).amax(1, keepdim=True)
    return torch.sigmoid(10 * (-nearest - 0.4))


def uniform(normals: Tensor) -> Tensor:
    """Standard normal -> uniform in (0, 1)."""
    return torch.special.ndtr(normals)


def warp(images: Tensor, normals: Tensor, reach: GraftRange) -> Tensor:
    """Mirror, rotate, zoom, shift and bend: (B, C, S, ...) in [-1, 1] and standard normals -> the same shape."""
    size, dims = images.shape[-1], images.dim() - 2
    simple, bend = normals.split([_AFFINE[dims], dims * _CONTROL**dims], dim=1)
    affine = _affine(uniform(simple) * 2 - 1, dims, reach)
    places = _places(affine, size) + enlarge(reach.elastic * bend.view(-1, dims, *[_CONTROL] * dims), size)
    grid = places.movedim(1, -1).contiguous()  # as it is, torch's bicubic kernel takes 1.6 times as long
    # Sampling between pixels blurs, and the blur alone tells a warped lesion from a real one.
    return resample_finely(images, grid).clamp(-1, 1)


def _places(affine: Tensor, size: int) -> Tensor:
    """(B, dims, dims + 1) -> (B, dims, S, ...): the x, y (, z) of `F.affine_grid`, one part an axis, in half its
    time. No product of matrices, as that one has: in training it is rounded to bfloat16, by up to a third of a pixel at
    64x64, and lesions are moved otherwise than `expand` moves them."""
    dims = affine.shape[1]
    line = (2 * torch.arange(size, device=affine.device) + 1) / size - 1
    places = affine[..., dims].view(-1, dims, *[1] * dims)
    for axis in range(dims):
        shape = [size if a == dims - 1 - axis else 1 for a in range(dims)]
        places = places + (affine[..., axis, None] * line).view(-1, dims, *shape)
    return places


def _affine(signed: Tensor, dims: int, reach: GraftRange) -> Tensor:
    """(B, 6) uniform in (-1, 1), of volumes (B, 10) -> (B, dims, dims + 1) sampling matrices; mirrored from left to
    right only."""
    angles, zoom, aspect, mirror, shift = signed.split([1 if dims == 2 else 3, 1, dims - 1, 1, dims], dim=1)
    zoom, aspect = torch.exp(zoom * reach.log_zoom), torch.exp(aspect * reach.log_aspect)
    mirror = torch.where(mirror < 2 * reach.mirror - 1, -1.0, 1.0)
    scale = zoom * torch.cat([aspect[:, :1] * mirror, aspect[:, 1:], torch.ones_like(mirror)], 1)
    return sampling_matrices(torch.deg2rad(angles * reach.rotation_degrees), scale, shift * reach.shift)


def _radius(size: int, dims: int, device: torch.device) -> Tensor:
    line = torch.linspace(-1, 1, size, device=device) ** 2
    total = line
    for _ in range(dims - 1):
        total = total[..., None] + line
    return total.sqrt()
