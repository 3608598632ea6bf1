"""The screen's rules: each judges a synthetic lesion by one number, calibrated on the training lesions alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from augmentor.expansion.labels import LabelCheck, label_check_of
from augmentor.expansion.realism import Realism, covering_order, fit_realism
from augmentor.model.features import texture_features
from augmentor.model.spectrum import spectrum_features
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
_PERCENTILE_AND_MARGIN = {"light": (99.0, 1.1), "strict": (95.0, 1.0)}


def _nothing() -> np.ndarray:
    return np.empty(0)


@dataclass
class Synthetic:
    """One synthetic lesion: image (C, S, S) float32 in [-1, 1], and what the rules found.

    `measured` holds each rule's number by its manifest column. copy_distance, twin_distance: to the nearest training
    lesion, and to the nearest synthetic one that passed before (0 for a copy, about 1.4 for strangers, see
    `Originals`). label_agreement: 0 to 1, see `LabelCheck`. realism, spectrum: see `Realism`, in texture and in the
    power spectrum. spread: in the unit of realism, how far it is from those chosen before it, see `covering_order`. A
    rule that the level leaves out, or that has nothing to compare with, measures nothing. `rule` is the first that
    refused it.
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


@dataclass(frozen=True)
class TextureRules:
    """Label agreement, realism and variety, which share their features (0.2 ms a lesion at 64x64).

    labels, spectrum: None where the level has no such rule. spectrum: realism once more, in `spectrum_features`:
    texture features take a lesion with its pixels in another order for a lesion.
    """

    labels: LabelCheck | None
    realism: Realism
    level: ScreenLevel
    spectrum: Realism | None = None

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
        return self._limit(self.realism)

    def _limit(self, realism: Realism) -> float:
        percentile, margin = _PERCENTILE_AND_MARGIN["strict" if self._strict else "light"]
        return float(np.percentile(realism.ratios, percentile)) * margin

    @property
    def limits(self) -> dict[str, float]:
        """What the rules of the level ask for."""
        asked = {"label": "label_agreement_at_least", "realism": "realism_at_most"}
        found = {"label": lambda: self.least, "realism": lambda: self.farthest}
        limits = {asked[rule]: found[rule]() for rule in self.rules if rule in asked}
        return limits | ({"spectrum_at_most": self._limit(self.spectrum)} if self.spectrum else {})

    def judge(self, lesions: list[Synthetic], nearest: np.ndarray, target: int) -> None:
        """Judge lesions meant for class `target`; nearest: (M,) the row of the training lesion nearest to each.

        Strict: beyond chance, no other class may have more agreement than the intended one. A lesion that two rules
        refuse counts for its label.
        """
        images = np.stack([lesion.image for lesion in lesions])
        features = texture_features(images)
        for row, lesion in enumerate(lesions):
            lesion.features = features[row]
        if "realism" in self.rules:
            _judge_realism(self.realism, "realism", self.farthest, lesions, features, target)
        if self.spectrum:
            limit = self._limit(self.spectrum)
            _judge_realism(self.spectrum, "spectrum", limit, lesions, spectrum_features(images), target)
        if self.labels:
            self._judge_labels(self.labels, lesions, features, nearest, target)

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


def _judge_realism(
    realism: Realism, column: str, limit: float, lesions: list[Synthetic], features: np.ndarray, target: int
) -> None:
    for lesion, far in zip(lesions, realism.measure(features, target), strict=True):
        lesion.measured[column] = float(far)
        lesion.rule = "realism" if far > limit else lesion.rule


def fit_texture_rules(
    images: np.ndarray, targets: np.ndarray, patients: np.ndarray, level: ScreenLevel
) -> TextureRules:
    """From the training lesions: images (N, C, S, S) in [-1, 1], targets (N,) in 0..classes - 1, patients (N,)."""
    features = texture_features(images)
    labels = label_check_of(images, features, targets, patients) if "label" in LEVELS[level] else None
    spectrum = fit_realism(spectrum_features(images), targets) if "realism" in LEVELS[level] else None
    return TextureRules(labels, fit_realism(features, targets), level, spectrum)
