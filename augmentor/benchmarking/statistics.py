"""Measures of predictions with their intervals over patients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from augmentor.benchmarking.scores import METRICS, auc, from_sums, known_mean, per_class, row_sums, tables
from augmentor.data.lesions import class_numbers
from augmentor.evaluation.intervals import percentile_interval

_MACRO = ("balanced_accuracy", "sensitivity", "specificity", "auc")  # means over the classes that occur
_DRAWS = 2000


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
    sums, drawn = _resample(row_sums(truth, predicted, probabilities), draws, number)
    found, spread = from_sums(sums, len(classes)), from_sums(drawn, len(classes))
    weights = np.vstack([np.ones(draws.shape[1]), draws]).T
    cells = rows.groupby(["fold", "seed"]).indices.values()
    areas = known_mean(np.array([auc(truth[i], probabilities[i], weights[number[i]]) for i in cells]), 0)
    found["auc"], spread["auc"] = areas[0], areas[1:]
    ours, theirs = (tables(s, len(classes)).sum(-1) > 0 for s in (sums, drawn))
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
    sums, drawn = _resample(row_sums(*_encode(rows, classes)), *_draw(rows))
    found, spread = (per_class(tables(s, len(classes))) for s in (sums, drawn))
    made = []
    for i, name in enumerate(classes):
        for metric, means, draws in zip(("sensitivity", "specificity"), found, spread, strict=True):
            low, high = percentile_interval(draws[:, i])
            made.append({"class": name, "metric": metric, "mean": float(means[i]), "low": low, "high": high})
    return made
