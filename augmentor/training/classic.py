"""The classic augmentation of the paper: rotations, flips, translations and scaling, drawn on the fly."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from augmentor.model.warping import resample, rotation

_SHIFT = 0.1  # share of the image side
_LOG_ZOOM = 0.2


def classic(images: Tensor, generator: Generator) -> Tensor:
    """(B, C, S, ...) -> the same shape: any rotation, either mirroring, +-10 % shift, zoom from 0.8 to 1.2.

    A volume is turned by any angle about each of its axes.
    """
    matrices = _planar(len(images), generator) if images.dim() == 4 else _spatial(len(images), generator)
    grid = F.affine_grid(matrices.to(images.device), list(images.shape), align_corners=False)
    # With little blur, which would handicap the arm that the others are measured against.
    return resample(images, grid).clamp(-1, 1)


def _planar(n: int, generator: Generator) -> Tensor:
    """(n, 2, 3)."""
    angle = torch.rand(n, generator=generator) * 2 * math.pi
    zoom = torch.exp((torch.rand(n, generator=generator) * 2 - 1) * _LOG_ZOOM)
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * 2 * _SHIFT
    top = torch.stack([mirror * zoom * angle.cos(), -zoom * angle.sin(), shift[:, 0]], 1)
    bottom = torch.stack([mirror * zoom * angle.sin(), zoom * angle.cos(), shift[:, 1]], 1)
    return torch.stack([top, bottom], 1)


def _spatial(n: int, generator: Generator) -> Tensor:
    """(n, 3, 4)."""
    turned = rotation(torch.rand(n, 3, generator=generator) * 2 * math.pi)
    zoom = torch.exp((torch.rand(n, 1, generator=generator) * 2 - 1) * _LOG_ZOOM)
    mirror = torch.where(torch.rand(n, 1, generator=generator) < 0.5, -1.0, 1.0)
    shift = (torch.rand(n, 3, generator=generator) * 2 - 1) * 2 * _SHIFT
    scale = torch.cat([zoom * mirror, zoom, zoom], 1)
    return torch.cat([turned * scale[:, None], shift[..., None]], 2)
