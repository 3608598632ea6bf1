"""The picture of a snapshot: real lesions, then synthetic ones, one row a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from augmentor.files import write_atomically
from augmentor.lettering import framed
from augmentor.model.blocks import Generator
from augmentor.sampling import sample, seed_of

REAL, SYNTHETIC, GAP = 4, 8, 4  # lesions of a row, and the pixels between both kinds

_Image = TypeVar("_Image", Tensor, np.ndarray)


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
        seeds = [seed_of(seed, c, i) for i in range(SYNTHETIC)]
        real = [_section(image) for image in images[labels == c][:REAL]]
        synthetic = [_section(lesion) for lesion, _ in sample(generator, [c] * SYNTHETIC, seeds)]
        white = torch.ones_like(synthetic[0])
        missing, gap = [white] * (REAL - len(real)), white[..., :GAP]
        rows.append(torch.cat([*real, *missing, gap, *synthetic], dim=2))
    grid = torch.cat(rows, dim=1)
    _save(file, grid[: len(grid) - masks], classes)
    if masks:
        (file.parent / "masks").mkdir(exist_ok=True)
        _save(file.parent / "masks" / file.name, (grid[len(grid) - masks :] > 0) * 2.0 - 1, classes)


def _save(file: Path, grid: Tensor, classes: Sequence[str]) -> None:
    """(C, H, W) in [-1, 1]."""
    write_atomically(file, framed(to_pixels(grid.numpy()), classes))


def to_pixels(image: np.ndarray) -> np.ndarray:
    """(C, H, W) float in [-1, 1] -> (H, W) or (H, W, 3) uint8; of a volume the middle section."""
    eight = np.clip((_section(image) + 1) * 127.5, 0, 255).round().astype(np.uint8)
    return eight[0] if len(eight) == 1 else np.moveaxis(eight, 0, -1)


def _section(image: _Image) -> _Image:
    """(C, H, W) as it is; of a volume the middle one."""
    return image[:, image.shape[1] // 2] if image.ndim == 4 else image
