"""Differentiable augmentation for grey medical patches and volumes, the same for real and synthetic lesions.

After Zhao et al. 2020 (arXiv 2006.10738), milder: translation mirrors the border in (a black border would be a lesion
feature), brightness and contrast stay within what scanners differ by, saturation moves only where there is colour.
Masks, the last channels, are moved as their images are and not changed otherwise.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.25, 0.3
_SHIFT, _HOLE = 0.125, 0.375  # shares of the image side


def augment(images: Tensor, share: float, generator: Generator, masks: int = 0) -> Tensor:
    """(B, C, S, ...) -> the same shape; each change touches about `share` of the images.

    masks: how many of the last channels are masks.
    """
    mirrored = _random(images, generator) < 0.5
    pictures, masked = images.split([images.shape[1] - masks, masks], dim=1)
    pictures = _intensities(pictures, share, generator)
    images = _move(torch.cat([pictures, masked], 1) if masks else pictures, mirrored, share, generator)
    pictures, masked = images.split([images.shape[1] - masks, masks], dim=1)
    pictures = _cut_out(pictures, share * 0.6, generator)
    return torch.cat([pictures, masked], 1) if masks else pictures


def _random(images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(len(images), *[1] * (images.dim() - 1), generator=generator).to(images.device)


def _signed(images: Tensor, share: float, generator: Generator) -> Tensor:
    """(B, 1, 1, ...) uniform in (-1, 1), zero for the images that are not touched."""
    value, touched = _random(images, generator) * 2 - 1, _random(images, generator) < share
    return value * touched


def _intensities(images: Tensor, share: float, generator: Generator) -> Tensor:
    brighter = _BRIGHTNESS * _signed(images, share, generator)
    contrast = 1 + _CONTRAST * _signed(images, share, generator)
    mean = images.mean(tuple(range(1, images.dim())), keepdim=True)
    images = images * contrast + (mean * (1 - contrast) + brighter)  # the mean is kept, but for the brightness
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * (1 + _SATURATION * _signed(images, share, generator))
    return images


def _move(images: Tensor, mirrored: Tensor, share: float, generator: Generator) -> Tensor:
    """Mirror those that are `mirrored`, (B, 1, 1, ...), from left to right, then translate."""
    count, channels, *sides = images.shape
    size, dims = sides[0], len(sides)
    most = max(1, round(size * _SHIFT))
    place = torch.zeros(1, dtype=torch.int64, device=images.device)
    for axis in range(dims):
        moved = (_signed(images, share, generator) * most).round().long().view(-1, 1)
        line = (torch.arange(size, device=images.device)[None] + moved).abs()
        line = line.minimum(2 * (size - 1) - line)  # beyond the border lies the mirror image
        if axis == dims - 1:
            line = torch.where(mirrored.view(-1, 1), size - 1 - line, line)
        place = place * size + _along(line, axis, dims)
    # One gather takes a third of the time of a flip, padding and indexing.
    places = place.view(count, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, places).view(images.shape)


def _along(lines: Tensor, axis: int, dims: int) -> Tensor:
    """(B, S) -> (B, 1, .., S, .., 1): a number for each place along one of the spatial axes."""
    return lines.view(len(lines), *(lines.shape[1] if a == axis else 1 for a in range(dims)))


def _cut_out(images: Tensor, share: float, generator: Generator) -> Tensor:
    size, dims = images.shape[-1], images.dim() - 2
    half = size * _HOLE / 2
    line = torch.arange(size, device=images.device)
    centres = [_random(images, generator).view(-1, 1) * size for _ in range(dims)]
    hole = (_random(images, generator) < share).view(-1, *[1] * dims)
    for axis, centre in enumerate(centres):
        hole = hole & _along((line[None] - centre).abs() < half, axis, dims)
    return images.masked_fill(hole[:, None], 0.0)
