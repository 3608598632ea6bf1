"""How far a synthetic lesion lies from the real ones of its class, and which of many lesions cover all of them best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from augmentor.measures import NEIGHBOURS, radii

# Of the farthest lesion's distance to the mean. Distances are roots of differences of squares, which float64 rounds at
# a share of 2e-16: equal lesions come out a few 1e-8 of it apart.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Realism:
    """How far a lesion lies from the real lesions of its class, in what is typical there: 1 is as far as a training
    lesion's fifth neighbour typically is.

    After the realism score of Kynkaanniemi et al. 2019 (section 5; there more is better), which measures a sample by
    the k-nearest-neighbour distances of real ones; here in standardised texture features. The classes share one
    distribution of ratios, for the 99th percentile of thirty lesions is little more than the farthest of them.
    """

    scaler: StandardScaler
    real: list[np.ndarray]  # of each class (N, D), standardised
    typical: np.ndarray  # (classes,): median distance of a training lesion to its k-th neighbour in the class
    ratios: np.ndarray  # (N,): those of the training lesions, each left out of its own neighbours

    def measure(self, features: np.ndarray, target: int) -> np.ndarray:
        """(M, D) texture features of lesions meant for class `target` -> (M,), 0 or more."""
        distances = np.sort(euclidean_distances(self.scaler.transform(features), self.real[target]), axis=1)
        return distances[:, _neighbours(self.real[target]) - 1] / self.typical[target]


def fit_realism(features: np.ndarray, targets: np.ndarray) -> Realism:
    """features: (N, D) texture features of the training lesions, targets: (N,) from 0 to classes - 1."""
    scaler = StandardScaler().fit(features)
    real = [scaler.transform(features[targets == c]) for c in range(int(targets.max()) + 1)]
    distances = [radii(lesions) for lesions in real]
    medians = np.array([np.median(d) for d in distances])
    # A class of one lesion, or of equal ones, has no distance of its own.
    known = medians > _ROUNDING * np.linalg.norm(np.concatenate(real), axis=1).max()
    typical = np.where(known, medians, np.median(medians[known]) if known.any() else 1.0)
    return Realism(scaler, real, typical, np.concatenate([d / t for d, t in zip(distances, typical, strict=True)]))


def _neighbours(lesions: np.ndarray) -> int:
    return max(1, min(NEIGHBOURS, len(lesions) - 1))


def covering_order(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Greedy k-centre: `count` of the (N, D) points, each the farthest from those before it (Gonzalez 1985).

    Begins with the point nearest to the mean. The farthest of the N points from the chosen ones is at most twice as far
    as with the best choice of as many, for every beginning of the order too. On features as in Sener and Savarese 2018.
    Returns rows (count,), and the distance of each to the nearest before it (infinite for the first).
    """
    rows = [int(((points - points.mean(0)) ** 2).sum(1).argmin())]
    gaps, nearest = [np.inf], np.full(len(points), np.inf)
    while len(rows) < min(count, len(points)):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[rows[-1]], axis=1))
        nearest[rows] = -1.0
        rows.append(int(nearest.argmax()))
        gaps.append(float(nearest[rows[-1]]))
    return np.array(rows), np.array(gaps)
