"""From predictions to figures: measures, patient-bootstrap intervals, paired comparisons, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

METRICS = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "auc")
_DRAWS, _AUC_DRAWS = 2000, 200
_POWER, _ALPHA = 0.8, 0.05
_LEAST_PAIRS = 3
Verdict = Literal["gain", "none", "harm"]


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: rows truth, columns prediction."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def from_confusion(table: np.ndarray) -> dict[str, np.ndarray]:
    """(..., C, C) counts -> the four count measures, each (...,). Sensitivity and specificity are means over classes,
    one class against the rest; classes that do not occur are left out. Macro sensitivity is the balanced accuracy."""
    total = table.sum((-2, -1))
    hits, positives, called = np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1), table.sum(-2)
    negatives = total[..., None] - positives
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = np.nanmean(np.where(positives > 0, hits / positives, np.nan), -1)
        correct_rejections = negatives - (called - hits)
        specificity = np.nanmean(np.where(negatives > 0, correct_rejections / negatives, np.nan), -1)
        accuracy = hits.sum(-1) / total
    return {
        "accuracy": accuracy,
        "balanced_accuracy": sensitivity,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def auc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Macro one-against-rest area under the ROC curve; NaN where fewer than two classes occur."""
    seen = [c for c in range(probabilities.shape[1]) if 0 < (truth == c).sum() < len(truth)]
    if weights is not None:
        seen = [c for c in seen if weights[truth == c].sum() > 0 and weights[truth != c].sum() > 0]
    if not seen:
        return float("nan")
    return float(np.mean([roc_auc_score(truth == c, probabilities[:, c], sample_weight=weights) for c in seen]))


