"""Numbers with their intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest, t

from augmentor.measures import chunks, weighted_auc

_DRAWS = 500
_LEAST_KNOWN = 0.2  # of the draws
Bounded = dict[str, float | None]  # value, low, high; None where it can't be told
UNKNOWN: Bounded = {"value": None, "low": None, "high": None}
_Measure = Callable[[np.ndarray], np.ndarray]  # (N, D), how often each row is drawn -> (D,), NaN where it is unknown


def share(hits: np.ndarray) -> Bounded:
    """(N,) bool -> the share of hits, with Wilson's 95 % interval."""
    return {"value": float(hits.mean())} | _wilson(int(hits.sum()), len(hits))


def share_over_patients(hits: np.ndarray, groups: np.ndarray) -> Bounded:
    """(N,) bool -> the share of hits, with a bootstrap interval over groups (patients), or as wide as Wilson's, which
    is the wider one where all are hits. No bounds for one group."""
    return _no_surer(_bootstrap(lambda weights: hits @ weights / weights.sum(0), groups), len(hits))


def macro_sensitivity(truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> Bounded:
    """Mean over classes of the share that was recognised, with a bootstrap interval over groups (patients), or as wide
    as Wilson's for a share of that size. Draws that lack a class measure something else and are left out. No bounds
    where a class is of one group."""
    members = truth == np.unique(truth)[:, None]  # (C, N)
    right = members & (truth == predicted)

    def measure(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return (right @ weights / (members @ weights)).mean(0)

    fewest = min(len(np.unique(groups[rows])) for rows in members)
    return _no_surer(_bootstrap(measure, groups, fewest=fewest), len(truth))


def auc(positive: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> Bounded:
    """AUC of (N,) scores for (N,) bool, with a bootstrap interval over groups, or as wide as Wilson's for as large a
    share of the groups, which is the wider one where the kinds are wholly apart. No bounds where either is of one
    group."""
    drawn = _bootstrap(lambda weights: weighted_auc(positive, scores, weights), groups, positive)
    return _no_surer(drawn, len(np.unique(groups)))


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """2.5th and 97.5th percentile of the draws that are known; NaN where these are fewer than a fifth."""
    known = draws[~np.isnan(draws)]
    if len(known) < _LEAST_KNOWN * len(draws):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _wilson(hits: int, count: int) -> Bounded:
    low, high = binomtest(hits, count).proportion_ci(0.95, "wilson")
    return {"low": float(low), "high": float(high)}


def _no_surer(drawn: Bounded, count: int) -> Bounded:
    """`drawn`, its bounds no nearer than those of as large a share of `count` independent rows."""
    value, low, high = drawn["value"], drawn["low"], drawn["high"]
    if value is None or low is None or high is None:
        return drawn
    alone = _wilson(round(value * count), count)
    return drawn | {"low": min(low, alone["low"] or 0.0), "high": max(high, alone["high"] or 0.0)}


def _bootstrap(
    measure: _Measure, groups: np.ndarray, strata: np.ndarray | None = None, fewest: int | None = None
) -> Bounded:
    """The percentile interval of a measure in [0, 1] over groups drawn with replacement, as many of each stratum as
    there are.

    Percentiles lie too near to the estimate where groups are few, as if the variance of g groups were (g - 1) / g of
    itself, and known. So both distances are stretched by t / 1.96 sqrt(g / (g - 1)), t Student's quantile with g - 1
    degrees of freedom: what Hesterberg's expanded percentile interval (2015) does for a mean. g is `fewest`, by default
    the number of groups of the smallest stratum. No bounds where that is one, or where a measure is unknown in most
    draws.
    """
    value = float(measure(np.ones((len(groups), 1)))[0])
    _, number = np.unique(groups, return_inverse=True)
    kind = np.zeros(number.max() + 1, np.int64)
    if strata is not None:
        kind[number] = strata.astype(np.int64)
    members = [np.flatnonzero(kind == k) for k in np.unique(kind)]
    fewest = min(len(m) for m in members) if fewest is None else fewest
    drawn = _draw(members)
    found = np.concatenate([measure(drawn[rows][:, number].T) for rows in chunks(_DRAWS, len(groups))])
    bounds = np.array(percentile_interval(found))
    if fewest < 2 or np.isnan(bounds).any():
        return {"value": value, "low": None, "high": None}
    low, high = value + _stretch(fewest) * (bounds - value)
    return {"value": value, "low": max(0.0, float(low)), "high": min(1.0, float(high))}


def _draw(members: list[np.ndarray]) -> np.ndarray:
    """The numbers of the groups of each stratum -> (draws, groups) how often each is drawn."""
    count = sum(len(rows) for rows in members)
    drawn, randomness = np.zeros((_DRAWS, count)), np.random.default_rng(0)
    for number in range(_DRAWS):
        for rows in members:
            drawn[number] += np.bincount(randomness.choice(rows, len(rows)), minlength=count)
    return drawn


def _stretch(count: int) -> float:
    return float(t.ppf(0.975, count - 1) / 1.96 * np.sqrt(count / (count - 1)))
