"""How near a lesion is to a training lesion: one piece of code for the audit and for what may be written."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from augmentor.errors import DataError
from augmentor.measures import spread_rows
from augmentor.model.mirroring import best_likenesses, best_signs, both_ways, parities
from augmentor.model.thumbnails import (
    as_fine,
    every_other,
    fine_views,
    near_moves,
    shifted_views,
    thumbnails,
    views,
    wide_moves,
)

_CHUNK_NUMBERS = 16_000_000  # products a thread holds: 64 MB, and nearly as much to choose from them
_TOGETHER = {2: 50, 3: 4}  # images, or volumes, that are aligned at a time: 4 MB of products
_NEAREST = (16, 4)  # training lesions that an image is aligned with less coarsely, and of these finely
_PERCENTILE = 1.0
_LEAST = 0.1  # nearer than this is one picture, however near the real lesions of a set come to each other
_THIRD = 1 / 3  # of the typical distance: nearer than this is a double
_GAP = 0.6  # of the next patient's distance, and of the typical one; real sets' nearest come to 0.65 and more of it
_NAMES = 3  # other patients under whose names a lesion's doubles are looked for
_OTHERS = 5  # patients beyond a gap that it takes to be one: of three or four, two may well be alike
_NAMED = 3  # pairs of doubles that a warning names
WINDOW = 512  # synthetic lesions that another one is compared with
_MOST_COMPARED = 500


def distance_of(likeness: np.ndarray) -> np.ndarray:
    """The Euclidean distance of two thumbnails of unit length and zero mean: sqrt(2 - 2 r), r their correlation."""
    return np.sqrt(np.maximum(2 - 2 * likeness, 0))


@dataclass(frozen=True)
class CopyCheck:
    """Distances to the training lesions, and how near other patients' lesions come to each other.

    A distance is sqrt(2 - 2 r), r the correlation of two thumbnails at the best of their alignments: 0 for a copy,
    about 1.4 for strangers. The correlation is the normalised one of template matching (Lewis 1995); what counts as
    near is measured, not set. It is sought in stages. An image is compared with the coarse views of all training
    lesions; with the 16 likest at turns, zooms and shifts together; then with the four likest of these, at every turn
    within 7.5 degrees of the best one, every zoom and every shift. All mirrorings and quarter turns are tried each
    time.
    """

    bank: np.ndarray  # (N, V, 256), of volumes (N, V, 512): the views of the training lesions
    threshold: float  # a lesion nearer than this is a near-copy
    typical: float  # the median nearest distance of other patients' lesions
    twins: float | None = None  # nearer than this to another one, by coarse views alone, a synthetic lesion repeats it
    fine: np.ndarray | None = None  # (N, A, P, n): the fine views of the training lesions; without them one stage
    compared: int = 0  # real lesions, of whose distances the threshold is a percentile
    left_out: int = 0  # real lesions that are doubles of another patient's, whose distances do not count for it
    doubles: tuple[tuple[int, int], ...] = ()  # the nearest first: rows of training lesions, held-out ones after them

    @property
    def uncalibrated(self) -> bool:
        """Whether the threshold is the least that there is: it tells little."""
        return self.threshold == _LEAST

    @property
    def warning(self) -> str | None:
        """What is wrong with the real lesions that the threshold is measured on; names no files, so may be shared."""
        return self.warning_with(())

    def warning_with(self, files: Sequence[str]) -> str | None:
        """`warning` with the files of a few doubles. files: of the training lesions and of the held-out ones after
        them; none where they are not known."""
        pairs = [f"{files[one]} and {files[other]}" for one, other in self.doubles[:_NAMED]] if files else []
        more = f"; {len(self.doubles) - _NAMED} more pairs" if len(self.doubles) > _NAMED else ""
        named = f" ({'; '.join(pairs)}{more})" if pairs else ""
        if self.uncalibrated:
            return (
                "Lesions of different patients are so near to each other here that only the same picture, moved, "
                "counts as a near-copy: the set seems to hold doubles under several patients' names, or its patients "
                f"are not known{named}. Name the patients, or take the doubles out; then fit and expand anew."
            )
        if not self.doubles:
            return None
        return (
            f"{self.left_out} of {self.compared + self.left_out} real lesions are nearly the same as a lesion under "
            f"another patient's name{named}. They do not count where it is measured how near other patients' lesions "
            "come to each other. Give both of a pair one patient's name, or take one of them out; then fit and expand "
            "anew."
        )

    @property
    def twin_threshold(self) -> float:
        return self.threshold if self.twins is None else self.twins

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
        for chosen, seen in self._by_view(images):
            likeness = seen.max(1)
            if not_rows is not None:
                likeness[not_rows[chosen]] = -1.0
            if self.fine is not None:
                self._align(images[chosen], seen, likeness)
            rows[chosen] = likeness.argmax(1)
            distances[chosen] = distance_of(likeness.max(1))
        return distances, rows

    def likenesses(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The correlation of each image with each training lesion by coarse views, in chunks of rows: (rows, (m, N)
        float32)."""
        return ((chosen, seen.max(1)) for chosen, seen in self._by_view(images))

    def _by_view(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The correlation of each image with each view: (rows, (m, V, N) float32)."""
        parts, _, columns = self._parts.shape
        size = max(1, _CHUNK_NUMBERS // max(1, 2 * parts * columns))
        for start in range(0, len(images), size):
            small = thumbnails(images[start : start + size])
            found = best_likenesses(both_ways(small), self._parts).reshape(2, len(small), -1, len(self.bank))
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
        """Shifted views (m, P, R, n) with training lesions (m, K), each in B fine views (m, K, B) -> (m, K) the best
        correlation, (m, K) the fine view that has it."""
        assert self.fine is not None
        others = self.fine[rows[..., None], tried]  # (m, K, B, P, n)
        columns = others.reshape(len(rows), -1, *others.shape[3:]).transpose(0, 2, 3, 1)  # (m, P, n, K B)
        found = best_signs((some @ columns).swapaxes(0, 1)).max(1).reshape(tried.shape)
        return found.max(2), np.take_along_axis(tried, found.argmax(2)[..., None], 2)[..., 0]


def _likest(likeness: np.ndarray, count: int) -> np.ndarray:
    """(m, N) -> (m, count) columns of the largest, in no order; all where there are fewer."""
    return np.argpartition(-likeness, min(count, likeness.shape[1]) - 1, axis=1)[:, :count]


def make_copy_check(training: np.ndarray, patients: Sequence[Hashable], others: np.ndarray | None) -> CopyCheck:
    """Calibrate on real lesions of other patients.

    training: (N, C, S, S) with the patient of each row. others: held-out lesions, if there are any. Each of them, and
    of up to 500 training lesions, is compared with the training lesions of the other patients: both sides together, for
    the 1st percentile of thirty held-out lesions alone would be the nearest of them. That percentile of the nearest
    distances is the threshold. Synthetic lesions are compared with each other by coarse views alone, so that their
    threshold is a percentile of distances by these. Among more lesions the nearest is nearer by chance: where synthetic
    lesions are compared with 512 others and there are N training lesions, fewer than that, the percentile is N / 512
    instead. Doubles under other patients' names (see `_doubles`) would lower every limit to their own distance, and are
    left out of all of this; where lesions of fewer than two patients are left, the threshold is the least.

    Raises DataError where there are no two patients.
    """
    sides, names = [], np.asarray(patients)
    if others is not None and len(others):
        sides.append(_Compared(others, len(training) + np.arange(len(others))))
    if len(set(patients)) > 1:
        rows = spread_rows(len(training), _MOST_COMPARED)
        sides.append(_Compared(training[rows], rows, names[rows][:, None] == names[None]))
    if not sides:
        raise DataError(
            f"The {len(training)} training lesions are of one patient, and none is held out; how near other patients' "
            "lesions come to each other, and so what a near-copy is, takes a second patient. Add lesions of another "
            "patient, or name the patients (`augmentor check` tells how they are told apart)."
        )
    coarse = CopyCheck(views(training), 0.0, 1.0)
    fine = CopyCheck(coarse.bank, 0.0, 1.0, fine=fine_views(training))
    found = [fine.distances(side.images, side.own) for side in sides]
    apart, nearest = (np.concatenate(part) for part in zip(*found, strict=True))
    coarsely = np.concatenate([coarse.distances(side.images, side.own)[0] for side in sides])
    usual = float(np.median(apart))
    double = np.concatenate([_doubles(fine, names, *each, usual) for each in zip(sides, found, strict=True)])
    places = np.concatenate([side.places for side in sides])
    enough = _of_two_patients(places[~double], names)
    left = ~double if enough else np.ones_like(double)
    return CopyCheck(
        coarse.bank,
        threshold=_limit(apart[left], 1.0) if enough else _LEAST,
        typical=float(np.median(apart[left])),
        twins=_limit(coarsely[left], min(1.0, len(training) / WINDOW)),
        fine=fine.fine,
        compared=int(left.sum()),
        left_out=int((~left).sum()),
        doubles=_pairs(places[double], nearest[double], apart[double]),
    )


class _Compared(NamedTuple):
    """Real lesions (M, C, S, S) that are compared with the training lesions. places: (M,) their rows, held-out ones
    after the training lesions. own: (M, N) bool, training rows of the same patient; None where there are none."""

    images: np.ndarray
    places: np.ndarray
    own: np.ndarray | None = None


def _doubles(
    check: CopyCheck, names: np.ndarray, side: _Compared, found: tuple[np.ndarray, np.ndarray], usual: float
) -> np.ndarray:
    """(M,) bool: which lesions lie under another patient's name too, nearly the same.

    names: (N,) of the training lesions' patients. found: (M,) distances to the nearest training lesion of another
    patient, (M,) its row. usual: the median of all such distances. A lesion is a double where it is nearer than a third
    of that, or where a gap follows: where it is much nearer than the lesions of the next patient, as two true matches
    are told from the next best (Lowe 2004, section 7.1), the second, or the third, for there may be several doubles.
    The one that is nearest to a double is one too. (With too few patients beyond a gap it says nothing.)
    """
    apart, nearest = found
    double = apart < max(_LEAST, _THIRD * usual)
    rows = np.flatnonzero(apart < _GAP * usual)
    images, near, row = side.images[rows], apart[rows], nearest[rows]
    seen = np.zeros((len(rows), len(names)), bool) if side.own is None else side.own[rows]
    beyond = len(np.unique(names)) - (side.own is not None)
    for _ in range(min(_NAMES, beyond - _OTHERS) if len(rows) else 0):
        seen = seen | (names[row][:, None] == names[None])
        further, row = check.distances(images, seen)
        double[rows] |= near < _GAP * np.minimum(further, usual)
        near = further
    return double | np.isin(side.places, nearest[double])


def _of_two_patients(places: np.ndarray, names: np.ndarray) -> bool:
    """Whether lesions in these places tell of two patients; a held-out one and a training one always do."""
    training = places[places < len(names)]
    return len(training) < len(places) or len(set(names[training].tolist())) > 1


def _pairs(places: np.ndarray, nearest: np.ndarray, apart: np.ndarray) -> tuple[tuple[int, int], ...]:
    """(K,) places of doubles, (K,) those of their nearest: the pairs, the nearest first, each once."""
    order = np.argsort(apart, kind="stable")
    pairs = np.sort(np.column_stack([places, nearest])[order], axis=1)
    return tuple(dict.fromkeys((int(one), int(other)) for one, other in pairs))


def _limit(distances: np.ndarray, share: float) -> float:
    return max(_LEAST, float(np.percentile(distances, share * _PERCENTILE)))


def chance_of_near(compared: int) -> tuple[float, float]:
    """What share of other patients' lesions are near-copies by chance: as expected, and in the worst of twenty sets.

    compared: from 1, how many distances the threshold is the 1st percentile of. With few it is little more than the
    smallest of them, under which a fresh lesion falls more often than once in a hundred. The share below the k-th
    smallest of n independent distances has the distribution Beta(k, n + 1 - k) (David and Nagaraja 2003), nearly so
    also where k, 1 + (n - 1) / 100 here, is no whole number.
    """
    rank = 1 + (compared - 1) * _PERCENTILE / 100
    shares = beta(rank, compared + 1 - rank)
    return float(shares.mean()), float(shares.ppf(0.95))