def measure(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """(N,) int64 truth, (N, C) probabilities -> all METRICS."""
    counts = from_confusion(confusion(truth, probabilities.argmax(1), probabilities.shape[1]))
    return {k: float(v) for k, v in counts.items()} | {"auc": auc(truth, probabilities)}


def patient_weights(patients: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap of patients: (draws, P) how often each is drawn, and (N,) the patient number of each row."""
    _, number = np.unique(patients, return_inverse=True)
    count = int(number.max()) + 1
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws), number


def _patient_tables(rows: pd.DataFrame, number: np.ndarray, classes: list[str]) -> np.ndarray:
    """(P, C, C) confusion counts of each patient."""
    order = {name: i for i, name in enumerate(classes)}
    truth, predicted = rows["label"].map(order).to_numpy(), rows["predicted"].map(order).to_numpy()
    tables = np.zeros((int(number.max()) + 1, len(classes), len(classes)))
    np.add.at(tables, (number, truth, predicted), 1)
    return tables


def intervals(rows: pd.DataFrame, classes: list[str]) -> dict[str, tuple[float, float, float]]:
    """Predictions of one arm and classifier, all folds and seeds pooled -> metric -> (estimate, low, high).

    95 % percentile intervals over patients drawn with replacement: lesions of a patient are no independent witnesses.
    """
    draws, number = patient_weights(rows["patient"].to_numpy(), _DRAWS, 0)
    tables = _patient_tables(rows, number, classes)
    found = from_confusion(tables.sum(0))
    spread = from_confusion(np.tensordot(draws, tables, 1))
    found["auc"] = np.asarray(_mean_auc(rows, classes, None))
    weighted = (_mean_auc(rows, classes, w[number].astype(float)) for w in draws[:_AUC_DRAWS])
    spread["auc"] = np.fromiter(weighted, float)
    bounds = {k: np.nanpercentile(v, [2.5, 97.5]) for k, v in spread.items()}
    return {k: (float(found[k]), float(bounds[k][0]), float(bounds[k][1])) for k in METRICS}


def _mean_auc(rows: pd.DataFrame, classes: list[str], weights: np.ndarray | None) -> float:
    """Mean over folds and seeds: scores of different models stand on no common scale, so they are not pooled."""
    truth = rows["label"].map({c: i for i, c in enumerate(classes)}).to_numpy()
    probabilities = rows[[f"p_{c}" for c in classes]].to_numpy(float)
    parts = rows.groupby(["fold", "seed"]).indices.values()
    found = [auc(truth[i], probabilities[i], None if weights is None else weights[i]) for i in parts]
    return float(np.nanmean(found)) if not np.isnan(found).all() else float("nan")


@dataclass(frozen=True)
class Comparison:
    """Arm minus baseline, paired by fold and seed; fractions. None where the design can't tell.

    low, high: the interval at the level at which Holm's procedure tests this comparison, so that it excludes zero
    whenever the verdict is not "none"; p is Holm's. detectable: the smallest true difference that this design would
    show with 80 % probability.
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


@dataclass(frozen=True)
class Paired:
    """One comparison before any correction: `error` is the standard error, `freedom` the degrees of freedom."""

    arm: str
    classifier: str
    metric: str
    difference: float
    error: float | None
    freedom: int

    @property
    def p(self) -> float:
        """Two-sided; 1 where the design can't tell."""
        return float(2 * stats.t.sf(abs(self.difference) / self.error, self.freedom)) if self.error else 1.0


def pair(arm: np.ndarray, baseline: np.ndarray, test_share: float, names: tuple[str, str, str]) -> Paired:
    """The corrected resampled t-test (Nadeau and Bengio 2003): training sets of folds overlap, so the variance of the
    mean difference is (1/k + test/train) s^2 instead of s^2/k.

    arm, baseline: (k,) scores of the same cells. test_share: test size over training size. names: arm, classifier,
    metric. Under three pairs, or where all differences are equal (scores of small folds come in steps), there is no
    spread to judge by and `error` is None.
    """
    difference = arm - baseline
    k, mean = len(difference), float(difference.mean())
    spread = float(difference.std(ddof=1)) if k >= _LEAST_PAIRS else 0.0
    error = spread * float(np.sqrt(1 / k + test_share)) if spread > 1e-9 else None
    return Paired(*names, mean, error, k - 1)


def holm(family: list[Paired]) -> list[Comparison]:
    """Holm's step-down procedure over the comparisons that are looked at together, in their order."""
    order = sorted(range(len(family)), key=lambda i: family[i].p)
    made: dict[int, Comparison] = {}
    worst = 0.0
    for rank, i in enumerate(order):
        tests = len(family) - rank
        worst = max(worst, min(1.0, family[i].p * tests))
        made[i] = _conclude(family[i], worst, tests)
    return [made[i] for i in range(len(family))]


def _conclude(one: Paired, p: float, tests: int) -> Comparison:
    names = (one.arm, one.classifier, one.metric)
    if one.error is None:
        return Comparison(*names, one.difference, None, None, None, "none", None)
    critical = float(stats.t.ppf(1 - _ALPHA / 2 / tests, one.freedom))
    low, high = one.difference - critical * one.error, one.difference + critical * one.error
    detectable = (critical + float(stats.t.ppf(_POWER, one.freedom))) * one.error
    verdict: Verdict = "none"
    if p < _ALPHA:
        verdict = "gain" if one.difference > 0 else "harm"
    return Comparison(*names, one.difference, low, high, p, verdict, detectable)


def sentence(comparisons: list[Comparison], folds: int, seeds: int) -> str:
    """The verdict in one sentence, over all classifiers, for one metric; `comparisons` are those of GAN arms."""
    design = f"{folds} fold{'s' * (folds != 1)} x {seeds} seed{'s' * (seeds != 1)}"
    if not comparisons:
        return "No arm with synthetic lesions was compared with classic augmentation."
    told = [_tell(c) for c in comparisons if c.verdict != "none"]
    silent = [c for c in comparisons if c.verdict == "none"]
    if silent:
        told.append(_tell_none(silent, bool(told)))
    return " ".join(told) + f" ({design}.)"


def _tell(one: Comparison) -> str:
    verb = "raised" if one.verdict == "gain" else "lowered"
    spread = f"95 % CI {_points(one.low)} to {_points(one.high)}, corrected p = {one.p:.2g}"
    by = f"{abs(one.difference) * 100:.1f} points"
    return f"Synthetic lesions ({one.arm}) {verb} macro {one.metric} of {one.classifier} by {by} ({spread})."


def _points(value: float | None) -> str:
    return "unknown" if value is None else f"{value * 100:+.1f}"


def _tell_none(silent: list[Comparison], others: bool) -> str:
    names = ", ".join(f"{c.arm} with {c.classifier} {_points(c.difference)}" for c in silent)
    limits = [c.detectable for c in silent if c.detectable is not None]
    least = f"{min(limits) * 100:.1f}" if limits else ""
    unseen = f"an effect under {least} points could not have been seen with this many patients"
    told = f"No {'other ' if others else ''}gain shown over classic augmentation"
    if not limits:
        unseen = "this design has too few folds to tell any effect from chance"
    return f"{told} (points of macro {silent[0].metric}: {names}): {unseen}."
