"""Grey-level histograms, local binary patterns and histograms of oriented gradients of many images at a time.

Those of scikit-image, which the tests compare them with; it takes one image at a time, and ten times as long. All
take one image or more.
"""

from __future__ import annotations

from math import floor, pi, sin

import numpy as np

_LEVELS = 16
_NEIGHBOURS = 8
_CODES = 10  # uniform patterns by how many neighbours are as bright as the centre, 0 to 8; then all others
_EQUAL = 1e-4  # grey levels; interpolated ones that differ at all differ by twice that or more, and are 3e-5 exact
_CELLS, _ORIENTATIONS = 4, 8  # orientations: a power of 2
_L2HYS_CLIP, _EPSILON = 0.2, 1e-5


def level_histogram(levels: np.ndarray) -> np.ndarray:
    """(N, ...) uint8 -> (N, 16) float64: how often grey levels occur, as multiples of how often each of 16 would in an
    even spread."""
    return _sums(levels // (256 // _LEVELS), _LEVELS) / levels[0].size * _LEVELS


def lbp_histogram(levels: np.ndarray, radius: int) -> np.ndarray:
    """(N, H, W) uint8 -> (N, 10) float64: the share of each uniform local binary pattern, rotations counted as one.

    8 neighbours on a circle of `radius` pixels, bilinear between pixels, 0 outside the image, each 1 where it is at
    least as bright as the centre (Ojala et al. 2002; `local_binary_pattern(..., 8, radius, "uniform")` of scikit-image,
    which does not count the change from the last neighbour to the first, and where rounding decides about neighbours
    that are just as bright).
    """
    counts = _sums(_patterns(levels, radius), 1 << _NEIGHBOURS) @ _IS_CODE
    return counts / levels[0].size


def hog(grey: np.ndarray) -> np.ndarray:
    """(N, S, S) float32 -> (N, D) float64: histograms of 8 gradient orientations (Dalal and Triggs 2005) in cells of
    max(2, S // 4) pixels a side, each cell normalised by itself (L2-Hys).

    `hog(..., 8, (side, side), (1, 1))` of scikit-image. 4x4 cells where S is a multiple of 4 from 8 on; pixels beyond
    the last whole cell are not counted.
    """
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    np.subtract(grey[:, 2:], grey[:, :-2], out=down[:, 1:-1])
    np.subtract(grey[:, :, 2:], grey[:, :, :-2], out=across[:, :, 1:-1])
    degrees = np.rad2deg(np.arctan2(down, across, dtype=np.float64))
    degrees += 180.0 * (degrees < 0)  # opposite directions are one orientation, and 180 degrees are 0
    orientation = (degrees / (180 / _ORIENTATIONS)).astype(np.uint8) & (_ORIENTATIONS - 1)
    magnitude = np.sqrt(down * down + across * across)
    side = max(2, grey.shape[1] // _CELLS)
    cells = grey.shape[1] // side
    cell = np.arange(cells * side) // side
    whole = np.s_[:, : len(cell), : len(cell)]
    bins = (cell[:, None] * cells + cell) * _ORIENTATIONS + orientation[whole]
    found = _sums(bins, cells**2 * _ORIENTATIONS, magnitude[whole])
    mean = found.reshape(len(grey), -1, _ORIENTATIONS) / side**2
    return _of_unit_length(np.minimum(_of_unit_length(mean), _L2HYS_CLIP)).reshape(len(grey), -1)


def _sums(codes: np.ndarray, count: int, weights: np.ndarray | None = None) -> np.ndarray:
    """(N, ...) whole numbers below `count` -> (N, count) float64: how many of each, or the sum of their weights."""
    places = codes.reshape(len(codes), -1) + (np.arange(len(codes)) * count)[:, None]
    weight = None if weights is None else weights.ravel()
    return np.bincount(places.ravel(), weight, len(codes) * count).reshape(len(codes), count).astype(float)


def _codes_of_patterns() -> np.ndarray:
    """(256, 10): 1 at the code of each pattern, whose bits are the neighbours."""
    bits = np.arange(1 << _NEIGHBOURS)[:, None] >> np.arange(_NEIGHBOURS) & 1
    uniform = np.abs(np.diff(bits, axis=1)).sum(1) <= 2
    return np.eye(_CODES)[np.where(uniform, bits.sum(1), _CODES - 1)]


_IS_CODE = _codes_of_patterns()


def _patterns(levels: np.ndarray, radius: int) -> np.ndarray:
    """(N, H, W) -> (N, H, W) uint8: a bit for each neighbour that is at least as bright as its pixel, anticlockwise.

    All images stand in one long row, zeros around each, so that a neighbour is a shift of the row; those on the
    diagonals are between four pixels, interpolated along the rows first.
    """
    margin = radius + 1
    framed = np.pad(levels, ((0, 0), (margin, margin), (margin, margin))).astype(np.float32)
    flat, width = framed.ravel(), framed.shape[2]
    diagonal = radius * sin(pi / 4)
    whole, fraction = floor(diagonal), np.float32(diagonal - floor(diagonal))

    def between(values: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Interpolated from each place towards the one that is `step` on: at the fraction, and at one less it."""
        more = (values[step:] - values[:-step]) * fraction
        return values[:-step] + more, values[step:] - more

    right, left = between(flat, 1)
    (down_right, up_right), (down_left, up_left) = between(right, width), between(left, width)
    up, down, before, after = -(whole + 1) * width, whole * width, -(whole + 1), whole
    neighbours = (
        *((flat, radius), (up_right, up + after), (flat, -radius * width), (up_left, up + before)),
        *((flat, -radius), (down_left, down + before), (flat, radius * width), (down_right, down + after)),
    )
    first, last = margin * width + margin, len(flat) - margin * width - margin
    centre, found = flat[first:last] - np.float32(_EQUAL), np.zeros(len(flat), np.uint8)
    for bit, (values, shift) in enumerate(neighbours):
        as_bright = values[first + shift : last + shift] >= centre
        found[first:last] |= as_bright.view(np.uint8) * np.uint8(1 << bit)
    return found.reshape(framed.shape)[:, margin:-margin, margin:-margin]


def _of_unit_length(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows**2).sum(-1, keepdims=True) + _EPSILON**2)
