"""The classic augmentation of the paper: rotations, flips, translations and scaling, drawn on the fly."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from augmentor.model.warping import resample, sampling_matrices

_SHIFT = 0.1  # share of the image side
_LOG_ZOOM = 0.2


def classic(images: Tensor, generator: Generator) -> Tensor:
    """(B, C, S, ...) -> the same shape: any rotation, either mirroring, +-10 % shift, zoom from 0.8 to 1.2.

    A volume is turned by any angle about each of its axes.
    """
    matrices = _matrices(len(images), images.dim() - 2, generator)
    grid = F.affine_grid(matrices.to(images.device), list(images.shape), align_corners=False)
    # With little blur, which would handicap the arm that the others are measured against.
    return resample(images, grid).clamp(-1, 1)


def _matrices(n: int, dims: int, generator: Generator) -> Tensor:
    """(n, dims, dims + 1) sampling matrices; mirrored along the first axis of the grid only."""
    angles = torch.rand(n, 1 if dims == 2 else 3, generator=generator) * 2 * math.pi
    zoom = torch.exp((torch.rand(n, 1, generator=generator) * 2 - 1) * _LOG_ZOOM)
    mirror = torch.where(torch.rand(n, 1, generator=generator) < 0.5, -1.0, 1.0)
    shift = (torch.rand(n, dims, generator=generator) * 2 - 1) * 2 * _SHIFT
    return sampling_matrices(angles, torch.cat([zoom * mirror, zoom.expand(n, dims - 1)], 1), shift)
