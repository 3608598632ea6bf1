"""Differentiable augmentation for grey medical patches, the same for real and synthetic lesions.

After Zhao et al. 2020 (arXiv 2006.10738), milder: translation mirrors the border in (a black border would be a lesion
feature), brightness and contrast stay within what scanners differ by, saturation moves only where there is colour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.25, 0.3
_SHIFT, _HOLE = 0.125, 0.375  # shares of the image side


def augment(images: Tensor, share: float, generator: Generator) -> Tensor:
    """(B, C, S, S) -> the same shape; each change touches about `share` of the images. Drawn first, applied second."""
    images = _mirror(images, generator)
    images = _intensities(images, share, generator)
    images = _translate(images, share, generator)
    return _cut_out(images, share * 0.6, generator)


def _random(images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device)


def _signed(images: Tensor, share: float, generator: Generator) -> Tensor:
    """(B, 1, 1, 1) uniform in (-1, 1), zero for the images that are not touched."""
    value, touched = _random(images, generator) * 2 - 1, _random(images, generator) < share
    return value * touched


def _mirror(images: Tensor, generator: Generator) -> Tensor:
    return torch.where(_random(images, generator) < 0.5, images.flip(3), images)


def _intensities(images: Tensor, share: float, generator: Generator) -> Tensor:
    images = images + _BRIGHTNESS * _signed(images, share, generator)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * (1 + _CONTRAST * _signed(images, share, generator)) + mean
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * (1 + _SATURATION * _signed(images, share, generator))
    return images


def _translate(images: Tensor, share: float, generator: Generator) -> Tensor:
    size = images.shape[-1]
    most = max(1, round(size * _SHIFT))
    rows, columns = ((_signed(images, share, generator) * most).round().long().view(-1, 1) for _ in range(2))
    line = torch.arange(size, device=images.device)[None] + most
    padded = F.pad(images, (most,) * 4, mode="reflect").permute(0, 2, 3, 1)
    number = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[number, (line + rows)[:, :, None], (line + columns)[:, None, :]].permute(0, 3, 1, 2)


def _cut_out(images: Tensor, share: float, generator: Generator) -> Tensor:
    size = images.shape[-1]
    half = size * _HOLE / 2
    line = torch.arange(size, device=images.device)
    inside = [(line[None] - (_random(images, generator).view(-1, 1) * size)).abs() < half for _ in range(2)]
    touched = _random(images, generator).view(-1, 1, 1) < share
    hole = inside[0][:, :, None] & inside[1][:, None, :] & touched
    return images * ~hole[:, None]
