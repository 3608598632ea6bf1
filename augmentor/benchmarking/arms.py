"""The arms: each is one way to build a training set, and nothing else differs between two cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augmentor.recipe import ArmName, ModelName


@dataclass(frozen=True)
class Arm:
    """`augment`: rotations, flips, shifts and zooms drawn on the fly; `gan`: whose lesions are added, if any."""

    name: ArmName
    augment: bool
    gan: ModelName | None = None


ARMS: dict[ArmName, Arm] = {
    "real": Arm("real", augment=False),
    "classic": Arm("classic", augment=True),
    "classic+gan": Arm("classic+gan", augment=True, gan="cgan"),
    "classic+dcgan": Arm("classic+dcgan", augment=True, gan="dcgan"),
}
BASELINE: ArmName = "classic"


@dataclass(frozen=True)
class TrainingSet:
    """What a classifier is given: images (N, C, S, S) float32 in [-1, 1], labels (N,) int64, real rows first."""

    images: np.ndarray
    labels: np.ndarray
    n_real: int
    augment: bool

    @property
    def n_synthetic(self) -> int:
        return len(self.labels) - self.n_real


def build_training_set(
    arm: Arm, images: np.ndarray, labels: np.ndarray, synthetic: tuple[np.ndarray, np.ndarray] | None
) -> TrainingSet:
    """Real training lesions, and the synthetic ones where the arm has a GAN."""
    if arm.gan is None or synthetic is None:
        return TrainingSet(images, labels, len(labels), arm.augment)
    together = np.concatenate([images, synthetic[0]]), np.concatenate([labels, synthetic[1]])
    return TrainingSet(*together, len(labels), arm.augment)
