"""How near to a training lesion is too near: one limit for the audit and for what may be written."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from augmentor.errors import DataError
from augmentor.measures import spread_rows
from augmentor.model.originals import Originals
from augmentor.model.thumbnails import fine_views, views

_PERCENTILE = 1.0
_LEAST = 0.1  # nearer than this is one picture, however near the real lesions of a set come to each other
_THIRD = 1 / 3  # of the typical distance: nearer than this is a double
_GAP = 0.6  # of the next patient's distance, and of the typical one; real sets' nearest come to 0.65 and more of it
_NAMES = 3  # other patients under whose names a lesion's doubles are looked for
_OTHERS = 5  # patients beyond a gap that it takes to be one: of three or four, two may well be alike
_NAMED = 3  # pairs of doubles that a warning names
WINDOW = 512  # synthetic lesions that another one is compared with
_MOST_COMPARED = 500


@dataclass(frozen=True)
class CopyCheck:
    """From which distance to a training lesion on a synthetic one is no near-copy: what counts as near is measured, by
    how near other patients' lesions come to each other."""

    originals: Originals  # the training lesions
    threshold: float  # a lesion nearer than this is a near-copy
    typical: float  # the median nearest distance of other patients' lesions
    twin_threshold: float  # nearer than this to another one, by coarse views alone, a synthetic lesion repeats it
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
                f"are not known{named}. Name the patients, or take the doubles out, and start anew."
            )
        if not self.doubles:
            return None
        return (
            f"{self.left_out} of {self.compared + self.left_out} real lesions are nearly the same as a lesion under "
            f"another patient's name{named}. They do not count where it is measured how near other patients' lesions "
            "come to each other. If they are one patient's, give both that name or take one of them out, and start "
            "anew."
        )


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
    originals = Originals(views(training), fine_views(training))
    found = [originals.distances(side.images, side.own) for side in sides]
    apart, nearest = (np.concatenate(part) for part in zip(*found, strict=True))
    coarsely = np.concatenate([originals.distances(side.images, side.own, finely=False)[0] for side in sides])
    usual = float(np.median(apart))
    double = np.concatenate([_doubles(originals, names, *each, usual) for each in zip(sides, found, strict=True)])
    places = np.concatenate([side.places for side in sides])
    enough = _of_two_patients(places[~double], names)
    left = ~double if enough else np.ones_like(double)
    return CopyCheck(
        originals,
        threshold=_limit(apart[left], 1.0) if enough else _LEAST,
        typical=float(np.median(apart[left])),
        twin_threshold=_limit(coarsely[left], min(1.0, len(training) / WINDOW)),
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
    originals: Originals, names: np.ndarray, side: _Compared, found: tuple[np.ndarray, np.ndarray], usual: float
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
        further, row = originals.distances(images, seen)
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
