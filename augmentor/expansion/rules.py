"""The screen's rules: each judges a synthetic lesion by one number, calibrated on the training lesions alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from augmentor.expansion.labels import LabelCheck, fit_label_check
from augmentor.measures import NEIGHBOURS, radii
from augmentor.model.features import texture_features
from augmentor.model.memorisation import WINDOW, distance_of
from augmentor.model.mirroring import best_likenesses
from augmentor.recipe import ScreenLevel

Rule = Literal["mask", "copy", "label", "realism", "twin", "diversity"]
REASONS: dict[Rule, str] = {
    "mask": "without a lesion in their mask",
    "copy": "nearer to a training lesion than other patients' lesions come",
    "label": "taken for another class",
    "realism": "farther from its class than the class's own lesions are",
    "twin": "near-copies of a synthetic lesion kept before",
    "diversity": "left out for variety",
}

ALWAYS: tuple[Rule, ...] = ("mask", "copy", "twin")
# What each level looks at, beside what is refused at all of them. One rule alone, at its light strength,
# is for studies of what it does.
LEVELS: dict[ScreenLevel, tuple[Rule, ...]] = {
    "off": (),
    "light": ("label", "realism"),
    "strict": ("label", "realism", "diversity"),
    "label": ("label",),
    "realism": ("realism",),
    "diversity": ("diversity",),
}
_AT_A_TIME = 8  # lesions that are compared with those kept: 10 MB
_PERCENTILE_AND_MARGIN = {"light": (99.0, 1.1), "strict": (95.0, 1.0)}


def _nothing() -> np.ndarray:
    return np.empty(0)


@dataclass
class Synthetic:
    """One synthetic lesion: image (C, S, S) float32 in [-1, 1], and what the rules found.

    `measured` holds each rule's number by its manifest column. copy_distance, twin_distance: to the nearest training
    lesion, and to the nearest synthetic one that passed before (0 for a copy, about 1.4 for strangers, see
    `CopyCheck`). label_agreement: 0 to 1, see `LabelCheck`. realism: see `Realism`. spread: in the same unit, how far
    it is from those chosen before it, see `covering_order`. A rule that the level leaves out, or that has nothing to
    compare with, measures nothing. `rule` is the first that refused it.
    """

    label: str
    seed: int
    image: np.ndarray
    mask: np.ndarray | None = field(default=None, repr=False)  # (1, S, ...) uint8, where the generator makes masks
    roi_side_mm: float | None = None  # where the generator makes sizes
    measured: dict[str, float] = field(default_factory=dict)
    rule: Rule | None = None
    features: np.ndarray = field(default_factory=_nothing, repr=False)  # (D,), where a rule needs texture
    turned: np.ndarray = field(default_factory=_nothing, repr=False)  # by `turned_views`, while twins are looked for


class Twins:
    """Near-copies among the synthetic lesions of one class: a generator that repeats itself (mode collapse).

    The distance is `CopyCheck`'s, and so is the threshold. It is measured to the last 512 lesions that were kept:
    512 KB whatever the factor, 1 MB of volumes. What repeats itself more often than once in 512 is found. A longer
    window would find likenesses by chance, for nearest distances shrink as more lesions are compared.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self._window = np.empty((0, 0, WINDOW), np.float32)  # (P, n, 512): the parts of the thumbnails kept
        self._kept = 0

    def judge(self, lesions: list[Synthetic]) -> list[Synthetic]:
        """Refuse some of the lesions that no rule has refused yet, in order, and keep the others for those to come.

        Lets go of their `turned`. Returns all that were given.
        """
        good = [lesion for lesion in lesions if lesion.rule is None]
        for start in range(0, len(good), _AT_A_TIME):
            self._judge(good[start : start + _AT_A_TIME])
        return lesions

    def _judge(self, lesions: list[Synthetic]) -> None:
        turned = np.stack([lesion.turned for lesion in lesions], axis=1)  # (P, m, 2 V, n)
        thumbnails = turned[:, :, 0].swapaxes(1, 2)
        if not self._kept:
            self._window = np.empty((*thumbnails.shape[:2], WINDOW), np.float32)
        filled = min(self._kept, WINDOW)
        others = np.concatenate([self._window[..., :filled], thumbnails], axis=2)
        found = best_likenesses(turned.reshape(len(turned), -1, turned.shape[-1]), others)
        found = found.reshape(len(lesions), -1, others.shape[-1]).max(1)
        likeness = np.full((len(lesions), WINDOW), -1.0)
        likeness[:, :filled], among = found[:, :filled], found[:, filled:]
        for row, lesion in enumerate(lesions):
            lesion.turned = _nothing()
            if self._kept:
                distance = float(distance_of(likeness[row].max()))
                lesion.measured["twin_distance"] = distance
                lesion.rule = "twin" if distance < self.threshold else None
            if lesion.rule is None:
                place = self._kept % WINDOW  # of the oldest, once the window is full
                self._window[..., place], likeness[:, place] = thumbnails[..., row], among[:, row]
                self._kept += 1


