"""The picture of a snapshot: real lesions, then synthetic ones, one row a class."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from augmentor.files import write_atomically
from augmentor.model.blocks import Generator
from augmentor.sampling import sample, seed_of

REAL, SYNTHETIC, GAP = 4, 8, 4  # lesions of a row, and the pixels between both kinds


def save_grid(file: Path, generator: Generator, images: Tensor, labels: Tensor, seed: int, masks: int = 0) -> None:
    """PNG with a row a class: 4 real training lesions, a white gap, 8 synthetic lesions of always the same seeds.

    Of volumes the middle section. Where the last channels are `masks`, they make such a picture of their own, of the
    same name in a folder masks/ beside this one.
    """
    rows = []
    for c in range(int(labels.max()) + 1):
        real = _sections(images[labels == c][:REAL])
        real = torch.cat([real, torch.ones(REAL - len(real), *real.shape[1:])])
        seeds = [seed_of(seed, c, i) for i in range(SYNTHETIC)]
        synthetic = _sections(torch.stack(list(sample(generator, [c] * SYNTHETIC, seeds))))
        gap = torch.ones(*real.shape[1:3], GAP)
        rows.append(torch.cat([*real, gap, *synthetic], dim=2))
    grid = torch.cat(rows, dim=1)
    _save(file, grid[: len(grid) - masks])
    if masks:
        (file.parent / "masks").mkdir(exist_ok=True)
        _save(file.parent / "masks" / file.name, (grid[len(grid) - masks :] > 0) * 2.0 - 1)


def _sections(images: Tensor) -> Tensor:
    """(N, C, S, S) as they are; of volumes the middle ones."""
    return images if images.dim() == 4 else images[:, :, images.shape[2] // 2]


def _save(file: Path, grid: Tensor) -> None:
    """(C, H, W) in [-1, 1]."""
    pixels = ((grid + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.squeeze())).save(stream, "PNG")
    write_atomically(file, stream.getvalue())
