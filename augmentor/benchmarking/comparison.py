"""An arm against the baseline: paired tests, what they may conclude, and the verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from scipy import optimize, stats

from augmentor.benchmarking.arms import BASELINE
from augmentor.benchmarking.rounding import clear_form, tell_p
from augmentor.benchmarking.statistics import ALPHA, LOWER_IS_BETTER, POWER

_LEAST_PAIRS = 3
_MOST_LISTED = 3
_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "macro sensitivity",
    "specificity": "macro specificity",
    "auc": "macro AUC",
    "brier": "the Brier score",
    "ece": "the calibration error",
}
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

    @property
    def benefit(self) -> float:
        """The difference, positive where the arm is better."""
        return -self.difference if self.metric in LOWER_IS_BETTER else self.difference


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
    spread = float(difference.std(ddof=1)) if k >= _LEAST_PAIRS else 0.0
    error = spread * float(np.sqrt(1 / k + test_share)) if spread > 1e-9 else None
    return Paired(*names, mean, error, k - 1, k if cells is None else cells)


def holm(family: list[Paired]) -> list[Comparison]:
    """Holm's step-down procedure (1979) over the comparisons that are looked at together, in their order.

    Those that are not rejected share one level: the smallest p among them was held against it, whichever comparison had
    it. So an interval leaves out zero exactly where there is a verdict, and a true difference of the detectable size is
    shown with the power that it promises.
    """
    order = np.argsort([one.p for one in family], kind="stable")
    tests = len(family) - np.arange(len(family))
    corrected = np.maximum.accumulate(np.minimum(1.0, np.array([family[i].p for i in order]) * tests))
    rejected = int((corrected < ALPHA).sum())
    tests[rejected:] = len(family) - rejected
    made = {i: _conclude(family[i], float(p), int(left)) for i, p, left in zip(order, corrected, tests, strict=True)}
    return [made[i] for i in range(len(family))]


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


@dataclass(frozen=True)
class _Planned:
    """Folds a seed, seeds, and the different test sets of all of them, as they were asked for."""

    folds: int
    seeds: int
    test_sets: int

    def tell(self, compared: Sequence[Comparison]) -> str:
        """The design that these comparisons had: the planned one, or where cells failed, how many are left of it."""
        planned = self.folds * self.seeds
        cells, sets, all_sets = [c.cells for c in compared], [c.test_sets for c in compared], planned
        told = f"{self.folds} fold{'s' * (self.folds != 1)} x {self.seeds} seed{'s' * (self.seeds != 1)}"
        if min(cells) < planned:
            told, all_sets = f"{_range(cells)} of {planned} cell{'s' * (planned != 1)}", max(cells)
        else:
            sets = [self.test_sets]
        if max(sets) < all_sets:
            told += f", {_range(sets)} different test set{'s' * (max(sets) != 1)}"
        return told


def _range(counts: Sequence[int]) -> str:
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(counts[0])


def sentence(comparisons: list[Comparison], folds: int, seeds: int, test_sets: int) -> str:
    """The verdict for one metric, over all arms and classifiers; `comparisons` are those of GAN arms.

    folds, seeds: those that were planned. test_sets: how many of the folds of all seeds differ; told where some are the
    same. Where cells failed, how many of them a comparison has is told in their place.
    Gains come first, then harms, each named with its interval; of the others only the range where they are many.
    A point is a hundredth of the metric.
    """
    planned = _Planned(folds, seeds, test_sets)
    if not comparisons:
        return "No arm with synthetic lesions could be compared with classic augmentation."
    of = {v: [c for c in comparisons if c.verdict == v] for v in ("gain", "harm", "none")}
    told = [_tell_changes(of[v], planned) for v in ("gain", "harm") if of[v]]
    if of["none"]:
        told.append(_tell_none(of["none"], "other gain" if of["gain"] else "gain", planned))
    return " ".join(told)


def _tell_changes(changed: list[Comparison], planned: _Planned) -> str:
    """Comparisons of one verdict, the largest first; a design is told where it is another than before."""
    first = changed[0]
    verb = "raised" if first.difference > 0 else "lowered"
    if first.verdict == "harm":
        verb = f"harmed: they {verb}"
    ordered = sorted(changed, key=lambda c: -abs(c.difference))
    designs = [planned.tell([c]) for c in ordered]
    items = [
        _tell(c, f", {design}" if design != before else "")
        for c, design, before in zip(ordered, designs, ["", *designs[:-1]], strict=True)
    ]
    return f"Synthetic lesions {verb} {_name(first)} {'; '.join(items)}."


def _tell(one: Comparison, design: str) -> str:
    """The size of a change and its interval, both in the direction that the verb has named."""
    low, high = sorted(abs(100 * bound) for bound in (one.low, one.high) if bound is not None)
    bounds = f"{low:{clear_form(low, '.1f')}} to {high:.1f}"
    spread = f"95 % CI {bounds}, corrected p {tell_p(one.p or 0.0)}{design}"
    return f"by {abs(100 * one.difference):.1f} points ({spread}) in {one.arm} with {one.classifier}"


def _tell_none(silent: list[Comparison], what: str, planned: _Planned) -> str:
    return f"No {what} shown: {_unseen(silent, planned)}. ({_differences(silent)}; {planned.tell(silent)}.)"


def _unseen(silent: list[Comparison], planned: _Planned) -> str:
    """Why none of these is a verdict."""
    if planned.test_sets < _LEAST_PAIRS:
        return "this design has too few folds to tell any effect from chance"
    enough = [c for c in silent if c.test_sets >= _LEAST_PAIRS]
    if not enough:
        return "after the cells that failed, too few folds are left to tell any effect from chance"
    told = "every fold differed by the same, which leaves no spread to tell an effect from chance by"
    if all(c.difference == 0 for c in enough):
        told = "both arms scored the same in every fold"
    if limits := sorted(100 * c.detectable for c in enough if c.detectable is not None):
        noisiest = f" ({limits[-1]:.1f} in the noisiest comparison)" if limits[-1] - limits[0] >= 0.1 else ""
        told = f"an effect under {limits[0]:.1f} points{noisiest} could not have been seen with this many patients"
    if few := len(silent) - len(enough):
        has = "comparison has" if few == 1 else "comparisons have"
        told += f"; {few} {has} too few folds left, after the cells that failed, to tell any effect from chance"
    return told


def _differences(silent: list[Comparison]) -> str:
    """Each difference, or where they are many their number, range and best."""
    known = sorted((c for c in silent if not np.isnan(c.difference)), key=lambda c: c.benefit)
    name = _name(silent[0])
    lead = f"{name[0].upper()}{name[1:]}, difference in points"
    if not known:
        return f"{lead}: not measured"
    if len(silent) <= _MOST_LISTED:
        return f"{lead}: " + ", ".join(f"{c.arm} with {c.classifier} {_points(c)}" for c in silent)
    worst, best = known[0], known[-1]
    span = f"{100 * worst.difference:+.1f} to {100 * best.difference:+.1f}"
    return f"{lead}, {len(known)} comparisons: {span}, best {best.arm} with {best.classifier}"


def _points(one: Comparison) -> str:
    return "not measured" if np.isnan(one.difference) else f"{100 * one.difference:+.1f}"


def _name(one: Comparison) -> str:
    return _NAMES.get(one.metric, one.metric)
