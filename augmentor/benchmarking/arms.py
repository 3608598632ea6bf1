"""The arms: each is one way to build a training set, and nothing else differs between two cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from augmentor.recipe import ArmName, ModelName

Use = Literal["mix", "only", "pretrain"]


@dataclass(frozen=True)
class Arm:
    """How a training set is built.

    augment: rotations, flips, shifts and zooms drawn on the fly. gan: whose lesions are added, if any. use: mixed with
    the real ones, instead of them, or before them. screened: whether these lesions go through the benchmark's screen;
    the paper's went through none, so of theirs only near-copies are kept back. resample: real lesions are drawn again
    until the set is as large as with synthetic ones. mixup: pairs are blended (Zhang et al. 2018). auto: the inner
    split chooses (see auto.py).
    """

    name: ArmName
    augment: bool = True
    gan: ModelName | None = None
    use: Use = "mix"
    screened: bool = True
    resample: bool = False
    mixup: bool = False
    auto: bool = False


GAN_ARM: ArmName = "classic+gan"  # the plainest one: synthetic lesions of our GAN beside the real ones
ARMS: dict[ArmName, Arm] = {
    arm.name: arm
    for arm in (
        Arm("real", augment=False),
        Arm("classic"),
        Arm("resampled", resample=True),
        Arm("mixup", mixup=True),
        Arm(GAN_ARM, gan="cgan"),
        Arm("classic+dcgan", gan="dcgan", screened=False),
        Arm("classic+acgan", gan="acgan", screened=False),
        Arm("gan-only", gan="cgan", use="only"),
        Arm("pretrain-gan", gan="cgan", use="pretrain"),
        Arm("auto", gan="cgan", auto=True),
    )
}
BASELINE: ArmName = "classic"
CURVE_ARM = GAN_ARM  # of the curves of gain against the number of lesions


@dataclass(frozen=True)
class TrainingSet:
    """What a classifier is given.

    images: (N, C, S, S) float32 in [-1, 1]; labels: (N,) int64; the first `n_real` rows are real, the others
    synthetic. draws: how many lesions the fold has for training; whoever draws views draws in proportion to it, so
    that an arm with more rows gets no more views. pretrain: train on the synthetic rows first, then on the real ones.
    """

    images: np.ndarray
    labels: np.ndarray
    n_real: int
    draws: int
    augment: bool = True
    mixup: bool = False
    pretrain: bool = False

    @property
    def n_synthetic(self) -> int:
        return len(self.labels) - self.n_real

    def rows(self, chosen: slice) -> TrainingSet:
        """Part of the rows, trained on in one stage."""
        images, labels = self.images[chosen], self.labels[chosen]
        n_real = len(range(self.n_real)[chosen])
        return replace(self, images=images, labels=labels, n_real=n_real, pretrain=False)


Labelled = tuple[np.ndarray, np.ndarray]  # images (N, C, S, S) float32 in [-1, 1], labels (N,) int64


def build_training_set(arm: Arm, real: Labelled, synthetic: Labelled | None, factor: float, seed: int) -> TrainingSet:
    """`synthetic` is needed where the arm has a GAN; `factor` tells `resample` how large the set becomes."""
    images, labels = real
    draws = len(labels)
    if arm.resample:
        rows = _drawn_again(labels, factor, seed)
        images, labels = images[rows], labels[rows]
    n_real = len(labels)
    if arm.gan is not None and synthetic is not None:
        parts = [synthetic] if arm.use == "only" else [real, synthetic]
        images, labels = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        n_real = len(labels) - len(synthetic[1])
    pretrain = arm.use == "pretrain" and n_real < len(labels)
    return TrainingSet(images, labels, n_real, draws, arm.augment, arm.mixup, pretrain)


def _drawn_again(labels: np.ndarray, factor: float, seed: int) -> np.ndarray:
    """Every row once, then rows drawn with replacement until each class is `factor` times as large."""
    randomness = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    more = [randomness.choice(rows, round(factor * len(rows)) - len(rows)) for rows in members]
    return np.concatenate([np.arange(len(labels)), *more])
