"""How alike two sets of feature vectors are: arithmetic only, the literature's names."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances, polynomial_kernel

NEIGHBOURS = 5


def standardise(reference: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Zero mean and unit variance by the reference's own columns; constant columns become 0 there."""
    mean, deviation = reference.mean(0), reference.std(0)
    deviation = np.where(deviation < 1e-9, 1.0, deviation)
    return tuple((x - mean) / deviation for x in (reference, *others))


def kid(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Kernel inception distance: unbiased squared MMD, kernel (x.y / D + 1)^3 (Binkowski et al. 2018, eq. 4).

    real: (N, D), synthetic: (M, D), N and M at least 2. Zero on average where both come from one distribution;
    a single value can be negative.
    """
    n, m = len(real), len(synthetic)
    rr = polynomial_kernel(real, degree=3, coef0=1)
    ss = polynomial_kernel(synthetic, degree=3, coef0=1)
    within = (rr.sum() - np.trace(rr)) / (n * (n - 1)) + (ss.sum() - np.trace(ss)) / (m * (m - 1))
    return float(within - 2 * polynomial_kernel(real, synthetic, degree=3, coef0=1).mean())


def mmd(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Unbiased squared MMD with a Gaussian kernel as wide as the median distance within `real`.

    Bounded, so that a few odd samples can't rule it as they do KID's cubic kernel (Gretton et al. 2012, eq. 3).
    """
    n, m = len(real), len(synthetic)
    within_real = euclidean_distances(real)
    width = max(float(np.median(within_real[np.triu_indices(n, 1)])), 1e-12)

    def kernel(distances: np.ndarray) -> np.ndarray:
        return np.exp(-((distances / width) ** 2) / 2)

    rr, ss = kernel(within_real), kernel(euclidean_distances(synthetic))
    within = (rr.sum() - n) / (n * (n - 1)) + (ss.sum() - m) / (m * (m - 1))
    return float(within - 2 * kernel(euclidean_distances(real, synthetic)).mean())


def radii(points: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """(N,): each point's distance to its k-th nearest other point (k is lowered where there are fewer)."""
    distances = np.sort(euclidean_distances(points), axis=1)
    return distances[:, min(neighbours, len(points) - 1)]


def coverage(real: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS) -> float:
    """Share of real points with a synthetic one within their k-th neighbour's distance (Naeem et al. 2020, eq. 7)."""
    return float((euclidean_distances(real, synthetic).min(1) <= radii(real, neighbours)).mean())


def density(real: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS) -> float:
    """Mean number of real neighbourhoods that a synthetic point lies in, over k (Naeem et al. 2020, eq. 6)."""
    inside = euclidean_distances(real, synthetic) <= radii(real, neighbours)[:, None]
    return float(inside.sum(0).mean() / neighbours)


def precision(real: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS) -> float:
    """Share of synthetic points inside the union of real neighbourhoods (Kynkaanniemi et al. 2019, eq. 1)."""
    inside = euclidean_distances(real, synthetic) <= radii(real, neighbours)[:, None]
    return float(inside.any(0).mean())


def recall(real: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS) -> float:
    """Share of real points inside the union of synthetic neighbourhoods (Kynkaanniemi et al. 2019, eq. 2)."""
    return precision(synthetic, real, neighbours)
