"""An arm against the baseline: paired tests, and what they may conclude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from scipy import optimize, stats

from augmentor.benchmarking.arms import BASELINE
from augmentor.benchmarking.limits import ALPHA, POWER
from augmentor.benchmarking.scores import LOWER_IS_BETTER

LEAST_PAIRS = 3
Verdict = Literal["gain", "none", "harm"]


@dataclass(frozen=True)
class Comparison:
    """Arm minus baseline, paired by fold and seed; fractions. None where the design can't tell.

    low, high: the interval at the level at which Holm's procedure tests this comparison, so that it excludes zero
    whenever the verdict is not "none"; p is Holm's. verdict: "gain" is better, so a lower Brier score is one.
    detectable: the smallest true difference that this design, with the spread that was seen, would show with 80 %
    probability. difference is NaN where no cell of both arms is done. cells: folds and seeds in which both arms are
    done; test_sets: how many different test sets these have, which is the number of pairs.
    """

    arm: str
    classifier: str
    metric: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    verdict: Verdict
    detectable: float | None
    cells: int
    test_sets: int


@dataclass(frozen=True)
class Paired:
    """One comparison before any correction: `error` is the standard error, `freedom` the degrees of freedom; `cells` as
    in `Comparison`."""

    arm: str
    classifier: str
    metric: str
    difference: float
    error: float | None
    freedom: int
    cells: int

    @property
    def p(self) -> float:
        """Two-sided; 1 where the design can't tell."""
        return float(2 * stats.t.sf(abs(self.difference) / self.error, self.freedom)) if self.error else 1.0


def compare(
    table: pd.DataFrame,
    arms: Sequence[str],
    classifiers: Sequence[str],
    metric: str,
    test_share: float,
) -> list[Comparison]:
    """Each arm with each classifier against the baseline, as one family (Holm), arm by arm.

    table: as `paired_scores` takes it; an arm and classifier of which, or of whose baseline, it has no row is left out
    of the family. test_share: as in `pair`.
    """
    there = set(zip(table["arm"], table["classifier"], strict=True))
    pairs = [(a, c) for a in arms for c in classifiers if {(a, c), (BASELINE, c)} <= there]
    family = []
    for arm, classifier in pairs:
        cells = _paired_cells(table, arm, BASELINE, classifier, metric)
        family.append(pair(*_scores(cells), test_share, (arm, classifier, metric), len(cells)))
    return holm(family)


