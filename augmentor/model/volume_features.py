"""Texture features of volumes: those of images, on three orthogonal planes."""

from __future__ import annotations

import numpy as np

from augmentor.model.texture import hog, lbp_histogram, level_histogram

_SECTIONS = 16  # of each direction, in which patterns are counted at least


def volume_features(volumes: np.ndarray) -> np.ndarray:
    """(N, C, S, S, S) in [-1, 1] -> (N, 460 + 2 C) float64, where S is a multiple of 4 from 8 on: grey-level histogram,
    local binary patterns and HOG.

    Of the mean over channels: the histogram of all voxels; local binary patterns on three orthogonal planes (LBP-TOP,
    Zhao and Pietikainen 2007), counted in 16 to 31 sections of each direction (in all where there are fewer), evenly
    spaced; HOG (Dalal and Triggs 2005) of the middle section of each direction. Then each channel's mean and standard
    deviation. No learning.
    """
    return np.stack([_features(volume) for volume in volumes])


def _features(volume: np.ndarray) -> np.ndarray:
    grey = (volume.mean(0) + 1) / 2
    levels = np.clip(grey * 255, 0, 255).astype(np.uint8)
    patterns = [lbp_histogram(_sections(levels, axis), radius).mean(0) for axis in range(3) for radius in (1, 2)]
    gradients = hog(middle_sections(grey[None, None])[0]).ravel()
    channels = np.concatenate([volume.mean((1, 2, 3)), volume.std((1, 2, 3))])
    return np.concatenate([level_histogram(levels[None])[0], *patterns, gradients, channels])


def _sections(levels: np.ndarray, axis: int) -> np.ndarray:
    """(S, S, S) -> (M, S, S): every section across an axis, or every second one ..."""
    across = np.moveaxis(levels, axis, 0)
    return across[:: max(1, len(across) // _SECTIONS)]


def middle_sections(volumes: np.ndarray) -> np.ndarray:
    """(N, C, S, S, S) -> (N, 3, S, S): the middle section across each axis, of the mean over channels."""
    grey = volumes.mean(1)
    return np.stack([np.take(grey, grey.shape[1] // 2, axis) for axis in (1, 2, 3)], axis=1)
