"""Likeness and variety in each feature space, beside what real lesions score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from augmentor.evaluation.sides import Side, Sides
from augmentor.measures import (
    LEAST_DEVIATION,
    KernelSums,
    allows_fid,
    compare_kernels,
    coverage,
    density,
    drawn_rows,
    fid,
    mean_kid_interval,
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
DISTANCES = ("kid", "mmd")  # within a set, of lesions of different patients
MEASURES: dict[str, Measure] = {"precision": precision, "density": density}
# These rise with the number of lesions that are judged, so that every side of a class is judged by as many.
COUNTED: dict[str, Measure] = {"recall": recall, "coverage": coverage}
FID_CAVEAT = (
    "FID is given only where a class has more lesions on both sides than the space has features. It is biased upward, "
    "the more the fewer lesions there are: compare it only at equal counts, and trust KID."
)
ONE_PATIENT = (
    "KID and MMD compare lesions of different patients: a class whose held-out or training lesions are all one "
    "patient's is left out of their means, and not measured against these."
)
_AUGMENTED = 200  # views of each class's training lesions, about
_AT_A_TIME = 32  # views that are made together


@dataclass(frozen=True)
class Fidelity:
    """By space, class (or "mean") and measure: against held-out lesions the synthetic ones, the training lesions under
    classic augmentation (what is to be beaten, for it costs nothing) and the training lesions (the floor); and one half
    of the training lesions against the other. NaN where a measure is not defined."""

    spaces: dict[str, Scores]
    augmented: dict[str, Scores]
    floor: dict[str, Scores]
    training: dict[str, Scores]


def measure_fidelity(
    sides: Sides, spaces: Sequence[FeatureSpace], update: Update, counts: Mapping[Any, int] | None = None
) -> Fidelity:
    """Measure in every space; features are standardised by both sides of real lesions together.

    counts: how many lesions of each class recall and coverage judge at most, whichever side they are of; by default as
    many as there are both synthetic and training ones.
    """
    found, augmented = Fidelity({}, {}, {}, {}), _augmented(sides.training)
    synthetic, training, held_out = sides.synthetic, sides.training, sides.held_out
    rules = _Rules(counts or shared_counts(synthetic.labels, training.labels), _of_several(training, held_out))
    one, other = _halves(training)
    for number, space in enumerate(spaces):
        update(number / len(spaces), f"{space.name} features")
        features = [space(side.images) for side in (synthetic, augmented, training, held_out)]
        made, moved, ours, theirs = standardise(np.concatenate(features[2:]), *features, least=LEAST_DEVIATION)[1:]
        found.spaces[space.name] = _scores((theirs, held_out), (made, synthetic), rules)
        found.augmented[space.name] = _scores((theirs, held_out), (moved, augmented), rules)
        found.floor[space.name] = _scores((theirs, held_out), (ours, training), rules)
        halves = [(ours[rows], _each_its_own(training.rows(rows))) for rows in (one, other)]
        found.training[space.name] = _scores(halves[0], halves[1], replace(rules, interval=False))
    update(1.0, "")
    return found


def caveats(found: Fidelity) -> list[str]:
    """What a reader of these scores must know."""
    sides = (found.spaces, found.augmented, found.floor, found.training)
    every = [scores for side in sides for space in side.values() for scores in space.values()]
    fid_told, undefined = any("fid" in scores for scores in every), any(np.isnan(scores["kid"]) for scores in every)
    return [FID_CAVEAT] * fid_told + [ONE_PATIENT] * undefined


def shared_counts(*sides: np.ndarray) -> dict[Any, int]:
    """(N,) labels of each side -> for each class the fewest lesions that a side has of it, of those with two or
    more."""
    counts: dict[Any, int] = {}
    for labels in sides:
        for name, count in zip(*np.unique(labels, return_counts=True), strict=True):
            if count > 1:
                counts[name] = min(int(count), counts.get(name, int(count)))
    return counts


@dataclass(frozen=True)
class _Rules:
    """counts: see `measure_fidelity`. several: the classes whose distances count in the mean, which is of the same
    classes whatever is compared. interval: whether KID has one."""

    counts: Mapping[Any, int]
    several: set[str]
    interval: bool = True


def _of_several(*sides: Side) -> set[str]:
    """The classes of which each side has lesions of two patients or more."""
    return set.intersection(
        *({str(c) for c in np.unique(s.labels) if len(np.unique(s.groups[s.labels == c])) > 1} for s in sides)
    )


def _each_its_own(half: Side) -> Side:
    """The halves are drawn lesion by lesion, and both hold the same patients."""
    return replace(half, groups=np.arange(len(half)))


def _augmented(training: Side) -> Side:
    """The training lesions under the paper's classic augmentation, all of a class equally often, once or more."""
    members = [np.flatnonzero(training.labels == name) for name in np.unique(training.labels)]
    views = training.rows(np.concatenate([np.tile(rows, max(1, round(_AUGMENTED / len(rows)))) for rows in members]))
    randomness = torch.Generator().manual_seed(0)
    parts = [classic(part, randomness) for part in torch.from_numpy(views.images).split(_AT_A_TIME)]
    return replace(views, images=torch.cat(parts).numpy())