@dataclass(frozen=True)
class Realism:
    """How far a lesion lies from the real lesions of its class, in what is typical there: 1 is as far as a training
    lesion's fifth neighbour typically is.

    After the realism score of Kynkaanniemi et al. 2019 (section 5; there more is better), which measures a sample by
    the k-nearest-neighbour distances of real ones; here in standardised texture features. The classes share one
    distribution of ratios, for the 99th percentile of thirty lesions is little more than the farthest of them.
    """

    scaler: StandardScaler
    real: list[np.ndarray]  # of each class (N, D), standardised
    typical: np.ndarray  # (classes,): median distance of a training lesion to its k-th neighbour in the class
    ratios: np.ndarray  # (N,): those of the training lesions, each left out of its own neighbours

    def measure(self, features: np.ndarray, target: int) -> np.ndarray:
        """(M, D) texture features of lesions meant for class `target` -> (M,), 0 or more."""
        distances = np.sort(euclidean_distances(self.scaler.transform(features), self.real[target]), axis=1)
        return distances[:, _neighbours(self.real[target]) - 1] / self.typical[target]


def fit_realism(features: np.ndarray, targets: np.ndarray) -> Realism:
    """features: (N, D) texture features of the training lesions, targets: (N,) from 0 to classes - 1."""
    scaler = StandardScaler().fit(features)
    real = [scaler.transform(features[targets == c]) for c in range(int(targets.max()) + 1)]
    distances = [radii(lesions) for lesions in real]
    medians = np.array([np.median(d) for d in distances])
    # A class of one lesion, or of equal ones, has no distance of its own.
    usual = np.median(medians[medians > 0]) if (medians > 0).any() else 1.0
    typical = np.where(medians > 0, medians, usual)
    return Realism(scaler, real, typical, np.concatenate([d / t for d, t in zip(distances, typical, strict=True)]))


def _neighbours(lesions: np.ndarray) -> int:
    return max(1, min(NEIGHBOURS, len(lesions) - 1))


