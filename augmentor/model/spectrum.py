"""How much of each fineness a lesion shows: its power spectrum."""

from __future__ import annotations

from functools import lru_cache, reduce

import numpy as np

_RINGS = 16  # at most, of frequencies up to half a pixel's
_LEAST = 1e-6  # power: what rounding to 8 bits adds, under which lesions that will be rounded do not differ


def spectrum_features(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S[, S]) in [-1, 1] -> (N, D) float64: the logarithm of the mean power in each ring of frequencies, the
    corners beyond the last one; D is 17 from 64x64 on.

    Of each channel without its mean and under a Hann window (so that edges that do not meet add nothing), averaged over
    the channels. Networks that enlarge by upsampling leave another spectrum than images have (Durall et al. 2020), and
    so do noise, blur and grids; texture features see little of these.
    """
    axes = tuple(range(2, images.ndim))
    plain = (images - images.mean(axes, keepdims=True)) * _window(images.shape[2], len(axes))
    power = (np.abs(np.fft.rfftn(plain, axes=axes, norm="ortho")) ** 2).mean(1, dtype=np.float64)
    return np.log(power.reshape(len(power), -1) @ _rings(images.shape[2], len(axes)) + _LEAST)


@lru_cache
def _window(side: int, dims: int) -> np.ndarray:
    return reduce(np.multiply.outer, [np.hanning(side).astype(np.float32)] * dims)


@lru_cache
def _rings(side: int, dims: int) -> np.ndarray:
    """(P, D): means over the frequencies of each ring, as `rfftn` orders them, which leaves out every other one's
    negative."""
    last = np.fft.rfftfreq(side)
    radius = np.sqrt(reduce(np.add.outer, [np.fft.fftfreq(side) ** 2] * (dims - 1) + [last**2]))
    times = np.broadcast_to(np.where((last == 0) | (last == 0.5), 1.0, 2.0), radius.shape)
    count = min(_RINGS, side // 4)
    ring = np.minimum((2 * count * radius).astype(int), count)
    within = np.where(ring.ravel()[:, None] == np.arange(count + 1), times.ravel()[:, None], 0.0)
    return within / within.sum(0)
