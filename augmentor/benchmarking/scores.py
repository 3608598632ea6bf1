"""What one set of predictions is worth: the measures of classifiers."""

from __future__ import annotations

import numpy as np

from augmentor.measures import weighted_auc

METRICS = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "auc", "brier", "ece")
LOWER_IS_BETTER = frozenset({"brier", "ece"})
_BINS = 10


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
    sensitivity, specificity = (known_mean(values, -1) for values in per_class(table))
    accuracy = np.diagonal(table, axis1=-2, axis2=-1).sum(-1) / table.sum((-2, -1))
    return {
        "accuracy": accuracy,
        "balanced_accuracy": sensitivity,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is not NaN, and NaN, without NumPy's warning, where there is nothing else."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis) / (~np.isnan(values)).sum(axis)


def row_sums(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
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


def from_sums(sums: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """(..., C * C + bins + 1), summed over rows -> all METRICS but the AUC, each (...,).

    brier: squared error summed over classes, 0 to 2, mean over rows (Brier 1950, eq. 2). ece: expected calibration
    error of the called class over ten bins of equal width (Guo et al. 2017, eq. 3), 0 to 1; few rows to a bin raise it.
    """
    table = tables(sums, classes)
    total = table.sum((-2, -1))
    gaps = np.abs(sums[..., classes**2 : -1]).sum(-1)
    return from_confusion(table) | {"brier": sums[..., -1] / total, "ece": gaps / total}


def tables(sums: np.ndarray, classes: int) -> np.ndarray:
    return sums[..., : classes**2].reshape(*sums.shape[:-1], classes, classes)


def auc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N,) truth, (N, C) probabilities, (N, D) weights -> (D,) macro one-against-rest area under the ROC curve.

    Column d of `weights` says how often each row counts in draw d; NaN where fewer than two classes count.
    """
    areas = [weighted_auc(truth == c, probabilities[:, c], weights) for c in range(probabilities.shape[1])]
    return known_mean(np.array(areas), 0)


def measure(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """(N,) int64 truth, (N, C) probabilities -> all METRICS."""
    sums = row_sums(truth, probabilities.argmax(1), probabilities).sum(0)
    found = from_sums(sums, probabilities.shape[1])
    found["auc"] = auc(truth, probabilities, np.ones((len(truth), 1)))[0]
    return {metric: float(found[metric]) for metric in METRICS}
