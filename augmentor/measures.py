"""How alike two sets of feature vectors are: arithmetic only, the literature's names.

Distances are taken in chunks of rows: memory grows with the number of vectors, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def drawn_rows(rows: int, most: int) -> np.ndarray:
    """All of `rows` rows, or `most` of them, by chance but always the same."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of the rows of a matrix, each of which is worth holding."""
    size = max(1, _CHUNK_NUMBERS // max(1, columns))
    return (slice(start, start + size) for start in range(0, rows, size))


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(N, D), (M, D) -> the (N, M) distances, in chunks of rows."""
    return ((rows, euclidean_distances(a[rows], b)) for rows in chunks(len(a), len(b)))


def mean_kid_interval(classes: Sequence[KernelSums]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of the classes' `kid`, by the jackknife (Efron and Stein 1981): each group of real
    lesions (a patient's) is left out of all classes at once, and so is each group of the others; where these are one
    each (synthetic lesions), they are left out in as many bunches as there are groups of real ones at most.

    The two variances are added, and the quantile is Student's with the smallest number of groups or bunches, of a class
    and side, less one. None where a class has fewer than three groups on a side: without one of two there is no KID.
    """
    real, synthetic = [found.real for found in classes], [found.synthetic for found in classes]
    if any(len(np.unique(side.groups)) < 3 for side in real + synthetic):
        return None
    codes = _numbered(real)
    parts = _parts(synthetic, 1 + int(np.concatenate(codes).max()))
    variance = _jackknife(_means_without(real, synthetic, codes)) + _jackknife(_means_without(synthetic, real, parts))
    half = float(t.ppf(0.975, min(len(np.unique(code)) for code in codes + parts) - 1)) * variance**0.5
    middle = float(np.mean([found.kid for found in classes]))
    return middle - half, middle + half


@dataclass(frozen=True)
class KernelSide:
    """One of two sets. points: (N, D). groups: (N,). partners: (N,), of how many points each point's group is not.
    own: (N,), what its kernel with these adds up to. across: (N,), the same with all points of the other set."""

    points: np.ndarray
    groups: np.ndarray
    partners: np.ndarray
    own: np.ndarray
    across: np.ndarray

    @property
    def within(self) -> float:
        """The mean kernel of two points of different groups; NaN where there is one group."""
        return _mean(self.own.sum(), self.partners.sum())


@dataclass(frozen=True)
class KernelSums:
    """What KID and its interval are made of, of a pair of sets."""

    real: KernelSide
    synthetic: KernelSide

    @property
    def kid(self) -> float:
        """Kernel inception distance: unbiased squared MMD, kernel (x.y / D + 1)^3 (Binkowski et al. 2018, eq. 4).

        Within a set only pairs of different groups count, for lesions of one patient are alike. Zero on average where
        both come from one distribution; a single value can be negative. NaN where all of a set is of one group.
        """
        return _without(self.real, self.synthetic, np.empty(0, np.int64))


def compare_kernels(
    real: np.ndarray, synthetic: np.ndarray, groups: np.ndarray | None = None, other_groups: np.ndarray | None = None
) -> KernelSums:
    """Of two sets.

    real: (N, D), synthetic: (M, D), N and M at least 2. groups: (N,) whose each real vector is (a patient's),
    other_groups: (M,) of the others; by default one each.
    """
    across, back = np.empty(len(real)), np.zeros(len(synthetic))
    for rows in chunks(len(real), len(synthetic)):
        kernel = _cubic(real[rows], synthetic)
        across[rows] = kernel.sum(1)
        back += kernel.sum(0)
    return KernelSums(_kernel_side(real, groups, across), _kernel_side(synthetic, other_groups, back))


def _kernel_side(points: np.ndarray, groups: np.ndarray | None, across: np.ndarray) -> KernelSide:
    groups = np.arange(len(points)) if groups is None else groups
    return KernelSide(points, groups, _partners(groups), _within(points, groups), across)


def _blocks(groups: np.ndarray) -> list[np.ndarray]:
    """The rows of each group that has several."""
    order = np.argsort(groups, kind="stable")
    _, starts = np.unique(groups[order], return_index=True)
    return [rows for rows in np.split(order, starts[1:]) if len(rows) > 1]


def _partners(groups: np.ndarray) -> np.ndarray:
    found = np.full(len(groups), len(groups) - 1)
    for rows in _blocks(groups):
        found[rows] = len(groups) - len(rows)
    return found


def _within(points: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N,): what each point's kernel with those of other groups adds up to."""
    if (groups == groups[0]).all():
        return np.zeros(len(points))
    sums = _all_within(points)
    for rows in _blocks(groups):
        sums[rows] -= _all_within(points[rows])
    return sums


def _all_within(points: np.ndarray) -> np.ndarray:
    """(N,): what each point's kernel with the others adds up to."""
    sums = np.empty(len(points))
    for rows in chunks(len(points), len(points)):
        sums[rows] = _cubic(points[rows], points).sum(1)
    return sums - ((points**2).sum(1) / points.shape[1] + 1) ** 3


def _cubic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return polynomial_kernel(a, b, degree=3, coef0=1)


def _mean(total: float, pairs: int) -> float:
    return float(total / pairs) if pairs else float("nan")


def _without(side: KernelSide, other: KernelSide, rows: np.ndarray) -> float:
    """KID without these points of `side`."""
    inside = _within(side.points[rows], side.groups[rows]).sum() if len(rows) else 0.0
    pairs = side.partners.sum() - 2 * side.partners[rows].sum() + _partners(side.groups[rows]).sum()
    within = _mean(side.own.sum() - 2 * side.own[rows].sum() + inside, pairs)
    across = (side.across.sum() - side.across[rows].sum()) / ((len(side.own) - len(rows)) * len(other.own))
    return float(within + other.within - 2 * across)


def _means_without(sides: list[KernelSide], others: list[KernelSide], codes: list[np.ndarray]) -> np.ndarray:
    """(parts,): the mean of the classes' KID with each part of `sides` left out. codes: (N,) a class, the part of each
    point."""
    found = np.empty((len(sides), 1 + int(np.concatenate(codes).max())))
    for row, (side, other, code) in enumerate(zip(sides, others, codes, strict=True)):
        found[row] = KernelSums(side, other).kid
        for part in np.unique(code):
            found[row, part] = _without(side, other, np.flatnonzero(code == part))
    return found.mean(0)


def _numbered(sides: list[KernelSide]) -> list[np.ndarray]:
    """The groups of each class, numbered from 0 over all classes."""
    codes = np.unique(np.concatenate([side.groups for side in sides]), return_inverse=True)[1]
    return np.split(codes, np.cumsum([len(side.groups) for side in sides])[:-1])


def _parts(sides: list[KernelSide], most: int) -> list[np.ndarray]:
    """The groups, `_numbered`; where each is of one point, they are dealt to `most` bunches, class after class."""
    codes = _numbered(sides)
    count = sum(len(code) for code in codes)
    if np.concatenate(codes).max() < count - 1:
        return codes
    return np.split(np.arange(count) % most, np.cumsum([len(code) for code in codes])[:-1])


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


def mmd(
    real: np.ndarray, synthetic: np.ndarray, groups: np.ndarray | None = None, other_groups: np.ndarray | None = None
) -> float:
    """Unbiased squared MMD with a Gaussian kernel as wide as the median distance within `real` (of 1000 at most).

    Bounded, so that a few odd samples can't rule it as they do KID's cubic kernel (Gretton et al. 2012, eq. 3).
    groups, other_groups: as of `compare_kernels`; NaN where all of a set is of one group.
    """
    n, m = len(real), len(synthetic)
    paired = real[spread_rows(n, _MOST_PAIRED)]
    width = max(float(np.median(euclidean_distances(paired)[np.triu_indices(len(paired), 1)])), 1e-12)

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(np.exp(-((found / width) ** 2) / 2).sum()) for _, found in _distances(a, b))

    def within(points: np.ndarray, groups: np.ndarray | None) -> float:
        groups = np.arange(len(points)) if groups is None else groups
        blocks = _blocks(groups)
        inside = len(points) - sum(map(len, blocks)) + sum(total(points[rows], points[rows]) for rows in blocks)
        return _mean(total(points, points) - inside, int(_partners(groups).sum()))

    return within(real, groups) + within(synthetic, other_groups) - 2 * total(real, synthetic) / (n * m)


def weighted_auc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,) bool, (N,) scores, (N, D) weights of 0 or more -> (D,) the area under the ROC curve, in [0, 1].

    Column d of `weights` says how often each row counts in draw d. The share of pairs of a positive and a negative that
    stand in the right order, ties as half (Hanley and McNeil 1982); NaN where one of the kinds does not count. For all
    draws at once: scikit-learn's roc_auc_score, draw by draw, takes a hundred times as long.
    """
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    weights, positive = weights[order], positive[order, None]
    above, below = np.add.reduceat(weights * positive, ties), np.add.reduceat(weights * ~positive, ties)
    passed = np.cumsum(below, 0) - below / 2
    with np.errstate(invalid="ignore"):
        return (above * passed).sum(0) / (above.sum(0) * below.sum(0))


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
