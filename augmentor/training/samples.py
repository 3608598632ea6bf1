"""The picture of a snapshot: real lesions, then synthetic ones, one row a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from augmentor.model.blocks import Generator
from augmentor.sampling import sample, seed_of

_REAL, _SYNTHETIC, _GAP = 4, 8, 4


def save_grid(file: Path, generator: Generator, images: Tensor, labels: Tensor, seed: int) -> None:
    """PNG with a row a class: 4 real training lesions, a white gap, 8 synthetic lesions of always the same seeds."""
    rows = []
    for c in range(int(labels.max()) + 1):
        real = images[labels == c][:_REAL]
        real = torch.cat([real, torch.ones(_REAL - len(real), *real.shape[1:])])
        seeds = [seed_of(seed, c, i) for i in range(_SYNTHETIC)]
        synthetic = torch.stack(list(sample(generator, [c] * _SYNTHETIC, seeds)))
        gap = torch.ones(*real.shape[1:3], _GAP)
        rows.append(torch.cat([*real, gap, *synthetic], dim=2))
    grid = ((torch.cat(rows, dim=1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(grid.squeeze())).save(file)
