"""The classic augmentation of the paper: rotations, flips, translations and scaling, drawn on the fly."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_SHIFT = 0.1  # share of the image side
_LOG_ZOOM = 0.2


def classic(images: Tensor, generator: Generator) -> Tensor:
    """(B, C, S, S) -> the same shape: any rotation, either mirroring, +-10 % shift, zoom from 0.8 to 1.2."""
    n = len(images)
    angle = torch.rand(n, generator=generator) * 2 * math.pi
    zoom = torch.exp((torch.rand(n, generator=generator) * 2 - 1) * _LOG_ZOOM)
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * 2 * _SHIFT
    top = torch.stack([mirror * zoom * angle.cos(), -zoom * angle.sin(), shift[:, 0]], 1)
    bottom = torch.stack([mirror * zoom * angle.sin(), zoom * angle.cos(), shift[:, 1]], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1).to(images.device), list(images.shape), align_corners=False)
    # Bicubic: bilinear sampling blurs, which would handicap the arm that the others are measured against.
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return moved.clamp(-1, 1)