def covering_order(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Greedy k-centre: `count` of the (N, D) points, each the farthest from those before it (Gonzalez 1985).

    Begins with the point nearest to the mean. The farthest of the N points from the chosen ones is at most twice as far
    as with the best choice of as many, for every beginning of the order too. On features as in Sener and Savarese 2018.
    Returns rows (count,), and the distance of each to the nearest before it (infinite for the first).
    """
    rows = [int(((points - points.mean(0)) ** 2).sum(1).argmin())]
    gaps, nearest = [np.inf], np.full(len(points), np.inf)
    while len(rows) < min(count, len(points)):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[rows[-1]], axis=1))
        nearest[rows] = -1.0
        rows.append(int(nearest.argmax()))
        gaps.append(float(nearest[rows[-1]]))
    return np.array(rows), np.array(gaps)


@dataclass(frozen=True)
class TextureRules:
    """Label agreement, realism and variety, which share their features (0.2 ms a lesion at 64x64).

    labels: None where the level has no such rule.
    """

    labels: LabelCheck | None
    realism: Realism
    level: ScreenLevel

    @property
    def rules(self) -> tuple[Rule, ...]:
        return LEVELS[self.level]

    @property
    def _strict(self) -> bool:
        return self.level == "strict"

    @property
    def least(self) -> float:
        """Label agreement under which a lesion is refused. Strict: chance. Light: half of chance, or what 99 of 100
        training lesions reach where that is less: classes that can't be told apart must not decide."""
        assert self.labels
        chance = 1.0 / self.labels.classes
        return chance if self._strict else min(chance / 2, float(np.percentile(self.labels.own, 1)))

    @property
    def farthest(self) -> float:
        """Realism above which a lesion is refused: the training lesions' own 99th percentile and a tenth (light), or
        their 95th (strict)."""
        percentile, margin = _PERCENTILE_AND_MARGIN["strict" if self._strict else "light"]
        return float(np.percentile(self.realism.ratios, percentile)) * margin

    @property
    def limits(self) -> dict[str, float]:
        """What the rules of the level ask for."""
        asked = {"label": "label_agreement_at_least", "realism": "realism_at_most"}
        found = {"label": lambda: self.least, "realism": lambda: self.farthest}
        return {asked[rule]: found[rule]() for rule in self.rules if rule in asked}

    def judge(self, lesions: list[Synthetic], nearest: np.ndarray, target: int) -> None:
        """Judge lesions meant for class `target`; nearest: (M,) the row of the training lesion nearest to each.

        Strict: beyond chance, no other class may have more agreement than the intended one. A lesion that two rules
        refuse counts for its label.
        """
        features = texture_features(np.stack([lesion.image for lesion in lesions]))
        for row, lesion in enumerate(lesions):
            lesion.features = features[row]
        if "realism" in self.rules:
            self._judge_realism(lesions, features, target)
        if self.labels:
            self._judge_labels(self.labels, lesions, features, nearest, target)

    def _judge_realism(self, lesions: list[Synthetic], features: np.ndarray, target: int) -> None:
        for lesion, far in zip(lesions, self.realism.measure(features, target), strict=True):
            lesion.measured["realism"] = float(far)
            lesion.rule = "realism" if far > self.farthest else lesion.rule

    def _judge_labels(
        self, labels: LabelCheck, lesions: list[Synthetic], features: np.ndarray, nearest: np.ndarray, target: int
    ) -> None:
        chances = labels.probabilities(features, nearest)
        doubted = ~(chances[:, target] >= self.least)  # what is not a number too
        if self._strict:
            doubted |= chances.argmax(1) != target
        for lesion, chance, doubt in zip(lesions, chances[:, target], doubted, strict=True):
            lesion.measured["label_agreement"] = float(chance)
            lesion.rule = "label" if doubt else lesion.rule

    def cover(self, lesions: list[Synthetic], count: int, target: int) -> list[Synthetic]:
        """The `count` judged lesions of class `target` that cover all of them best, in an order whose beginnings cover
        too."""
        points = self.realism.scaler.transform(np.stack([lesion.features for lesion in lesions]))
        rows, gaps = covering_order(points, count)
        for row, gap in zip(rows[1:], gaps[1:], strict=True):
            lesions[row].measured["spread"] = float(gap / self.realism.typical[target])
        return [lesions[row] for row in rows]


def fit_texture_rules(
    images: np.ndarray, targets: np.ndarray, patients: np.ndarray, level: ScreenLevel
) -> TextureRules:
    """From the training lesions: images (N, C, S, S) in [-1, 1], targets (N,) in 0..classes - 1, patients (N,)."""
    features = texture_features(images)
    labels = fit_label_check(images, features, targets, patients) if "label" in LEVELS[level] else None
    return TextureRules(labels, fit_realism(features, targets), level)
