"""How near an image is to the nearest of some lesions, of which it may be a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from augmentor.model.mirroring import best_likenesses, best_signs, both_ways, parities
from augmentor.model.thumbnails import as_fine, every_other, near_moves, shifted_views, thumbnails, wide_moves

_CHUNK_NUMBERS = 16_000_000  # products a thread holds: 64 MB, and nearly as much to choose from them
_TOGETHER = {2: 50, 3: 4}  # images, or volumes, that are aligned at a time: 4 MB of products
_NEAREST = (16, 4)  # lesions that an image is aligned with less coarsely, and of these finely


def distance_of(likeness: np.ndarray) -> np.ndarray:
    """The Euclidean distance of two thumbnails of unit length and zero mean: sqrt(2 - 2 r), r their correlation."""
    return np.sqrt(np.maximum(2 - 2 * likeness, 0))


@dataclass(frozen=True)
class Originals:
    """Lesions that an image may be a copy of, as they are compared with it.

    A distance is sqrt(2 - 2 r), r the correlation of two thumbnails at the best of their alignments: 0 for a copy,
    about 1.4 for strangers. The correlation is the normalised one of template matching (Lewis 1995). It is sought in
    stages. An image is compared with the coarse views of all lesions; with the 16 likest at turns, zooms and shifts
    together; then with the four likest of these, at every turn within 7.5 degrees of the best one, every zoom and every
    shift. All mirrorings and quarter turns are tried each time.
    """

    views: np.ndarray  # (N, V, 256), of volumes (N, V, 512): coarse ones, see `thumbnails.views`
    fine: np.ndarray | None = None  # (N, A, P, n), see `thumbnails.fine_views`; without them one stage

    def __len__(self) -> int:
        return len(self.views)

    @cached_property
    def _parts(self) -> np.ndarray:
        """(P, n, V N): the lesions beside each other, so that the best of V views is found in long rows."""
        flat = self.views.swapaxes(0, 1).reshape(-1, self.views.shape[-1])
        return np.ascontiguousarray(parities(flat).swapaxes(1, 2))

    def distances(
        self, images: np.ndarray, not_rows: np.ndarray | None = None, finely: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """(M, C, S, S) -> (M,) distance to the nearest lesion, (M,) its row.

        not_rows: (M, N) bool, rows that an image is not compared with (those of its own patient). finely: by all
        stages, where there are fine views; else by coarse views alone.
        """
        distances, rows = np.empty(len(images), np.float32), np.empty(len(images), np.int64)
        for chosen, seen in self._by_view(images):
            likeness = seen.max(1)
            if not_rows is not None:
                likeness[not_rows[chosen]] = -1.0
            if finely and self.fine is not None:
                self._align(images[chosen], seen, likeness)
            rows[chosen] = likeness.argmax(1)
            distances[chosen] = distance_of(likeness.max(1))
        return distances, rows

    def likenesses(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The correlation of each image with each lesion by coarse views, in chunks of rows: (rows, (m, N)
        float32)."""
        return ((chosen, seen.max(1)) for chosen, seen in self._by_view(images))

    def _by_view(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The correlation of each image with each view: (rows, (m, V, N) float32)."""
        parts, _, columns = self._parts.shape
        size = max(1, _CHUNK_NUMBERS // max(1, 2 * parts * columns))
        for start in range(0, len(images), size):
            small = thumbnails(images[start : start + size])
            found = best_likenesses(both_ways(small), self._parts).reshape(2, len(small), -1, len(self.views))
            yield slice(start, start + len(small)), np.maximum(*found)

    def _align(self, images: np.ndarray, seen: np.ndarray, likeness: np.ndarray) -> None:
        """Raise the likeness (m, N) of the likest lesions to that at their best fine alignment."""
        dims, rows = images.ndim - 2, _likest(likeness, _NEAREST[0])
        turned = as_fine(dims)[np.take_along_axis(seen, rows[:, None], axis=2).argmax(1)]  # (m, K)
        for start in range(0, len(images), _TOGETHER[dims]):
            part = slice(start, start + _TOGETHER[dims])
            some, ours, nearest, turns = shifted_views(images[part]), likeness[part], rows[part], turned[part]
            found, turns = self._best(some[:, :, every_other(some.shape[2], dims)], nearest, wide_moves(dims)[turns])
            chosen = _likest(np.where(np.take_along_axis(ours, nearest, 1) > -1, found, -2), _NEAREST[1])
            nearest, turns = (np.take_along_axis(one, chosen, 1) for one in (nearest, turns))
            found, _ = self._best(some, nearest, near_moves(dims)[turns])
            before = np.take_along_axis(ours, nearest, 1)
            np.put_along_axis(ours, nearest, np.where(before > -1, np.maximum(found, before), before), axis=1)

    def _best(self, some: np.ndarray, rows: np.ndarray, tried: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shifted views (m, P, R, n) with lesions (m, K), each in B fine views (m, K, B) -> (m, K) the best
        correlation, (m, K) the fine view that has it."""
        assert self.fine is not None
        others = self.fine[rows[..., None], tried]  # (m, K, B, P, n)
        columns = others.reshape(len(rows), -1, *others.shape[3:]).transpose(0, 2, 3, 1)  # (m, P, n, K B)
        found = best_signs((some @ columns).swapaxes(0, 1)).max(1).reshape(tried.shape)
        return found.max(2), np.take_along_axis(tried, found.argmax(2)[..., None], 2)[..., 0]


def _likest(likeness: np.ndarray, count: int) -> np.ndarray:
    """(m, N) -> (m, count) columns of the largest, in no order; all where there are fewer."""
    return np.argpartition(-likeness, min(count, likeness.shape[1]) - 1, axis=1)[:, :count]
