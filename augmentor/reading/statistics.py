"""What answers to a reading can and can't show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import beta, binom, binomtest, norm
from sklearn.metrics import cohen_kappa_score

from augmentor.benchmarking.limits import ALPHA, POWER

_SHUFFLES = 9999


def proportion(right: np.ndarray, lesions: np.ndarray) -> dict[str, Any]:
    """How many of the answers are right, with a 95 % interval for readers of these skills and other such lesions.

    right: (N,) bool; lesions: (N,) which lesion each answer is about. With one answer a lesion the interval is exact
    (Clopper and Pearson 1934). With several readers, answers to one lesion go together, so it is the same interval at
    the effective number of answers (Korn and Graubard 1998, without their factor for degrees of freedom, but never
    fewer than the lesions or more than the answers).
    """
    n, k = len(right), int(right.sum())
    if not n:
        return {"right": 0, "n": 0, "accuracy": None, "low": None, "high": None}
    size = _effective(right, lesions)
    hits = k / n * size
    low = float(beta.ppf(ALPHA / 2, hits, size - hits + 1)) if k else 0.0
    high = float(beta.ppf(1 - ALPHA / 2, hits + 1, size - hits)) if k < n else 1.0
    return {"right": k, "n": n, "accuracy": k / n, "low": low, "high": high}


def _effective(right: np.ndarray, lesions: np.ndarray) -> float:
    """The number of independent answers that would vary as much: by the variance between lesions."""
    by_lesion = pd.Series(right.astype(float)).groupby(lesions).agg(["sum", "size"])
    clusters, n, share = len(by_lesion), len(right), right.mean()
    if clusters == n:
        return float(n)
    surplus = (by_lesion["sum"] - share * by_lesion["size"]).to_numpy()
    variance = clusters / max(clusters - 1, 1) * float((surplus**2).sum()) / n**2
    if variance == 0:  # all right or all wrong says nothing of how answers vary; as many right of each lesion says all
        return float(clusters if share in (0, 1) else n)
    return float(np.clip(share * (1 - share) / variance, clusters, n))


def against_chance(right: np.ndarray) -> float:
    """Two-sided exact binomial test of one reader's answers against a coin: its p-value."""
    return float(binomtest(int(right.sum()), len(right)).pvalue)


def detectable(n: int) -> float | None:
    """The smallest true accuracy that `against_chance` finds in n answers with 80 % power; None where it never can."""
    needed = int(binom.isf(ALPHA / 2, n, 0.5)) + 1
    if needed > n:
        return None
    return float(brentq(lambda share: binom.sf(needed - 1, n, share) - POWER, 0.5, 1.0))


def dprime(called: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    """Sensitivity d' and bias c of telling synthetic from real lesions (Green and Swets 1966).

    called, synthetic: (N,) bool, what was said and what is. Half an answer is added to each rate's count (the
    log-linear correction of Hautus 1995), so that a reader without an error has a finite d'. c > 0: says synthetic too
    seldom.
    """
    hit = (called[synthetic].sum() + 0.5) / (synthetic.sum() + 1)
    alarm = (called[~synthetic].sum() + 0.5) / ((~synthetic).sum() + 1)
    z_hit, z_alarm = norm.ppf([hit, alarm])
    return {"dprime": float(z_hit - z_alarm), "criterion": float(-(z_hit + z_alarm) / 2)}


def permuted(values: np.ndarray, synthetic: np.ndarray, strata: np.ndarray, seed: int) -> tuple[float, float]:
    """Do values differ between real and synthetic lesions? -> (mean of real less mean of synthetic, two-sided p).

    values: (lesions,) one number a lesion, such as how many of the readers were right. Real and synthetic lesions are
    different lesions, so nothing can be paired over them; but every reader reads both kinds, and a lesion keeps all of
    its readers' answers when the kinds are shuffled, so readers are paired. Kinds are shuffled within `strata` (the
    classes), whose difficulty then can't pass for a difference of kinds. 9999 shuffles, the one observed counted in.
    """
    drawn = np.random.default_rng(seed)
    order = np.argsort(strata, kind="stable")
    values, synthetic, strata = values[order].astype(float), synthetic[order], strata[order]
    # (shuffles, lesions): the observed kinds first.
    kinds = np.tile(synthetic, (_SHUFFLES + 1, 1))
    for name in np.unique(strata):
        rows = np.flatnonzero(strata == name)
        kinds[1:, rows] = drawn.permuted(kinds[1:, rows], axis=1)
    differences = ~kinds @ values / (~synthetic).sum() - kinds @ values / synthetic.sum()
    observed = float(differences[0])
    return observed, float((np.abs(differences) >= abs(observed) - 1e-12).mean())


def kappa(answers: np.ndarray) -> float | None:
    """Agreement beyond chance of (lesions, readers) answers: Cohen's kappa of two readers, Fleiss' of more.

    None for one reader, and where all gave one answer to everything, which leaves chance nothing.
    """
    if answers.shape[1] < 2 or len(np.unique(answers)) < 2:
        return None
    return float(cohen_kappa_score(*answers.T)) if answers.shape[1] == 2 else _fleiss(answers)


def _fleiss(answers: np.ndarray) -> float:
    """Fleiss 1971, equations 1 to 7."""
    counts = np.stack([(answers == value).sum(1) for value in np.unique(answers)], 1)
    lesions, readers = answers.shape
    agreement = ((counts**2).sum(1) - readers) / (readers * (readers - 1))
    by_chance = ((counts.sum(0) / (lesions * readers)) ** 2).sum()
    return float((agreement.mean() - by_chance) / (1 - by_chance))
