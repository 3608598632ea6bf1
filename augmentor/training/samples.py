"""The picture of a snapshot: real lesions, then synthetic ones, one row a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from augmentor.files import write_atomically
from augmentor.lettering import framed
from augmentor.model.blocks import Generator
from augmentor.sampling import sample, seed_of

REAL, SYNTHETIC, GAP = 4, 8, 4  # lesions of a row, and the pixels between both kinds


def save_grid(
    file: Path,
    generator: Generator,
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    seed: int,
    masks: int = 0,
) -> None:
    """PNG with a row a class: its name, 4 real training lesions, a white gap, 8 synthetic lesions of always the same
    seeds.

    Of volumes the middle section. Where the last channels are `masks`, they make such a picture of their own, of the
    same name in a folder masks/ beside this one.
    """
    rows = []
    for c in range(len(classes)):
        real = _sections(images[labels == c][:REAL])
        real = torch.cat([real, torch.ones(REAL - len(real), *real.shape[1:])])
        seeds = [seed_of(seed, c, i) for i in range(SYNTHETIC)]
        synthetic = _sections(torch.stack(list(sample(generator, [c] * SYNTHETIC, seeds))))
        gap = torch.ones(*real.shape[1:3], GAP)
        rows.append(torch.cat([*real, gap, *synthetic], dim=2))
    grid = torch.cat(rows, dim=1)
    _save(file, grid[: len(grid) - masks], classes)
    if masks:
        (file.parent / "masks").mkdir(exist_ok=True)
        _save(file.parent / "masks" / file.name, (grid[len(grid) - masks :] > 0) * 2.0 - 1, classes)


def _sections(images: Tensor) -> Tensor:
    """(N, C, S, S) as they are; of volumes the middle ones."""
    return images if images.dim() == 4 else images[:, :, images.shape[2] // 2]


def _save(file: Path, grid: Tensor, classes: Sequence[str]) -> None:
    """(C, H, W) in [-1, 1]."""
    pixels = ((grid + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    write_atomically(file, framed(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, classes))