def _scores(real: tuple[np.ndarray, Side], other: tuple[np.ndarray, Side], rules: _Rules) -> Scores:
    """Of each class with two lesions or more on both sides, and their mean."""
    scores: Scores = {}
    kernels: dict[str, KernelSums] = {}
    for name in np.unique(real[1].labels):
        (a, groups), (b, others) = (
            (features[side.labels == name], side.groups[side.labels == name]) for features, side in (real, other)
        )
        if len(a) > 1 and len(b) > 1:
            kernels[str(name)] = compare_kernels(a, b, groups, others)
            distances = {"kid": kernels[str(name)].kid, "mmd": mmd(a, b, groups, others)}
            scores[str(name)] = distances | _measures(a, b, rules.counts.get(name, 0))
    if not scores:
        return scores
    mean = _mean(scores, rules.several) | _interval([kernels[c] for c in kernels if c in rules.several], rules)
    return {name: found | _interval([kernels[name]], rules) for name, found in scores.items()} | {MEAN: mean}


def _measures(real: np.ndarray, other: np.ndarray, most: int) -> dict[str, float]:
    found = {name: measure(real, other) for name, measure in MEASURES.items()}
    few = other[drawn_rows(len(other), most)]
    found |= {name: measure(real, few) for name, measure in COUNTED.items() if len(few) > 1}
    return found | ({"fid": fid(real, other)} if allows_fid(real, other) else {})


def _mean(scores: Scores, several: set[str]) -> dict[str, float]:
    """Of the measures that every class has; of distances over `several` classes, NaN if these are none."""
    means = {}
    for measure in next(iter(scores.values())):
        if all(measure in found for found in scores.values()):
            counted = [v[measure] for name, v in scores.items() if name in several or measure not in DISTANCES]
            means[measure] = float(np.mean(counted)) if counted else float("nan")
    return means


def _interval(classes: list[KernelSums], rules: _Rules) -> dict[str, float]:
    """Of KID, of one class or of the mean of several, where it has one."""
    found = mean_kid_interval(classes) if rules.interval and classes else None
    return {"kid_low": found[0], "kid_high": found[1]} if found else {}


def _halves(side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of each class: rows of one patient may be in both, so that no two sets can be more alike."""
    order = np.random.default_rng(0).permutation(len(side))
    turn = np.empty(len(side), np.int64)
    for name in np.unique(side.labels):
        rows = order[side.labels[order] == name]
        turn[rows] = np.arange(len(rows))
    return np.flatnonzero(turn % 2 == 0), np.flatnonzero(turn % 2 == 1)
