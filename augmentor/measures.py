"""How alike two sets of feature vectors are: arithmetic only, the literature's names.

Distances are taken in chunks of rows: memory grows with the number of vectors, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import eigvalsh
from scipy.stats import t
from sklearn.metrics.pairwise import euclidean_distances, polynomial_kernel

NEIGHBOURS = 5
LEAST_DEVIATION = 0.1  # of a feature, as a share of the median one's, where few real lesions say how much it varies
_CHUNK_NUMBERS = 4_000_000  # distances held at a time: 32 MB
_MOST_PAIRED = 1000  # points whose median distance sets a kernel's width


def standardise(reference: np.ndarray, *others: np.ndarray, least: float = 0.0) -> tuple[np.ndarray, ...]:
    """Zero mean and unit variance by the reference's own columns; constant columns become 0 there.

    least: a column that varies less than this share of the median one is divided by that share instead. A network's
    feature that the reference hardly ever shows would otherwise become millions where another set shows it.
    """
    mean, deviation = reference.mean(0), reference.std(0)
    constant = deviation < 1e-9
    if least and not constant.all():
        deviation = np.maximum(deviation, least * np.median(deviation[~constant]))
    deviation = np.where(constant, 1.0, deviation)
    return tuple((x - mean) / deviation for x in (reference, *others))


def spread_rows(rows: int, most: int) -> np.ndarray:
    """All of `rows` rows, or `most` of them that are spread evenly from the first to the last."""
    return np.unique(np.linspace(0, rows - 1, most).round().astype(int))


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of the rows of a matrix, each of which is worth holding."""
    size = max(1, _CHUNK_NUMBERS // max(1, columns))
    return (slice(start, start + size) for start in range(0, rows, size))


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(N, D), (M, D) -> the (N, M) distances, in chunks of rows."""
    return ((rows, euclidean_distances(a[rows], b)) for rows in chunks(len(a), len(b)))


def kid(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Kernel inception distance: unbiased squared MMD, kernel (x.y / D + 1)^3 (Binkowski et al. 2018, eq. 4).

    real: (N, D), synthetic: (M, D), N and M at least 2. Zero on average where both come from one distribution;
    a single value can be negative.
    """
    return _kid(*_cubic_sums(real, synthetic))


def kid_interval(
    real: np.ndarray, synthetic: np.ndarray, groups: np.ndarray, other_groups: np.ndarray, level: float = 0.95
) -> tuple[float, float] | None:
    """The interval of `kid`, by the jackknife (Efron and Stein 1981): each group of real lesions (a patient's) is left
    out in turn, and of the others as many bunches of whole groups at most.

    groups: (N,) of the real ones, other_groups: (M,) of the others (synthetic lesions: one each). The two variances are
    added, and the quantile is Student's with the smaller number of groups less one. None where a side is of fewer than
    two groups, or one of its groups holds all but one.
    """
    _, codes = np.unique(groups, return_inverse=True)
    _, parts = np.unique(other_groups, return_inverse=True)
    parts = parts % (codes.max() + 1) if codes.max() else parts
    if any(c.max() < 1 or len(c) - np.bincount(c).max() < 2 for c in (codes, parts)):
        return None
    sums = _cubic_sums(real, synthetic)
    variance = _jackknife(_without(real, codes, sums[0], sums[2], sums[1]))
    variance += _jackknife(_without(synthetic, parts, sums[1], sums[3], sums[0]))
    half = float(t.ppf((1 + level) / 2, min(codes.max(), parts.max()))) * variance**0.5
    middle = _kid(*sums)
    return middle - half, middle + half


def _cubic_sums(real: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What each vector's kernel with the others adds up to: real with real (N,), synthetic with synthetic (M,), both
    without itself, real with synthetic (N,), synthetic with real (M,)."""
    across, back = np.empty(len(real)), np.zeros(len(synthetic))
    for rows in chunks(len(real), len(synthetic)):
        kernel = _cubic(real[rows], synthetic)
        across[rows] = kernel.sum(1)
        back += kernel.sum(0)
    return _within(real), _within(synthetic), across, back


def _within(points: np.ndarray) -> np.ndarray:
    sums = np.empty(len(points))
    for rows in chunks(len(points), len(points)):
        sums[rows] = _cubic(points[rows], points).sum(1)
    return sums - ((points**2).sum(1) / points.shape[1] + 1) ** 3


def _cubic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return polynomial_kernel(a, b, degree=3, coef0=1)


def _kid(rr: np.ndarray, ss: np.ndarray, rs: np.ndarray, _sr: np.ndarray) -> float:
    n, m = len(rr), len(ss)
    return float(rr.sum() / (n * (n - 1)) + ss.sum() / (m * (m - 1)) - 2 * rs.sum() / (n * m))


def _without(
    points: np.ndarray, codes: np.ndarray, own: np.ndarray, across: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """(groups,): KID with each group of `points` left out. own, across: its sums; others: the other side's own."""
    n, m = len(points), len(others)
    found = []
    for rows in (np.flatnonzero(codes == code) for code in range(codes.max() + 1)):
        inside = _within(points[rows]).sum() if len(rows) > 1 else 0.0
        left = n - len(rows)
        within = (own.sum() - 2 * own[rows].sum() + inside) / (left * (left - 1))
        found.append(within + others.sum() / (m * (m - 1)) - 2 * (across.sum() - across[rows].sum()) / (left * m))
    return np.array(found)


def _jackknife(left_out: np.ndarray) -> float:
    count = len(left_out)
    return float((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())


def allows_fid(real: np.ndarray, synthetic: np.ndarray) -> bool:
    """Whether both sets have more vectors than features: with fewer, a covariance is not even of full rank."""
    return min(len(real), len(synthetic)) > real.shape[1]


def fid(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Frechet distance of two Gaussians with the sets' means and covariances (Heusel et al. 2017, eq. 6).

    Biased upward, and more so the fewer vectors there are (Chong and Forsyth 2020): compare only at the same N and M.
    """
    difference = real.mean(0) - synthetic.mean(0)
    one, other = np.cov(real, rowvar=False), np.cov(synthetic, rowvar=False)
    # The trace of the root of a product of two covariances: the product's eigenvalues are real and not negative.
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(eigvalsh(root @ other @ root), 0)).sum()
    return float(difference @ difference + np.trace(one) + np.trace(other) - 2 * shared)


def mmd(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Unbiased squared MMD with a Gaussian kernel as wide as the median distance within `real` (of 1000 at most).

    Bounded, so that a few odd samples can't rule it as they do KID's cubic kernel (Gretton et al. 2012, eq. 3).
    """
    n, m = len(real), len(synthetic)
    paired = real[spread_rows(n, _MOST_PAIRED)]
    width = max(float(np.median(euclidean_distances(paired)[np.triu_indices(len(paired), 1)])), 1e-12)

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(np.exp(-((found / width) ** 2) / 2).sum()) for _, found in _distances(a, b))

    within = (total(real, real) - n) / (n * (n - 1)) + (total(synthetic, synthetic) - m) / (m * (m - 1))
    return within - 2 * total(real, synthetic) / (n * m)


def radii(points: np.ndarray) -> np.ndarray:
    """(N,): each point's distance to its k-th nearest other point (k is lowered where there are fewer)."""
    place = min(NEIGHBOURS, len(points) - 1)
    found = np.empty(len(points))
    for rows, distances in _distances(points, points):
        found[rows] = np.partition(distances, place, axis=1)[:, place]
    return found


def coverage(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Share of real points with a synthetic one within their k-th neighbour's distance.

    Naeem et al. 2020, section 3."""
    nearest = np.concatenate([distances.min(1) for _, distances in _distances(real, synthetic)])
    return float((nearest <= radii(real)).mean())


def density(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean number of real neighbourhoods that a synthetic point lies in, over k, which is lowered as by `radii`.

    Naeem et al. 2020, section 3."""
    return float(_inside(real, synthetic).mean() / min(NEIGHBOURS, len(real) - 1))


def precision(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Share of synthetic points inside the union of real neighbourhoods (Kynkaanniemi et al. 2019, eq. 2)."""
    return float((_inside(real, synthetic) > 0).mean())


def recall(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Share of real points inside the union of synthetic neighbourhoods (Kynkaanniemi et al. 2019, eq. 2)."""
    return precision(synthetic, real)


def _inside(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """(M,): how many neighbourhoods of real points each synthetic point lies in."""
    reach = radii(real)
    counts = [(distances <= reach).sum(1) for _, distances in _distances(synthetic, real)]
    return np.concatenate(counts)
