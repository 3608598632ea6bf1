"""The correlation of two thumbnails at the best of the mirrorings and turns of a square (of volumes: those that leave
sections sections).

A thumbnail is the sum of what mirroring along an axis keeps (even) and what it turns into its negative (odd), for each
axis. Parts of different kinds have a product of 0, so that one product a kind gives the correlations under all
mirrorings, by their signs: a quarter of the arithmetic of mirroring one of the two, an eighth for volumes. Quarter
turns are mirrorings of the thumbnail with rows for columns.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_PART = 64  # numbers in a part: 8x8 or 4x4x4
SIDES = {16**2: (16, 16), 8**3: (8, 8, 8)}  # by the numbers in a thumbnail: of images, of volumes


def parities(small: np.ndarray) -> np.ndarray:
    """(M, 256) thumbnails -> (4, M, 64): even and odd parts along each axis; of volumes (M, 512) -> (8, M, 64)."""
    found = small @ _even_and_odd(small.shape[-1])
    return np.ascontiguousarray(found.reshape(len(small), -1, _PART).swapaxes(0, 1))


def both_ways(small: np.ndarray) -> np.ndarray:
    """(M, 256) thumbnails -> (4, 2 M, 64): the parts of all as they are, then of all with rows for columns; of volumes
    (M, 512) -> (8, 2 M, 64)."""
    parts, axes = parities(small), len(SIDES[small.shape[-1]])
    grids = parts.reshape(*[2] * axes, len(small), *(side // 2 for side in SIDES[small.shape[-1]]))
    transposed = grids.swapaxes(axes - 2, axes - 1).swapaxes(-2, -1)
    return np.stack([grids, transposed], axis=axes).reshape(len(parts), -1, _PART)


def within(parts: np.ndarray) -> np.ndarray:
    """Parts of M thumbnails (P, M, 64) -> (P, M, 52): what a disc shows of them, of unit length, brightness taken out.
    Of volumes (8, M, 64) -> (8, M, n), a ball. A copy's corners hold something else once it was turned."""
    inside = np.take(parts, _inside(len(parts)), axis=-1)
    inside[0] -= inside[0].mean(-1, keepdims=True)  # odd parts have a mean of 0
    lengths = np.sqrt(np.einsum("pmn,pmn->m", inside, inside))
    inside /= np.maximum(lengths, 1e-6)[:, None]
    return inside


@lru_cache(maxsize=2)
def _inside(parts: int) -> np.ndarray:
    """Which of a part's numbers stand for cells within the disc, or ball, that fits into a thumbnail."""
    dims = parts.bit_length() - 1
    half = round(_PART ** (1 / dims))
    places = np.indices([half] * dims) - (half - 0.5)
    return np.flatnonzero((places**2).sum(0) <= half**2)


def best_likenesses(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Parts of M thumbnails (P, M, n), and of K, which stand in columns (P, n, K) -> (M, K) float32: the correlation of
    each with each at the best mirroring. With one side both ways the larger of two is the best of 8, of volumes of 16.
    """
    return best_signs(some @ others)


def best_signs(products: np.ndarray) -> np.ndarray:
    """(P, M, K), a parity each -> (M, K): the largest sum where mirroring along an axis changes the sign of the half
    that is odd along it. Changes `products`."""
    even, odd = np.split(products, 2)
    if len(even) == 1:
        best = np.abs(odd[0], out=odd[0])
        best += even[0]
        return best
    mirrored = even - odd
    even += odd
    best = best_signs(even)
    return np.maximum(best, best_signs(mirrored), out=best)


@lru_cache(maxsize=2)
def _even_and_odd(numbers: int) -> np.ndarray:
    """(256, 256) or (512, 512) float32, orthonormal. Columns are patterns by parity, that of the first axis slowest."""
    grids = np.eye(numbers, dtype=np.float32).reshape(numbers, 1, *SIDES[numbers])
    for axis in reversed(range(2, grids.ndim)):
        first, second = np.split(grids, 2, axis)
        mirrored = np.flip(second, axis)
        grids = np.concatenate([first + mirrored, first - mirrored], axis=1) * np.float32(0.5**0.5)
    return grids.reshape(numbers, numbers)
