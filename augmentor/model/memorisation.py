"""How near a lesion is to a training lesion: one piece of code for the audit and for what may be written."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.sparse import csr_array, kron, vstack

from augmentor.measures import spread_rows
from augmentor.model.mirroring import best_likenesses, both_ways, parities
from augmentor.model.volume_likeness import volume_thumbnails, volume_views

_SIDE = 16  # of the thumbnails that are compared
_MARGIN = 16  # the share of a side that is left out all around: 4 pixels of 64
_SHIFTS, _SHARE = (-2, -1, 0, 1, 2), 32  # pixels; and where it is more, this part of a side
_TURN, _ZOOM = 8.0, 1.09  # degrees; a side's ratio
_CHUNK = 256  # images that are turned and shrunk at a time
_CHUNK_NUMBERS = 16_000_000  # products a thread holds: 64 MB, and nearly as much to choose from them
_PERCENTILE = 1.0
_LEAST = 0.1  # nearer than this is one picture, however near the real lesions of a set come to each other
WINDOW = 512  # synthetic lesions that another one is compared with
_MOST_COMPARED = 500


def thumbnails(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 256) float32 of unit length: grey 16x16 means of an image without its margin, brightness and
    contrast taken out. The margin is left out: what came in at an edge when a copy was shifted must not count.

    Of volumes (N, C, S, S, S): (N, 512), 8x8x8 means."""
    if images.ndim == 5:
        return volume_thumbnails(images)
    shrink = _shrinking(images.shape[-1])[0]
    return _unit(shrink @ images.mean(1, dtype=np.float32) @ shrink.T)


def views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, V, 256) float32: the thumbnails of an image under 25 small shifts (49 where S is above 64),
    the first without one, and under eight small turns and zooms. Of volumes: (N, 15, 512), the first as it is."""
    if images.ndim == 5:
        return volume_views(images, _TURN, _ZOOM)
    return np.concatenate([_views(images[i : i + _CHUNK]) for i in range(0, len(images), _CHUNK)])


def turned_views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 4, 2 V, 64) float32: each image's views by `both_ways`, the first as it is; of volumes
    (N, 8, 30, 64)."""
    seen = views(images)
    parts = both_ways(seen.reshape(-1, seen.shape[-1]))
    beside = parts.reshape(len(parts), 2, *seen.shape[:2], -1).transpose(2, 0, 1, 3, 4)
    return beside.reshape(len(images), len(parts), -1, parts.shape[-1])


def distance_of(likeness: np.ndarray) -> np.ndarray:
    """The Euclidean distance of two thumbnails of unit length and zero mean: sqrt(2 - 2 r), r their correlation."""
    return np.sqrt(np.maximum(2 - 2 * likeness, 0))


def _unit(small: np.ndarray) -> np.ndarray:
    """(..., 16, 16) -> (..., 256). Changes `small`."""
    flat = small.reshape(*small.shape[:-2], _SIDE**2)
    flat -= flat.mean(-1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)
    return flat


@lru_cache(maxsize=8)
def _shrinking(size: int) -> np.ndarray:
    """(5 or 7, 16, S) float32: for each shift, none first, the matrix that takes a row of S pixels to 16 means of equal
    width."""
    margin = max(2.0, size / _MARGIN)
    width = (size - 2 * margin) / _SIDE
    far = max(_SHIFTS[-1], round(size / _SHARE))
    shifts = np.array(sorted({*_SHIFTS, -far, far}, key=abs))
    start = margin + shifts[:, None, None] + width * np.arange(_SIDE)[:, None]
    pixel = np.arange(size)
    inside = np.minimum(start + width, pixel + 1) - np.maximum(start, pixel)
    return (np.maximum(inside, 0) / width).astype(np.float32)


