"""Images and volumes as the near-copy check sees them: small, grey, of unit length, as they are and moved a little."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, reduce
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, kron, vstack

from augmentor.model.mirroring import SIDES, both_ways, parities, within

_LARGEST = {2: 64, 3: 32}  # pixels a side: what is larger is shrunk to it first
_MARGIN = 16  # the share of a side that is left out all around: 4 pixels of 64
_SHIFT = 2.0  # pixels that an image may have been shifted by; volumes by their margin
_APART = 1.0  # shifts that are tried finely lie no farther apart than this: pixels of an image of 64
_ZOOM = 1.12  # a side's ratio
_STEP, _COARSE_STEP, _NEAR = 3.75, 11.25, 7.5  # degrees: between turns, and how far about a coarse one finer ones go
_PLANES = ((0, 1), (0, 2), (1, 2))  # of a volume, each with a turn
_CHUNK_NUMBERS = 4_000_000  # of the thumbnails made at a time: 16 MB, and about twice as much to make them


class _Move(NamedTuple):
    degrees: float = 0.0
    zoom: float = 1.0
    plane: tuple[int, int] = (0, 1)  # the axes that turn


def thumbnails(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 256) float32 of unit length: grey 16x16 means of an image without its margin, brightness and
    contrast taken out. The margin is left out: what came in at an edge when a copy was shifted must not count.

    Of volumes (N, C, S, S, S): (N, 512), 8x8x8 means."""
    return _unit(_shifted(_grey(images), np.zeros(1))[:, 0])


def views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 32, 256) float32: the thumbnails of an image as it is, under 23 turns and zooms, and under
    eight shifts. The turns are 11.25 degrees apart; with mirroring and quarter turns they go all round.

    Of volumes: (N, 35, 512), as it is, under six turns and two zooms, and under 26 shifts."""
    dims = images.ndim - 2
    shifts = np.array([0.0, -1.0, 1.0]) * _reach(_side(images), dims)

    def seen(grey: np.ndarray) -> np.ndarray:
        return _unit(np.concatenate([_moved(grey, coarse_moves(dims)), _shifted(grey, shifts)[:, 1:]], axis=1))

    return _in_chunks(images, seen)


def turned_views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 4, 2 V, 64) float32: each image's views by `both_ways`, the first as it is; of volumes
    (N, 8, 2 V, 64)."""
    seen = views(images)
    return _by_image(both_ways(_rows(seen)), len(seen))


def fine_views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 120, 4, 52) float32: what a disc shows of an image (see `within`) under 24 turns, 3.75
    degrees apart, and five zooms, by `parities`. Of volumes: (N, 39, 8, n)."""
    moves = fine_moves(images.ndim - 2)

    def seen(grey: np.ndarray) -> np.ndarray:
        parts = within(parities(_rows(_moved(grey, moves))))
        return parts.swapaxes(0, 1).reshape(len(grey), len(moves), len(parts), -1)

    return _in_chunks(images, seen)


def shifted_views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 4, 50, 52) float32: what a disc shows of an image under 25 shifts (more where S is under 64),
    by `both_ways`. Of volumes: (N, 8, 250, n)."""
    side, dims = _side(images), images.ndim - 2
    far = _reach(side, dims)
    steps = 2 if dims == 3 else math.ceil(min(3.0, far * _LARGEST[2] / side / _APART))
    seen = _shifted(_grey(images), np.linspace(-far, far, 2 * steps + 1))
    return _by_image(within(both_ways(_rows(seen))), len(seen))


@lru_cache(maxsize=2)
def coarse_moves(dims: int) -> tuple[_Move, ...]:
    if dims == 2:
        return tuple(_Move(turn, zoom) for turn in _turns(_COARSE_STEP) for zoom in (1.0, 1 / _ZOOM, _ZOOM))
    turned = [_Move(turn, plane=plane) for plane in _PLANES for turn in (-9.0, 9.0)]
    return (_Move(), *turned, _Move(zoom=_ZOOM), _Move(zoom=1 / _ZOOM))


