"""Can a classifier learn from synthetic lesions what holds for real ones, and can it tell the two apart?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from augmentor.evaluation.intervals import UNKNOWN, Bounded, auc, macro_sensitivity
from augmentor.evaluation.sides import Sides
from augmentor.model.features import FeatureSpace

_FOLDS = 5


@dataclass(frozen=True)
class Usefulness:
    """Macro sensitivity of logistic regression on texture features: trained on synthetic lesions and tested on held-out
    real ones (tstr), trained on training lesions and tested on synthetic ones (trts), and on held-out ones (trtr, what
    tstr can be compared with; Esteban et al. 2017). And the AUC with which it tells real from synthetic lesions."""

    tstr: Bounded
    trts: Bounded
    trtr: Bounded
    real_or_synthetic_auc: Bounded


def measure_usefulness(sides: Sides, texture: FeatureSpace, nearest: np.ndarray) -> Usefulness:
    """nearest: (M,), for each synthetic lesion the group of the real lesion that is nearest to it."""
    made, real, held_out = (texture(s.images) for s in (sides.synthetic, sides.training, sides.held_out))
    of_real, of_synthetic = _fit(real, sides.training.labels), _fit(made, sides.synthetic.labels)

    def test(model: Pipeline | None, features: np.ndarray, side: str) -> Bounded:
        tested = getattr(sides, side)
        if model is None:
            return UNKNOWN
        return macro_sensitivity(tested.labels, model.predict(features), tested.groups)

    return Usefulness(
        test(of_synthetic, held_out, "held_out"),
        test(of_real, made, "synthetic"),
        test(of_real, held_out, "held_out"),
        _told_apart(np.concatenate([real, held_out]), made, sides, nearest),
    )


def _fit(features: np.ndarray, labels: np.ndarray) -> Pipeline | None:
    """None where there is one class, which takes no telling."""
    if len(np.unique(labels)) < 2:
        return None
    model = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced")
    return make_pipeline(StandardScaler(), model).fit(features, labels)


def _told_apart(real: np.ndarray, made: np.ndarray, sides: Sides, nearest: np.ndarray) -> Bounded:
    """By cross-validation. A synthetic lesion is in the fold of the patient whose lesion is nearest to it: a classifier
    that knows a lesion as real would take a warp of it for real too. There are as many of both kinds."""
    groups = np.concatenate([sides.training.groups, sides.held_out.groups + sides.training.groups.max() + 1])
    if not sides.known:
        groups = np.concatenate([sides.training.groups, sides.held_out.groups])
    chosen = np.random.default_rng(0).permutation(len(made))[: len(real)]
    features = np.concatenate([real, made[chosen]])
    truth = np.repeat([True, False], [len(real), len(chosen)])
    groups = np.concatenate([groups, nearest[chosen]])
    folds = min(_FOLDS, len(np.unique(groups[truth])), len(np.unique(groups[~truth])))
    if folds < 2:
        return UNKNOWN
    scores = np.empty(len(truth))
    for rows, left in StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(features, truth, groups):
        if (model := _fit(features[rows], truth[rows])) is None:
            return UNKNOWN
        scores[left] = model.decision_function(features[left])
    # Real and synthetic lesions of one group are drawn apart: each kind keeps its number.
    return auc(truth, scores, 2 * groups + truth)
