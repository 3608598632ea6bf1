"""Sides whose truth is known: smooth lesions of two classes, and synthetic ones that are fresh, or copies."""

import numpy as np

from augmentor.evaluation.sides import Side, Sides
from tests.expansion.fake import training_lesions


def make_side(per_class: int = 40, seed: int = 0) -> Side:
    images, targets, patients = training_lesions(per_class, seed)
    labels = np.array(["plain", "striped"])[targets]
    return Side(images, labels, patients, [f"/real/{seed}/{i}.png" for i in range(len(labels))])


def make_sides(copied: float = 0.0, known: bool = True, per_class: int = 60, finished: bool = False) -> Sides:
    """A share `copied` of the synthetic lesions are training lesions, mirrored and with a little noise; the others are
    of the same distribution as the real ones."""
    training, held_out, fresh = make_side(), make_side(seed=1), make_side(per_class, seed=2)
    rng, images = np.random.default_rng(3), fresh.images.copy()
    for label in np.unique(fresh.labels):
        rows = np.flatnonzero(fresh.labels == label)
        rows = rows[: round(copied * len(rows))]
        origin = rng.choice(np.flatnonzero(training.labels == label), len(rows))
        images[rows] = training.images[origin][..., ::-1] + rng.normal(0, 0.02, images[rows].shape)
    synthetic = Side(images.astype(np.float32), fresh.labels, np.arange(len(fresh)), fresh.paths)
    return Sides(synthetic, training, held_out, known, finished=finished)
