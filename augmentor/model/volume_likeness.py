"""Thumbnails and views of volumes, as `memorisation` has them of images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F

from augmentor.model.warping import rotation

_SIDE = 8  # of a thumbnail


def volume_thumbnails(volumes: np.ndarray) -> np.ndarray:
    """(N, C, S, S, S) -> (N, 512) float32 of unit length: grey 8x8x8 means, brightness and contrast taken out."""
    small = volumes.mean(1)
    edges = np.linspace(0, small.shape[1], _SIDE + 1).round().astype(int)
    for axis in (1, 2, 3):
        small = np.add.reduceat(small, edges[:-1], axis=axis)
        small = small / np.diff(edges).reshape([-1 if a == axis else 1 for a in range(4)])
    flat = small.reshape(len(small), -1) - small.mean((1, 2, 3))[:, None]
    return (flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def volume_views(volumes: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    """(N, C, S, S, S) -> (N, 15, 512) float32: thumbnails of a volume as it is, with six small shifts, six small turns
    and two small zooms."""
    moved = chain(_shifted(volumes), _turned_and_zoomed(volumes, degrees, zoom))  # one copy of them at a time
    return np.stack([volume_thumbnails(one) for one in moved], axis=1)


def _shifted(volumes: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, volumes.shape[-1] // 32)
    yield volumes
    for axis in (2, 3, 4):
        places = np.arange(volumes.shape[axis])
        for by in (-step, step):
            yield np.take(volumes, np.clip(places + by, 0, len(places) - 1), axis)  # the border goes on


def _turned_and_zoomed(volumes: np.ndarray, degrees: float, zoom: float) -> Iterator[np.ndarray]:
    turns = [rotation(angle * math.radians(degrees)) for axis in torch.eye(3) for angle in (axis[None], -axis[None])]
    zooms = [torch.eye(3)[None] * by for by in (zoom, 1 / zoom)]
    for matrix in (*turns, *zooms):
        grid = F.affine_grid(F.pad(matrix, (0, 1)), [1, *volumes.shape[1:]], align_corners=False)
        grids = grid.expand(len(volumes), *[-1] * 4)
        moved = F.grid_sample(torch.tensor(volumes), grids, padding_mode="reflection", align_corners=False)
        yield moved.numpy()
