"""Feature spaces in which lesions are compared; none of them is trained with the GAN."""

from __future__ import annotations

import numpy as np
from skimage.feature import hog, local_binary_pattern

_CELLS, _BINS = 4, 16


def texture_features(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) in [-1, 1] -> (N, D) float64: grey-level histogram, local binary patterns and HOG.

    scikit-image's features of the mean over channels, plus mean and standard deviation of each channel:
    intensity, texture (Ojala et al. 2002) and shape (Dalal and Triggs 2005). No learning.
    """
    if len(images) == 0:
        return np.empty((0, 0))
    return np.stack([_texture(image) for image in images])


def _texture(image: np.ndarray) -> np.ndarray:
    grey = (image.mean(0) + 1) / 2
    levels = np.clip(grey * 255, 0, 255).astype(np.uint8)
    histogram = np.histogram(levels, _BINS, (0, 256))[0] / levels.size * _BINS
    patterns = [_pattern_histogram(levels, radius) for radius in (1, 2)]
    cell = max(2, grey.shape[0] // _CELLS)
    gradients = hog(grey, orientations=8, pixels_per_cell=(cell, cell), cells_per_block=(1, 1))
    channels = np.concatenate([image.mean((1, 2)), image.std((1, 2))])
    return np.concatenate([histogram, *patterns, gradients, channels])


def _pattern_histogram(levels: np.ndarray, radius: int) -> np.ndarray:
    codes = local_binary_pattern(levels, 8, radius, "uniform")
    return np.histogram(codes, 10, (0, 10))[0] / levels.size
