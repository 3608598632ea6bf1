"""Local binary patterns and histograms of oriented gradients of many images at a time.

Those of scikit-image, which the tests compare them with; it takes one image at a time, and ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, pi, sin

import numpy as np

_LEVELS = 16
_NEIGHBOURS, _CODES = 8, 10  # uniform patterns by how many neighbours are as bright as the centre, 0 to 8; all others
_CELLS, _ORIENTATIONS = 4, 8  # orientations: a power of 2
_MOST_OF_A_CELL, _NO_ZERO = 0.2, 1e-5
_AT_A_TIME = 160_000  # pixels: 32 images of 64x64, 6 MB


def level_histogram(levels: np.ndarray) -> np.ndarray:
    """(N, ...) uint8 -> (N, 16) float64: how often grey levels occur, as multiples of how often each of 16 would in an
    even spread."""
    return _shares(levels // (256 // _LEVELS), _LEVELS) * _LEVELS


def _shares(codes: np.ndarray, count: int) -> np.ndarray:
    """(N, ...) whole numbers below `count` -> (N, count) float64, the share of each."""
    return _sums(codes, count) / codes[0].size


def pattern_shares(levels: np.ndarray, radius: int) -> np.ndarray:
    """(N, H, W) uint8 -> (N, 10) float64: how often each uniform local binary pattern occurs.

    8 neighbours on a circle of `radius` pixels, bilinear between pixels, 0 outside the image (Ojala et al. 2002,
    `local_binary_pattern(..., 8, radius, "uniform")` of scikit-image, which does not count the change from the last
    neighbour to the first). A neighbour of equal brightness counts as one of more, and in scikit-image too but where
    rounding decides.
    """
    return _in_parts(lambda part: _shares(_patterns(part, radius), 1 << _NEIGHBOURS), levels) @ _CODE_OF_PATTERN


def oriented_gradients(grey: np.ndarray) -> np.ndarray:
    """(N, S, S) float32 -> (N, D) float64: HOG (Dalal and Triggs 2005) of 8 orientations in 4x4 cells, each cell
    normalised by itself (L2-Hys; `hog(..., 8, (S // 4, S // 4), (1, 1))` of scikit-image). Images of fewer than 8
    pixels have cells of 2."""
    return _in_parts(_oriented_gradients, grey)


def _in_parts(task: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    size = max(1, _AT_A_TIME // images[0].size)
    return np.concatenate([task(images[start : start + size]) for start in range(0, len(images), size)])


def _sums(codes: np.ndarray, count: int, weights: np.ndarray | None = None) -> np.ndarray:
    """(N, ...) whole numbers below `count` -> (N, count): how many of each, or the sum of their weights."""
    places = codes.reshape(len(codes), -1) + (np.arange(len(codes)) * count)[:, None]
    weight = None if weights is None else weights.ravel()
    return np.bincount(places.ravel(), weight, len(codes) * count).reshape(len(codes), count)


def _codes_of_patterns() -> np.ndarray:
    """(256, 10): 1 at the code of each pattern, whose bits are the neighbours."""
    bits = np.arange(1 << _NEIGHBOURS)[:, None] >> np.arange(_NEIGHBOURS) & 1
    uniform = np.abs(np.diff(bits, axis=1)).sum(1) <= 2
    return np.eye(_CODES)[np.where(uniform, bits.sum(1), _CODES - 1)]


_CODE_OF_PATTERN = _codes_of_patterns()


def _patterns(levels: np.ndarray, radius: int) -> np.ndarray:
    """(N, H, W) -> (N, H, W) uint8: a bit for each neighbour that is as bright as its pixel, anticlockwise.

    All images stand in one long row, zeros around each, so that a neighbour is a shift of the row; those on the
    diagonals are between four pixels, whose mean is taken along the rows first. From differences, so that equal
    neighbours have a mean of just their brightness.
    """
    margin = radius + 1
    framed = np.pad(levels, ((0, 0), (margin, margin), (margin, margin))).astype(np.float32)
    row, width = framed.ravel(), framed.shape[2]
    near = radius * sin(pi / 4)
    whole, part = floor(near), np.float32(near - floor(near))

    def between(values: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """At each place and `part` of a step on, and at `part` of a step before the next place."""
        more = (values[step:] - values[:-step]) * part
        return values[:-step] + more, values[step:] - more

    right, left = between(row, 1)
    (down_right, up_right), (down_left, up_left) = between(right, width), between(left, width)
    up, down, before, after = -(whole + 1) * width, whole * width, -(whole + 1), whole
    neighbours = (
        *((row, radius), (up_right, up + after), (row, -radius * width), (up_left, up + before)),
        *((row, -radius), (down_left, down + before), (row, radius * width), (down_right, down + after)),
    )
    first, last = margin * width + margin, len(row) - margin * width - margin
    found = np.zeros(len(row), np.uint8)
    for bit, (values, shift) in enumerate(neighbours):
        brighter = values[first + shift : last + shift] >= row[first:last]
        found[first:last] |= brighter.view(np.uint8) * np.uint8(1 << bit)
    return found.reshape(framed.shape)[:, margin:-margin, margin:-margin]


def _oriented_gradients(grey: np.ndarray) -> np.ndarray:
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    np.subtract(grey[:, 2:], grey[:, :-2], out=down[:, 1:-1])
    np.subtract(grey[:, :, 2:], grey[:, :, :-2], out=across[:, :, 1:-1])
    degrees = np.rad2deg(np.arctan2(down, across, dtype=np.float64))
    degrees += 180.0 * (degrees < 0)  # opposite directions are one orientation, and 180 degrees are 0
    orientation = (degrees / (180 / _ORIENTATIONS)).astype(np.uint8) & (_ORIENTATIONS - 1)
    strength = np.sqrt(down * down + across * across)
    side = max(2, grey.shape[1] // _CELLS)
    cells = grey.shape[1] // side
    cell = np.arange(cells * side) // side
    places = (cell[:, None] * cells + cell) * _ORIENTATIONS + orientation[:, : len(cell), : len(cell)]
    found = _sums(places, cells**2 * _ORIENTATIONS, strength[:, : len(cell), : len(cell)])
    sums = found.reshape(len(grey), -1, _ORIENTATIONS) / side**2
    return _of_unit_length(np.minimum(_of_unit_length(sums), _MOST_OF_A_CELL)).reshape(len(grey), -1)


def _of_unit_length(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows**2).sum(-1, keepdims=True) + _NO_ZERO**2)