def paired_scores(
    table: pd.DataFrame, arm: str, baseline: str, classifier: str, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """(k,) scores of the arm and (k,) of the baseline from the cells (fold, seed) that both have.

    table: a row a cell with the columns arm, classifier, fold, seed, test_set and `metric`; a cell that failed is
    absent or NaN and leaves its counterpart out too. Cells of one `test_set` are averaged: repeats of a training on
    the same patients are no further patients.
    """
    return _scores(_paired_cells(table, arm, baseline, classifier, metric))


def _paired_cells(table: pd.DataFrame, arm: str, baseline: str, classifier: str, metric: str) -> pd.DataFrame:
    """The scores of the arm and the baseline, in this order: a row for each fold and seed in which both are done."""
    chosen = table[table["classifier"] == classifier]
    index = ["fold", "seed", "test_set"]
    cells = {name: chosen[chosen["arm"] == name].set_index(index)[metric] for name in (arm, baseline)}
    return pd.concat(cells, axis=1, join="inner").dropna()


def _scores(cells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    means = cells.groupby(level="test_set").mean().to_numpy(float)
    return means[:, 0], means[:, 1]


def pair(
    arm: np.ndarray, baseline: np.ndarray, test_share: float, names: tuple[str, str, str], cells: int | None = None
) -> Paired:
    """The corrected resampled t-test (Nadeau and Bengio 2003): training sets of folds overlap, so the variance of the
    mean difference is (1/k + test/train) s^2 instead of s^2/k.

    arm, baseline: (k,) scores of the same test sets. test_share: test size over training size. names: arm, classifier,
    metric. cells: how many cells of each arm these scores are means of; None for one each. Under three pairs, or where
    all differences are equal (scores of small folds come in steps), there is no spread to judge by and `error` is None.
    """
    difference = arm - baseline
    k = len(difference)
    mean = float(difference.mean()) if k else float("nan")
    spread = float(difference.std(ddof=1)) if k >= LEAST_PAIRS else 0.0
    error = spread * float(np.sqrt(1 / k + test_share)) if spread > 1e-9 else None
    return Paired(*names, mean, error, k - 1, k if cells is None else cells)


def holm(family: list[Paired]) -> list[Comparison]:
    """Holm's step-down procedure (1979) over the comparisons that are looked at together, in their order.

    Those that are not rejected share one level: the smallest p among them was held against it, whichever comparison had
    it. So an interval leaves out zero exactly where there is a verdict, and a true difference of the detectable size is
    shown with the power that it promises.
    """
    ps = [one.p for one in family]
    corrected = step_down(ps)
    rejected = int((corrected < ALPHA).sum())
    left = len(family) - np.minimum(_ranks(ps), rejected)
    return [_conclude(one, float(p), int(tests)) for one, p, tests in zip(family, corrected, left, strict=True)]


def step_down(ps: Sequence[float]) -> np.ndarray:
    """(k,) p-values -> (k,) the same corrected for their number by Holm's step-down procedure (1979)."""
    ranks = _ranks(ps)
    corrected = np.empty(len(ps))
    corrected[ranks] = np.minimum(1.0, np.asarray(ps) * (len(ps) - ranks))
    return np.maximum.accumulate(corrected)[ranks]


def _ranks(ps: Sequence[float]) -> np.ndarray:
    """(k,) 0 for the smallest."""
    return np.argsort(np.argsort(ps, kind="stable"), kind="stable")


def _conclude(one: Paired, p: float, tests: int) -> Comparison:
    names, counts = (one.arm, one.classifier, one.metric), (one.cells, one.freedom + 1)
    if one.error is None:
        return Comparison(*names, one.difference, None, None, None, "none", None, *counts)
    critical, needed = _t_limits(tests, one.freedom)
    low, high = one.difference - critical * one.error, one.difference + critical * one.error
    verdict: Verdict = "none"
    if p < ALPHA:
        verdict = "harm" if (one.difference > 0) == (one.metric in LOWER_IS_BETTER) else "gain"
    return Comparison(*names, one.difference, low, high, p, verdict, needed * one.error, *counts)


@cache
def _t_limits(tests: int, freedom: int) -> tuple[float, float]:
    """In standard errors: the critical value of t at Holm's level, and the true difference that passes it with 80 %
    probability. The latter is a noncentral t's (Cohen 1988, ch. 2): at few folds the usual sum of two quantiles of the
    central t promises 80 % and gives as little as 67 %."""
    critical = float(stats.t.ppf(1 - ALPHA / 2 / tests, freedom))
    needed = optimize.brentq(lambda shift: stats.nct.sf(critical, freedom, shift) - POWER, 0, 2 * critical + 2)
    return critical, float(needed)


@dataclass(frozen=True)
class McNemar:
    """Lesions that only one of two arms called right, and the two-sided p of the exact test."""

    only_arm_right: int
    only_baseline_right: int
    p: float


def mcnemar(rows_arm: pd.DataFrame, rows_baseline: pd.DataFrame) -> McNemar:
    """McNemar's exact test (McNemar 1947; Fagerland et al. 2013) on pooled predictions: a second opinion, no verdict.

    Rows have the columns seed, path, label and predicted, of one classifier each; only (seed, path) that both arms
    predicted are compared. A lesion counts once, since its repeats are not independent: an arm is right about it where
    it is in more than half of the seeds. Lesions of one patient, and those that one fold's model called, count as
    independent though they are not, so p is too small where they go together. p is 1 where the arms never differ.
    """
    right = {
        name: (rows["label"] == rows["predicted"]).groupby([rows["seed"], rows["path"]]).mean()
        for name, rows in (("arm", rows_arm), ("baseline", rows_baseline))
    }
    lesions = pd.concat(right, axis=1, join="inner").groupby(level="path").mean() > 0.5
    arm, baseline = (
        int((lesions["arm"] & ~lesions["baseline"]).sum()),
        int((lesions["baseline"] & ~lesions["arm"]).sum()),
    )
    p = float(stats.binomtest(arm, arm + baseline).pvalue) if arm + baseline else 1.0
    return McNemar(arm, baseline, p)
