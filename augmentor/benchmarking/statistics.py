"""From predictions to figures: measures of one set of predictions, and their patient-bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.splits import groups
from augmentor.evaluation.intervals import percentile_interval
from augmentor.measures import weighted_auc

METRICS = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "auc", "brier", "ece")
LOWER_IS_BETTER = frozenset({"brier", "ece"})
ALPHA = 0.05  # a smaller p is more than chance; intervals leave out as much
POWER = 0.8  # the probability with which an effect that is called detectable is shown
_MACRO = ("balanced_accuracy", "sensitivity", "specificity", "auc")  # means over the classes that occur
_DRAWS, _BINS = 2000, 10


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: rows truth, columns prediction."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., C, C) counts -> sensitivity and specificity of each class against the rest, (..., C) each in [0, 1].

    NaN where a class does not occur (sensitivity) or nothing else does (specificity).
    """
    hits, positives, called = np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1), table.sum(-2)
    negatives = table.sum((-2, -1))[..., None] - positives
    with np.errstate(invalid="ignore", divide="ignore"):
        return hits / positives, (negatives - (called - hits)) / negatives


def from_confusion(table: np.ndarray) -> dict[str, np.ndarray]:
    """(..., C, C) counts -> the four count measures, each (...,). Sensitivity and specificity are means over classes,
    one class against the rest; classes that do not occur are left out. Macro sensitivity is the balanced accuracy."""
    sensitivity, specificity = (_known_mean(values, -1) for values in per_class(table))
    accuracy = np.diagonal(table, axis1=-2, axis2=-1).sum(-1) / table.sum((-2, -1))
    return {
        "accuracy": accuracy,
        "balanced_accuracy": sensitivity,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def _known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is not NaN, and NaN, without NumPy's warning, where there is nothing else."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis) / (~np.isnan(values)).sum(axis)


def _row_sums(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) truth, (N,) predicted, (N, C) probabilities -> (N, C * C + bins + 1) float: what each row adds to the sums
    from which every measure but the AUC follows, so that a bootstrap is one product of matrices.

    The columns: its place in the confusion table; confidence minus hit in the bin of its confidence; squared error.
    """
    rows, classes = np.arange(len(truth)), probabilities.shape[1]
    confidence = probabilities[rows, predicted]
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    sums = np.zeros((len(truth), classes**2 + _BINS + 1))
    sums[rows, truth * classes + predicted] = 1
    sums[rows, classes**2 + bins] = confidence - (truth == predicted)
    sums[:, -1] = ((probabilities - np.eye(classes)[truth]) ** 2).sum(1)
    return sums


def _from_sums(sums: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """(..., C * C + bins + 1), summed over rows -> all METRICS but the AUC, each (...,).

    brier: squared error summed over classes, 0 to 2, mean over rows (Brier 1950, eq. 2). ece: expected calibration
    error of the called class over ten bins of equal width (Guo et al. 2017, eq. 3), 0 to 1; few rows to a bin raise it.
    """
    table = _tables(sums, classes)
    total = table.sum((-2, -1))
    gaps = np.abs(sums[..., classes**2 : -1]).sum(-1)
    return from_confusion(table) | {"brier": sums[..., -1] / total, "ece": gaps / total}


def _tables(sums: np.ndarray, classes: int) -> np.ndarray:
    return sums[..., : classes**2].reshape(*sums.shape[:-1], classes, classes)


def auc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,) truth, (N, C) probabilities, (N, D) weights -> (D,) macro one-against-rest area under the ROC curve.

    Column d of `weights` says how often each row counts in draw d; NaN where fewer than two classes count.
    """
    areas = [weighted_auc(truth == c, probabilities[:, c], weights) for c in range(probabilities.shape[1])]
    return _known_mean(np.array(areas), 0)


def measure(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """(N,) int64 truth, (N, C) probabilities -> all METRICS."""
    sums = _row_sums(truth, probabilities.argmax(1), probabilities).sum(0)
    found = _from_sums(sums, probabilities.shape[1])
    found["auc"] = auc(truth, probabilities, np.ones((len(truth), 1)))[0]
    return {metric: float(found[metric]) for metric in METRICS}


def independent_patients(lesions: Lesions) -> np.ndarray:
    """(N,) the patient of each row as statistics count them: patients who share an image are one, under the first of
    their names."""
    return lesions.table["patient"].groupby(groups(lesions)).transform("min").to_numpy()


def patient_weights(patients: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap of patients: (draws, P) how often each is drawn, and (N,) the patient number of each row."""
    _, number = np.unique(patients, return_inverse=True)
    count = int(number.max()) + 1
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws), number


def _encode(rows: pd.DataFrame, classes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) truth, (N,) predicted and (N, C) probabilities of a predictions table."""
    truth, predicted = (class_numbers(rows[column], classes) for column in ("label", "predicted"))
    return truth, predicted, rows[[f"p_{c}" for c in classes]].to_numpy(float)


def _draw(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """`patient_weights` of a predictions table, the same for rows of the same patients."""
    return patient_weights(rows["patient"].to_numpy(), _DRAWS, 0)


def _resample(sums: np.ndarray, draws: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) of rows, and their `_draw` -> (K,) over all rows, and (draws, K) over patients drawn with replacement."""
    by_patient = np.zeros((draws.shape[1], sums.shape[1]))
    np.add.at(by_patient, number, sums)
    return by_patient.sum(0), draws @ by_patient


def _spread(rows: pd.DataFrame, classes: list[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Of all METRICS, over all folds and seeds pooled: () the estimate, and (draws,) the same of patients drawn with
    replacement. Rows of the same patients get the same draws. The AUC is a mean over folds and seeds, as scores of
    different models stand on no common scale. Macro measures are NaN in draws without lesions of a class that `rows`
    has, as they would be means over other classes, and in all draws where a class is of one patient, of whose likes
    they know nothing."""
    truth, predicted, probabilities = _encode(rows, classes)
    draws, number = _draw(rows)
    sums, drawn = _resample(_row_sums(truth, predicted, probabilities), draws, number)
    found, spread = _from_sums(sums, len(classes)), _from_sums(drawn, len(classes))
    weights = np.vstack([np.ones(draws.shape[1]), draws]).T
    cells = rows.groupby(["fold", "seed"]).indices.values()
    areas = _known_mean(np.array([auc(truth[i], probabilities[i], weights[number[i]]) for i in cells]), 0)
    found["auc"], spread["auc"] = areas[0], areas[1:]
    ours, theirs = (_tables(s, len(classes)).sum(-1) > 0 for s in (sums, drawn))
    whole = (theirs | ~ours).all(-1) & bool(rows.groupby("label")["patient"].nunique().min() > 1)
    return found, spread | {metric: np.where(whole, spread[metric], np.nan) for metric in _MACRO}


def intervals(rows: pd.DataFrame, classes: list[str]) -> dict[str, tuple[float, float, float]]:
    """Predictions of one arm and classifier, all folds and seeds pooled -> metric -> (estimate, low, high).

    95 % percentile intervals over patients drawn with replacement: lesions of a patient are no independent witnesses.
    The calibration error is the exception: noise in a bin only ever adds to it, so that draws lie above the estimate.
    Its interval reaches as far below as above, and is still too high where calibration is nearly perfect.
    Macro measures have NaN for bounds where a class is of one patient, or fewer than a fifth of the draws hold every
    class.
    """
    found, spread = _spread(rows, classes)
    bounds = {metric: percentile_interval(values) for metric, values in spread.items()}
    reach = max(0.0, bounds["ece"][1] - float(found["ece"]))
    bounds["ece"] = (max(0.0, float(found["ece"]) - reach), float(found["ece"]) + reach)
    return {metric: (float(found[metric]), *bounds[metric]) for metric in METRICS}


def differences(arm: pd.DataFrame, baseline: pd.DataFrame, classes: list[str]) -> dict[str, tuple[float, float, float]]:
    """Predictions of two arms of one classifier -> metric -> (arm minus baseline, low, high).

    Of the cells (fold, seed) that both have, pooled; empty where there is none. 95 % percentile intervals over patients
    drawn with replacement, the same for both arms (the paired bootstrap of Efron and Tibshirani 1993, ch. 8, by
    patient). They say what other test patients would change, for the models that were trained. What training sets of
    other patients would change is in them only as far as folds and seeds differ.
    """
    cells = [set(zip(rows["fold"], rows["seed"], strict=True)) for rows in (arm, baseline)]
    both = cells[0] & cells[1]
    if not both:
        return {}
    (ours, our_draws), (theirs, their_draws) = (
        _spread(rows[[cell in both for cell in zip(rows["fold"], rows["seed"], strict=True)]], classes)
        for rows in (arm, baseline)
    )
    return {m: (float(ours[m] - theirs[m]), *percentile_interval(our_draws[m] - their_draws[m])) for m in METRICS}


def class_intervals(rows: pd.DataFrame, classes: list[str]) -> list[dict[str, Any]]:
    """Sensitivity and specificity of each class against the rest, pooled and resampled as in `intervals`.

    A row each: class, metric ("sensitivity" or "specificity"), mean, low, high, in [0, 1]; NaN where the class, or
    every other one, is absent. Where no lesion was missed, none is in any draw either: an estimate of 1 has the
    interval 1 to 1, which says little where patients are few.
    """
    sums, drawn = _resample(_row_sums(*_encode(rows, classes)), *_draw(rows))
    found, spread = (per_class(_tables(s, len(classes))) for s in (sums, drawn))
    made = []
    for i, name in enumerate(classes):
        for metric, means, draws in zip(("sensitivity", "specificity"), found, spread, strict=True):
            low, high = percentile_interval(draws[:, i])
            made.append({"class": name, "metric": metric, "mean": float(means[i]), "low": low, "high": high})
    return made