@lru_cache(maxsize=2)
def fine_moves(dims: int) -> tuple[_Move, ...]:
    if dims == 2:
        zooms = [_ZOOM**power for power in (0, -0.5, 0.5, -1, 1)]
        return tuple(_Move(turn, zoom) for turn in _turns(_STEP) for zoom in zooms)
    turned = [_Move(turn, plane=plane) for plane in _PLANES for turn in (-12.0, -6.0, 6.0, 12.0)]
    return tuple(move._replace(zoom=zoom) for move in (_Move(), *turned) for zoom in (1 / 1.08, 1.0, 1.08))


@lru_cache(maxsize=2)
def as_fine(dims: int) -> np.ndarray:
    """(V,): the row of `fine_views` that is turned as each of `views` is, and not zoomed. Of volumes any does."""
    turns = [move.degrees for move in fine_moves(dims)]
    coarse = [move.degrees for move in coarse_moves(dims)] if dims == 2 else [0.0] * len(coarse_moves(3))
    return np.array([turns.index(turn) for turn in coarse] + [0] * (3**dims - 1))


@lru_cache(maxsize=2)
def near_moves(dims: int) -> np.ndarray:
    """(A, B): the rows of `fine_views` that are turned nearly as each of them is. Of volumes: all."""
    moves = fine_moves(dims)
    if dims == 3:
        return np.tile(np.arange(len(moves)), (len(moves), 1))
    return np.stack([np.flatnonzero(np.abs(row) <= _NEAR) for row in _degrees_apart(moves)])


@lru_cache(maxsize=2)
def wide_moves(dims: int) -> np.ndarray:
    """(A, B): of `near_moves` the outermost turns and zooms, and the middle. Of volumes: all."""
    moves = fine_moves(dims)
    if dims == 3:
        return near_moves(3)
    zooms = np.isin([move.zoom for move in moves], (1.0, _ZOOM, 1 / _ZOOM))
    return np.stack([np.flatnonzero(np.isin(np.abs(row), (0.0, _NEAR)) & zooms) for row in _degrees_apart(moves)])


def _degrees_apart(moves: tuple[_Move, ...]) -> np.ndarray:
    """(A, A), from -45 to 45: a quarter turn counts as none."""
    turns = np.array([move.degrees for move in moves])
    return (turns[None] - turns[:, None] + 45) % 90 - 45


def every_other(rows: int, dims: int) -> np.ndarray:
    """Of the rows of `shifted_views`, those of every other shift along each axis, both ways."""
    steps = round((rows / 2) ** (1 / dims))
    even = (np.indices((steps,) * dims) % 2 == 0).all(0).ravel()
    return np.flatnonzero(np.tile(even, 2))


def _turns(step: float) -> list[float]:
    """Those up to 45 degrees to either side, none first: quarter turns are made by `both_ways`."""
    return sorted(np.arange(-45 + step, 45 + step / 2, step).tolist(), key=abs)


def _side(images: np.ndarray) -> int:
    return min(images.shape[-1], _LARGEST[images.ndim - 2])


def _reach(side: int, dims: int) -> float:
    """Pixels, or voxels, that a copy may have been shifted by along each axis."""
    return _SHIFT if dims == 2 else side / _MARGIN


def _grey(images: np.ndarray) -> np.ndarray:
    """(N, C, S, ...) -> (N, S, ...) float32, no larger than what is looked at."""
    grey, side = images.mean(1, dtype=np.float32), _side(images)
    return grey if side == images.shape[-1] else _along_axes(_means(images.shape[-1], side, 0.0, 0.0), grey)


