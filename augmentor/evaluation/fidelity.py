"""Likeness and variety in each feature space, beside what real lesions score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from augmentor.evaluation.sides import Side, Sides
from augmentor.measures import (
    LEAST_DEVIATION,
    allows_fid,
    coverage,
    density,
    fid,
    kid,
    kid_interval,
    mmd,
    precision,
    recall,
    standardise,
)
from augmentor.model.features import FeatureSpace
from augmentor.progress import Update
from augmentor.training.classic import classic

Measure = Callable[[np.ndarray, np.ndarray], float]
MEAN = "mean"  # stands where classes do
Scores = dict[str, dict[str, float]]  # class or MEAN -> measure -> value
MEASURES: dict[str, Measure] = {"kid": kid, "mmd": mmd, "precision": precision, "density": density}
# These rise with the number of lesions that are judged, so that they take as many as there are training lesions.
COUNTED: dict[str, Measure] = {"recall": recall, "coverage": coverage}
FID_CAVEAT = (
    "FID is given only where a class has more lesions on both sides than the space has features. It is biased upward, "
    "the more the fewer lesions there are: compare it only at equal counts, and trust KID."
)
_AUGMENTED = 200  # views of each class's training lesions, about
_AT_A_TIME = 32  # views that are made together


@dataclass(frozen=True)
class Fidelity:
    """By space, class (or "mean") and measure: against held-out lesions the synthetic ones, the training lesions under
    classic augmentation (what is to be beaten, for it costs nothing) and the training lesions (the floor); and one half
    of the training lesions against the other."""

    spaces: dict[str, Scores]
    augmented: dict[str, Scores]
    floor: dict[str, Scores]
    training: dict[str, Scores]


def measure_fidelity(sides: Sides, spaces: Sequence[FeatureSpace], update: Update) -> Fidelity:
    """Measure in every space; features are standardised by both sides of real lesions together."""
    found, augmented = Fidelity({}, {}, {}, {}), _augmented(sides.training)
    for number, space in enumerate(spaces):
        update(number / len(spaces), f"{space.name} features")
        features = [space(side.images) for side in (sides.synthetic, augmented, sides.training, sides.held_out)]
        made, moved, ours, theirs = standardise(np.concatenate(features[2:]), *features, least=LEAST_DEVIATION)[1:]
        synthetic, training, held_out = sides.synthetic, sides.training, sides.held_out
        found.spaces[space.name] = _scores((theirs, held_out), (made, synthetic), training)
        found.augmented[space.name] = _scores((theirs, held_out), (moved, augmented), training)
        found.floor[space.name] = _scores((theirs, held_out), (ours, training), training)
        one, other = _halves(training)
        found.training[space.name] = _scores(
            (ours[one], training.rows(one)), (ours[other], training.rows(other)), training
        )
    update(1.0, "")
    return found


def _augmented(training: Side) -> Side:
    """The training lesions under the paper's classic augmentation, all of a class equally often, once or more."""
    members = [np.flatnonzero(training.labels == name) for name in np.unique(training.labels)]
    views = training.rows(np.concatenate([np.tile(rows, max(1, round(_AUGMENTED / len(rows)))) for rows in members]))
    randomness = torch.Generator().manual_seed(0)
    parts = [classic(part, randomness) for part in torch.from_numpy(views.images).split(_AT_A_TIME)]
    return replace(views, images=torch.cat(parts).numpy())


def _scores(real: tuple[np.ndarray, Side], other: tuple[np.ndarray, Side], training: Side) -> Scores:
    """Of each class with two lesions or more on both sides, and their mean."""
    scores: Scores = {}
    for name in np.unique(real[1].labels):
        a, b = real[0][real[1].labels == name], other[0][other[1].labels == name]
        if len(a) > 1 and len(b) > 1:
            most = int((training.labels == name).sum())
            groups = [side.groups[side.labels == name] for _, side in (real, other)]
            scores[str(name)] = _measures(a, b, (groups[0], groups[1]), most)
    if scores:
        scores[MEAN] = _mean(list(scores.values()))
    return scores


def _measures(
    real: np.ndarray, other: np.ndarray, groups: tuple[np.ndarray, np.ndarray], most: int
) -> dict[str, float]:
    found = {name: measure(real, other) for name, measure in MEASURES.items()}
    if interval := kid_interval(real, other, *groups):
        found |= {"kid_low": interval[0], "kid_high": interval[1]}
    few = other[_drawn(len(other), most)]
    found |= {name: measure(real, few) for name, measure in COUNTED.items() if len(few) > 1}
    return found | ({"fid": fid(real, other)} if allows_fid(real, other) else {})


def _mean(classes: list[dict[str, float]]) -> dict[str, float]:
    """Of the measures that every class has; the intervals of classes are independent."""
    shared = [name for name in classes[0] if all(name in scores for scores in classes)]
    found = {name: float(np.mean([scores[name] for scores in classes])) for name in shared}
    if "kid_low" in found:
        half = np.sqrt(np.sum([((s["kid_high"] - s["kid_low"]) / 2) ** 2 for s in classes])) / len(classes)
        found |= {"kid_low": found["kid"] - half, "kid_high": found["kid"] + half}
    return {name: float(value) for name, value in found.items()}


def _drawn(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` rows, by chance but always the same."""
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _halves(side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of each class: rows of one patient may be in both, so that no two sets can be more alike."""
    order = np.random.default_rng(0).permutation(len(side))
    turn = np.empty(len(side), np.int64)
    for name in np.unique(side.labels):
        rows = order[side.labels[order] == name]
        turn[rows] = np.arange(len(rows))
    return np.flatnonzero(turn % 2 == 0), np.flatnonzero(turn % 2 == 1)