def _views(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, V, 256) float32."""
    grey = images.mean(1, dtype=np.float32)
    shrink = _shrinking(grey.shape[-1])
    shifts = len(shrink)
    whole = shrink.reshape(shifts * _SIDE, -1)
    shifted = (whole @ grey @ whole.T).reshape(len(grey), shifts, _SIDE, shifts, _SIDE)
    shifted = shifted.swapaxes(2, 3).reshape(len(grey), -1, _SIDE, _SIDE)
    turned = (_turning(grey.shape[-1]) @ grey.reshape(len(grey), -1).T).T
    return _unit(np.concatenate([shifted, turned.reshape(len(grey), -1, _SIDE, _SIDE)], axis=1))


@lru_cache(maxsize=8)
def _turning(size: int) -> csr_array:
    """(8 * 256, S * S) float32: the matrix that takes an image's pixels to its thumbnails under eight turns and zooms.
    A mean has few pixels, so that one product with it takes a sixth of the time of moving the image eight times."""
    still = csr_array(_shrinking(size)[0])
    shrink = kron(still, still, format="csr")
    moves = [(turn, zoom) for turn in (-_TURN, 0.0, _TURN) for zoom in (1 / _ZOOM, 1.0, _ZOOM)]
    moves.remove((0.0, 1.0))
    return vstack([shrink @ _moving(size, *move) for move in moves], format="csr")


def _moving(size: int, degrees: float, zoom: float) -> csr_array:
    """(S * S, S * S) float32: turns and zooms an image about its centre, bilinearly, borders mirrored."""
    angle, centre = math.radians(degrees), (size - 1) / 2
    cosine, sine = math.cos(angle) * zoom, math.sin(angle) * zoom
    down, across = np.mgrid[:size, :size] - centre
    places = np.stack([sine * across + cosine * down, cosine * across - sine * down]) + centre
    inside = np.clip(size - 0.5 - np.abs(size - np.abs(places + 0.5)), 0, size - 1)
    first = np.minimum(inside.astype(np.int64), size - 2)
    share = inside - first
    rows, columns = first[:, None] + np.arange(2)[:, None, None]  # of the four pixels around a place: (2, S, S) each
    above, left = np.stack([1 - share, share], axis=1)
    weights = (above[:, None] * left).astype(np.float32)
    pixels = rows[:, None] * size + columns
    moved = np.broadcast_to(np.arange(size**2), (4, size**2))
    return csr_array((weights.ravel(), (moved.ravel(), pixels.ravel())), shape=(size**2, size**2))


@dataclass(frozen=True)
class CopyCheck:
    """Distances to the training lesions, and how near other patients' lesions come to each other.

    A distance is sqrt(2 - 2 r), r the correlation of two thumbnails at the best of 264 alignments (456 above 64x64): 0
    for a copy that was mirrored, turned by 90 degrees, shifted a little or changed in brightness and contrast; about
    1.4 for strangers.
    The correlation is the normalised one of template matching (Lewis 1995); what counts as near is measured, not set.
    """

    bank: np.ndarray  # (N, V, 256), of volumes (N, 15, 512): the views of the training lesions
    threshold: float  # a lesion nearer than this is a near-copy
    typical: float  # the median nearest distance of other patients' lesions
    twins: float = math.inf  # a synthetic lesion nearer than this to another one repeats it

    @property
    def twin_threshold(self) -> float:
        return min(self.threshold, self.twins)

    @cached_property
    def _parts(self) -> np.ndarray:
        """(P, n, V N): the lesions beside each other, so that the best of V views is found in long rows."""
        flat = self.bank.swapaxes(0, 1).reshape(-1, self.bank.shape[-1])
        return np.ascontiguousarray(parities(flat).swapaxes(1, 2))

    def distances(self, images: np.ndarray, not_rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(M, C, S, S) -> (M,) distance to the nearest training lesion, (M,) its row.

        not_rows: (M, N) bool, training rows that an image is not compared with (those of its own patient).
        """
        distances, rows = np.empty(len(images), np.float32), np.empty(len(images), np.int64)
        for chosen, likeness in self.likenesses(images):
            if not_rows is not None:
                likeness[not_rows[chosen]] = -1.0
            rows[chosen] = likeness.argmax(1)
            distances[chosen] = distance_of(likeness.max(1))
        return distances, rows

    def likenesses(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The correlation of each image with each training lesion, in chunks of rows: (rows, (m, N) float32)."""
        parts, _, columns = self._parts.shape
        size = max(1, _CHUNK_NUMBERS // max(1, 2 * parts * columns))
        for start in range(0, len(images), size):
            small = thumbnails(images[start : start + size])
            found = best_likenesses(both_ways(small), self._parts)
            yield slice(start, start + len(small)), found.reshape(2, len(small), -1, len(self.bank)).max((0, 2))


def make_copy_check(training: np.ndarray, patients: Sequence[Hashable], others: np.ndarray | None) -> CopyCheck:
    """Calibrate on real lesions of other patients.

    training: (N, C, S, S) with the patient of each row. others: held-out lesions, if there are any. Each of them, and
    of up to 500 training lesions, is compared with the training lesions of the other patients: both sides together, for
    the 1st percentile of thirty held-out lesions alone would be the nearest of them. That percentile of the nearest
    distances is the threshold. Among more lesions the nearest is nearer by chance: where synthetic lesions are compared
    with 512 others and there are N training lesions, fewer than that, the percentile is N / 512 instead.
    """
    check = CopyCheck(views(training), 0.0, 1.0)
    nearest = []
    if others is not None and len(others):
        nearest.append(check.distances(others)[0])
    if len(set(patients)) > 1 or not nearest:
        rows = spread_rows(len(training), _MOST_COMPARED)
        names = np.asarray(patients)
        nearest.append(check.distances(training[rows], names[rows][:, None] == names[None])[0])
    distances = np.concatenate(nearest)
    shares = _PERCENTILE * np.array([1.0, min(1.0, len(training) / WINDOW)])
    threshold, twins = np.maximum(np.percentile(distances, shares), _LEAST)
    return CopyCheck(check.bank, float(threshold), float(np.median(distances)), float(twins))
