"""Differentiable augmentation for grey medical patches and volumes, the same for real and synthetic lesions.

After Zhao et al. 2020 (arXiv 2006.10738), milder: translation mirrors the border in (a black border would be a lesion
feature), brightness and contrast stay within what scanners differ by, saturation moves only where there is colour.
Masks, the last channels, are moved as their images are and not changed otherwise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.25, 0.3
_SHIFT, _HOLE = 0.125, 0.375  # shares of the image side


def augment(images: Tensor, share: float, generator: Generator, masks: int = 0) -> Tensor:
    """(B, C, S, ...) -> the same shape; each change touches about `share` of the images. Drawn first, applied second.

    masks: how many of the last channels are masks.
    """
    images = _mirror(images, generator)
    pictures, masked = images.split([images.shape[1] - masks, masks], dim=1)
    pictures = _intensities(pictures, share, generator)
    images = _translate(torch.cat([pictures, masked], 1) if masks else pictures, share, generator)
    pictures, masked = images.split([images.shape[1] - masks, masks], dim=1)
    pictures = _cut_out(pictures, share * 0.6, generator)
    return torch.cat([pictures, masked], 1) if masks else pictures


def _random(images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(len(images), *[1] * (images.dim() - 1), generator=generator).to(images.device)


def _signed(images: Tensor, share: float, generator: Generator) -> Tensor:
    """(B, 1, 1, ...) uniform in (-1, 1), zero for the images that are not touched."""
    value, touched = _random(images, generator) * 2 - 1, _random(images, generator) < share
    return value * touched


def _mirror(images: Tensor, generator: Generator) -> Tensor:
    return torch.where(_random(images, generator) < 0.5, images.flip(-1), images)


def _intensities(images: Tensor, share: float, generator: Generator) -> Tensor:
    images = images + _BRIGHTNESS * _signed(images, share, generator)
    mean = images.mean(tuple(range(1, images.dim())), keepdim=True)
    images = (images - mean) * (1 + _CONTRAST * _signed(images, share, generator)) + mean
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * (1 + _SATURATION * _signed(images, share, generator))
    return images


def _translate(images: Tensor, share: float, generator: Generator) -> Tensor:
    size, dims = images.shape[-1], images.dim() - 2
    most = max(1, round(size * _SHIFT))
    moved = [(_signed(images, share, generator) * most).round().long().view(-1, 1) for _ in range(dims)]
    line = torch.arange(size, device=images.device)[None] + most
    padded = F.pad(images, (most,) * (2 * dims), mode="reflect").movedim(1, -1)
    number = _along(torch.arange(len(images), device=images.device)[:, None], 0, dims)
    return padded[number, *(_along(line + by, axis, dims) for axis, by in enumerate(moved))].movedim(-1, 1)


def _along(lines: Tensor, axis: int, dims: int) -> Tensor:
    """(B, S) -> (B, 1, .., S, .., 1): a number for each place along one of the spatial axes."""
    return lines.view(len(lines), *(lines.shape[1] if a == axis else 1 for a in range(dims)))


def _cut_out(images: Tensor, share: float, generator: Generator) -> Tensor:
    size, dims = images.shape[-1], images.dim() - 2
    half = size * _HOLE / 2
    line = torch.arange(size, device=images.device)
    hole = torch.ones(1, dtype=torch.bool, device=images.device)
    for axis in range(dims):
        inside = (line[None] - (_random(images, generator).view(-1, 1) * size)).abs() < half
        hole = hole & _along(inside, axis, dims)
    touched = _random(images, generator).view(-1, *[1] * dims) < share
    return images * ~(hole & touched)[:, None]