def _in_chunks(images: np.ndarray, made: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`made` of the grey images, some at a time."""
    dims = images.ndim - 2
    step = max(1, _CHUNK_NUMBERS // (len(fine_moves(dims)) * _cells(dims) ** dims))
    return np.concatenate([made(_grey(images[start : start + step])) for start in range(0, len(images), step)])


def _cells(dims: int) -> int:
    return next(side[0] for side in SIDES.values() if len(side) == dims)


def _rows(seen: np.ndarray) -> np.ndarray:
    return seen.reshape(-1, seen.shape[-1])


def _by_image(parts: np.ndarray, images: int) -> np.ndarray:
    """Parts of V views of N images, one after the other, both ways: (P, 2 N V, n) -> (N, P, 2 V, n)."""
    beside = parts.reshape(len(parts), 2, images, -1, parts.shape[-1]).transpose(2, 0, 1, 3, 4)
    return beside.reshape(images, len(parts), -1, parts.shape[-1])


def _unit(small: np.ndarray) -> np.ndarray:
    """Changes `small`."""
    small -= small.mean(-1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=-1, keepdims=True), 1e-6)
    return small


def _means(size: int, count: int, margin: float, shift: float) -> np.ndarray:
    """(count, size) float32: the matrix that takes a row of pixels without its margins to means of equal width."""
    width = (size - 2 * margin) / count
    start = margin + shift + width * np.arange(count)[:, None]
    pixel = np.arange(size)
    inside = np.minimum(start + width, pixel + 1) - np.maximum(start, pixel)
    return (np.maximum(inside, 0) / width).astype(np.float32)


def _shrinking(side: int, dims: int, shift: float = 0.0) -> np.ndarray:
    """(16, S) or (8, S) float32: to a row of a thumbnail."""
    return _means(side, _cells(dims), max(_reach(side, dims), side / _MARGIN), shift)


def _along_axes(matrix: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """(T, S) and (N, S, ...) -> (N, T, ...)."""
    wide = matrix @ grey @ matrix.T
    return np.moveaxis(np.tensordot(wide, matrix, (1, 1)), -1, 1) if grey.ndim == 4 else wide


def _shifted(grey: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """(N, S, S) -> (N, K * K, 256): means under all pairs of K shifts, the first one slowest; of volumes
    (N, K * K * K, 512)."""
    dims = grey.ndim - 1
    matrix = np.concatenate([_shrinking(grey.shape[-1], dims, shift) for shift in shifts])
    found = _along_axes(matrix, grey).reshape(len(grey), *[len(shifts), _cells(dims)] * dims)
    order = [0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2)]
    return found.transpose(order).reshape(len(grey), len(shifts) ** dims, -1)


def _moved(grey: np.ndarray, moves: tuple[_Move, ...]) -> np.ndarray:
    """(N, S, S) -> (N, M, 256): means under turns and zooms; of volumes (N, M, 512)."""
    found = _moving(grey.shape[-1], grey.ndim - 1, moves) @ grey.reshape(len(grey), -1).T
    return np.ascontiguousarray(found.T).reshape(len(grey), len(moves), -1)


@lru_cache(maxsize=8)
def _moving(side: int, dims: int, moves: tuple[_Move, ...]) -> csr_array:
    """(M * 256, S * S) float32: the matrix that takes an image's pixels to its thumbnails under turns and zooms. A mean
    has few pixels, so that one product with it takes a sixth of the time of moving the image itself."""
    shrink = reduce(lambda one, other: kron(one, other, format="csr"), [csr_array(_shrinking(side, dims))] * dims)
    return vstack([shrink @ _one_move(side, dims, move) for move in moves], format="csr")


def _one_move(side: int, dims: int, move: _Move) -> csr_array:
    """(S * S, S * S) float32: turns and zooms an image about its centre, linearly between pixels, borders mirrored."""
    angle, plane = math.radians(move.degrees), np.ix_(move.plane, move.plane)
    matrix = np.eye(dims)
    matrix[plane] = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    centre = (side - 1) / 2
    places = np.tensordot(move.zoom * matrix, np.indices((side,) * dims) - centre, 1) + centre
    inside = np.clip(side - 0.5 - np.abs(side - np.abs(places + 0.5)), 0, side - 1)
    first = np.minimum(inside.astype(np.int64), side - 2)
    share = (inside - first).reshape(dims, -1)
    weights, pixels = [], []
    for corner in product((0, 1), repeat=dims):  # of the pixels around a place
        weights.append(np.prod([part if far else 1 - part for far, part in zip(corner, share, strict=True)], axis=0))
        pixels.append(np.ravel_multi_index([f.ravel() + c for f, c in zip(first, corner, strict=True)], (side,) * dims))
    moved = np.tile(np.arange(side**dims), len(weights))
    found = (np.concatenate(weights).astype(np.float32), (moved, np.concatenate(pixels)))
    return csr_array(found, shape=(side**dims, side**dims))
