"""Does a synthetic lesion look like its class? Classifiers of the training lesions tell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from augmentor.model.features import texture_features
from augmentor.training.classic import classic

_PARTS, _SHUFFLES, _TREES = 3, 2, 50
_VIEWS, _MOST_VIEWS = 4, 2000  # augmented views of each training lesion; of all of them, about


@dataclass(frozen=True)
class SoftVote:
    """The mean of logistic regression and a random forest (Breiman 2001), fitted by scikit-learn.

    Its probabilities are computed from the fitted coefficients and trees, without scikit-learn's checks of its input
    and its jobs, which take ten times as long for 32 lesions.
    """

    scaler: StandardScaler
    logistic: LogisticRegression
    forest: RandomForestClassifier

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """(M, D) float64 -> (M, classes), in the order of the numbers that it was fitted with; rows add up to 1."""
        logits = (features - self.scaler.mean_) / self.scaler.scale_ @ self.logistic.coef_.T + self.logistic.intercept_
        if logits.shape[1] == 1:  # of the second of two classes
            logits = np.hstack([np.zeros_like(logits), logits])
        single = features.astype(np.float32)  # as trees are grown
        trees = [tree.tree_.predict(single) for tree in self.forest.estimators_]
        return (softmax(logits, axis=1) + np.mean(trees, axis=0)) / 2


@dataclass(frozen=True)
class LabelCheck:
    """Label agreement: the probability that classifiers of the training lesions give to the intended class.

    Each member is fitted on the texture features of two of three parts of the training patients, seen under the paper's
    classic augmentation. A synthetic lesion is judged out of bag (Breiman 1996): by the members that did not see the
    patient of the training lesion nearest to it, or a warp of a wrongly labelled lesion would be confirmed by the label
    that was learned by heart. That a classifier of real images recognises the class is the discriminability of Odena et
    al. 2017, here lesion by lesion.
    """

    parts: np.ndarray  # (shuffles, N): the part that each training lesion's patient is in
    members: list[list[SoftVote]]  # of each shuffle, of each part: fitted without it
    classes: int
    own: np.ndarray = field(default_factory=lambda: np.empty(0))  # (N,): the training lesions' own agreement

    def probabilities(self, features: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """(M, D) texture features, (M,) row of the nearest training lesion -> (M, classes), each row adds up to 1."""
        total = np.zeros((len(features), self.classes))
        for parts, members in zip(self.parts, self.members, strict=True):
            for part in np.unique(parts[nearest]):
                rows = parts[nearest] == part
                total[rows] += members[part].probabilities(features[rows])
        return total / len(self.parts)


_LAST: dict[bytes, LabelCheck] = {}  # one entry


def label_check_of(images: np.ndarray, features: np.ndarray, targets: np.ndarray, patients: np.ndarray) -> LabelCheck:
    """What `fit_label_check` gives, fitted once for the lesions that were asked for last: it takes seconds, and a
    benchmark screens lesions of one run again and again."""
    owners = np.unique(patients, return_inverse=True)[1]  # all that the fit sees of a patient
    content = hashlib.sha256()
    for part in (images, targets, owners):
        content.update(f"{part.shape} {part.dtype}".encode() + part.tobytes())
    key = content.digest()
    check = _LAST.get(key) or fit_label_check(images, features, targets, patients)
    _LAST.clear()
    _LAST[key] = check
    return check


def fit_label_check(images: np.ndarray, features: np.ndarray, targets: np.ndarray, patients: np.ndarray) -> LabelCheck:
    """Fit on training lesions: images (N, C, S, S) in [-1, 1], their texture features (N, D), targets (N,) from 0 to
    classes - 1, patients (N,)."""
    views = int(np.clip(_MOST_VIEWS // len(images), 1, _VIEWS))
    randomness, lesions = torch.Generator().manual_seed(0), torch.from_numpy(images)
    warped = [texture_features(classic(lesions, randomness).numpy()) for _ in range(views)]
    seen = np.stack([features, *warped], axis=1)
    parts = np.stack([_parts(targets, patients, seed) for seed in range(_SHUFFLES)])
    members = [
        [_fit_member(seen, targets, row != part, seed) for part in range(row.max() + 1)]
        for seed, row in enumerate(parts)
    ]
    check = LabelCheck(parts, members, int(targets.max()) + 1)
    rows = np.arange(len(targets))
    return replace(check, own=check.probabilities(features, rows)[rows, targets])


def _parts(targets: np.ndarray, patients: np.ndarray, seed: int) -> np.ndarray:
    """(N,) int: three parts by patient with every class in each; fewer where there are too few patients or lesions."""
    parts = np.zeros(len(targets), np.int64)
    count = min(_PARTS, len(np.unique(patients)), int(np.bincount(targets).min()))
    if count > 1:
        cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(targets, targets, patients)
        for part, (_, rows) in enumerate(cut):
            parts[rows] = part
    return parts


def _fit_member(features: np.ndarray, targets: np.ndarray, chosen: np.ndarray, seed: int) -> SoftVote:
    """features: (N, views, D). A class of which no lesion is chosen is there whole: a member knows every class."""
    rows = chosen | ~np.isin(targets, targets[chosen])
    seen, known = features[rows].reshape(-1, features.shape[2]), np.repeat(targets[rows], features.shape[1])
    scaler = StandardScaler().fit(seen)
    logistic = LogisticRegression(C=0.01, class_weight="balanced").fit(scaler.transform(seen), known)
    forest = RandomForestClassifier(_TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    return SoftVote(scaler, logistic, forest.fit(seen, known))
