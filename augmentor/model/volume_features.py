"""Texture features of volumes: those of images, on three orthogonal planes."""

from __future__ import annotations

import numpy as np
from skimage.feature import hog, local_binary_pattern

_CELLS, _BINS, _CODES = 4, 16, 10
_SECTIONS = 16  # of each direction in which patterns are counted
_GAP = 2  # rows between two sections; the patterns' largest radius


def volume_features(volumes: np.ndarray) -> np.ndarray:
    """(N, C, S, S, S) in [-1, 1] -> (N, 460 + 2 C) float64: grey-level histogram, local binary patterns and HOG.

    Of the mean over channels: the histogram of all voxels; local binary patterns on three orthogonal planes (LBP-TOP,
    Zhao and Pietikainen 2007), counted over up to 16 sections of each direction, which stay apart; HOG (Dalal and
    Triggs 2005) of the middle section of each direction. Then each channel's mean and standard deviation. No learning.
    """
    return np.stack([_features(volume) for volume in volumes])


def _features(volume: np.ndarray) -> np.ndarray:
    grey = (volume.mean(0) + 1) / 2
    levels = np.clip(grey * 255, 0, 255).astype(np.uint8)
    histogram = np.bincount((levels // (256 // _BINS)).ravel(), minlength=_BINS) / levels.size * _BINS
    patterns = [codes for axis in range(3) for codes in _patterns(np.moveaxis(levels, axis, 0))]
    cell = max(2, len(grey) // _CELLS)
    gradients = [hog(np.take(grey, len(grey) // 2, axis), 8, (cell, cell), cells_per_block=(1, 1)) for axis in range(3)]
    channels = np.concatenate([volume.mean((1, 2, 3)), volume.std((1, 2, 3))])
    return np.concatenate([histogram, *patterns, *gradients, channels])


def _patterns(levels: np.ndarray) -> list[np.ndarray]:
    """(S, S, S) uint8 -> for each radius the shares of the uniform patterns in sections across the first axis.

    The sections stand below each other in one picture, apart by as much as a pattern reaches: one call for all.
    """
    sections = levels[:: max(1, len(levels) // _SECTIONS)]
    picture = np.pad(sections, ((0, 0), (0, _GAP), (0, 0))).reshape(-1, levels.shape[2])
    found = []
    for radius in (1, 2):
        codes = local_binary_pattern(picture, 8, radius, "uniform").reshape(len(sections), -1, levels.shape[2])
        kept = codes[:, : levels.shape[1]].astype(np.int64)
        found.append(np.bincount(kept.ravel(), minlength=_CODES) / kept.size)
    return found


def middle_sections(volumes: np.ndarray) -> np.ndarray:
    """(N, C, S, S, S) -> (N, 3, S, S): the middle section across each axis, of the mean over channels."""
    grey = volumes.mean(1)
    return np.stack([np.take(grey, grey.shape[1] // 2, axis) for axis in (1, 2, 3)], axis=1)
