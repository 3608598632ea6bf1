"""Splits by patient, and the guard that no split leaks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from augmentor.data.lesions import Lesions
from augmentor.data.patients import patient_key, patient_keys
from augmentor.errors import DataError, LeakageError

_SHUFFLES = 20
_PATIENTS_TO_PAIR = 3  # a fold, at least
_MOST_PARTS, _NEAR_ENOUGH = 50, 0.03  # of what patients are held out of


@dataclass(frozen=True)
class Fold:
    """Row positions of one outer fold: `train` and `test` share no patient and no image."""

    name: str
    train: np.ndarray
    test: np.ndarray


def groups(lesions: Lesions) -> np.ndarray:
    """(N,) int64: the unit that a split may not tear apart.

    Rows belong together if they share a patient (however spelt, see `patient_key`), or if their pixels are equal (the
    same image under two names).
    """
    table = lesions.table
    n = len(table)
    edges = [_links(patient_keys(table["patient"])), _links(lesions.images)]
    row, column = np.concatenate([e[0] for e in edges]), np.concatenate([e[1] for e in edges])
    graph = coo_matrix((np.ones(len(row)), (row, column)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def independent_patients(lesions: Lesions) -> np.ndarray:
    """(N,) the patient of each row as statistics count them: patients who share an image are one, under the first of
    their names."""
    return lesions.table["patient"].groupby(groups(lesions)).transform("min").to_numpy()


def _links(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Each row with the first row of the same value."""
    codes, _ = pd.factorize(column)
    first = pd.Series(np.arange(len(codes))).groupby(codes).transform("first").to_numpy()
    return np.arange(len(codes)), first


def holdout(lesions: Lesions, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (train, held out): about `share` of each class held out, by patient, every class on both sides.

    Where the data brings a split, its test rows (and whatever shares a patient or an image with them) are in neither,
    and its val rows, whichever classes they have, are the held-out ones. A share of 0 holds none out.
    Raises DataError where a class has too few patients.
    """
    split = lesions.table["split"].to_numpy()
    rows = _drop_shared(lesions, np.flatnonzero(split != "test"), np.flatnonzero(split == "test"))
    if not len(rows):
        raise DataError(f"{lesions.source}: all lesions are test lesions; none is left to train on. Add training rows.")
    if gone := sorted(set(lesions.classes) - set(lesions.rows(rows).classes)):
        raise DataError(
            f"{lesions.source}: all lesions of class {', '.join(gone)} are test lesions, or share a patient or an "
            "image with one. Add training rows of it, or leave the class out."
        )
    if (split[rows] == "val").any():
        held = rows[split[rows] == "val"]
        train = _drop_shared(lesions, np.setdiff1d(rows, held), held)
        _require_in_training(lesions, train, held)
        return train, held
    if share == 0:
        return rows, np.array([], np.int64)
    held = _draw(lesions.rows(rows), share, seed)
    return rows[np.setdiff1d(np.arange(len(rows)), held)], rows[held]


def _draw(lesions: Lesions, share: float, seed: int) -> np.ndarray:
    """Positions of the patients that are held out of `lesions`."""
    patients = _groups_per_class(lesions).values()
    if min(patients) < 2:
        raise DataError(_too_few(lesions, 2, "a fit holds patients out of each class"))
    held = np.array([], np.int64)
    finest = _finest(share, min(_MOST_PARTS, max(patients)))
    for count in range(finest, 1, -1):  # fewer parts only where a rare class needs it
        sides = _neighbours(_stratified_parts(lesions, count, seed), _taken(share, count))
        held = min(sides, key=lambda side: _imbalance(lesions, side, share))
        if np.isfinite(_imbalance(lesions, held, share)):
            break
    _require_every_class(lesions, held, share)
    return held


def _taken(share: float, count: int) -> int:
    """How many of `count` parts are nearest to a share."""
    return min(max(1, round(share * count)), count - 1)


def _finest(share: float, most: int) -> int:
    """Into how many parts, `most` at most, to cut what a share is taken of: the fewest that come as near as 3 % of it,
    else those that come nearest."""
    return min(range(2, most + 1), key=lambda n: max(abs(_taken(share, n) / n - share), _NEAR_ENOUGH * share))


def _neighbours(parts: list[np.ndarray], taken: int) -> list[np.ndarray]:
    """Each part together with those after it, so many at a time, the first ones coming after the last."""
    ring = [*parts, *parts]
    return [np.sort(np.concatenate(ring[i : i + taken])) for i in range(len(parts))]


def _stratified_parts(lesions: Lesions, count: int, seed: int, group: np.ndarray | None = None) -> list[np.ndarray]:
    """`count` parts by patient (or by `group`), stratified by class. Where patients own several classes, a shuffle can
    leave a part without a class: the best of up to twenty shuffles is taken."""
    group = groups(lesions) if group is None else group
    tried = []
    for number in range(_SHUFFLES):
        cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed + number * 1009)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a class with fewer lesions than parts: counted below
            parts = [test for _, test in cut.split(lesions.targets, lesions.targets, group)]
        missing = _missing(lesions, parts)
        tried.append((missing, parts))
        if missing == 0:
            break
    return min(tried, key=lambda t: t[0])[1]


def _missing(lesions: Lesions, parts: list[np.ndarray]) -> int:
    """Classes that parts lack, summed over the parts."""
    return sum(len(lesions.classes) - len(np.unique(lesions.targets[part])) for part in parts)


def _parts_of_seed(lesions: Lesions, count: int, seed: int) -> list[np.ndarray]:
    """The most even cut for seed 0; for another seed one that differs from it, and nearly as even.

    scikit-learn's shuffle moves only patients that are alike, so that folds would hardly differ between seeds and a
    repeat would test nothing new. So half of the patients are tied in random pairs first, which stay together, where
    there are three or more patients a fold.
    """
    if seed and len(np.unique(groups(lesions))) >= _PATIENTS_TO_PAIR * count:
        randomness = np.random.default_rng(seed)
        for _ in range(_SHUFFLES):
            parts = _stratified_parts(lesions, count, seed, _half_paired(groups(lesions), randomness))
            if not _missing(lesions, parts):
                return parts
    return _stratified_parts(lesions, count, seed)


def _half_paired(group: np.ndarray, randomness: np.random.Generator) -> np.ndarray:
    """(N,) groups -> (N,) numbers: half of the groups, drawn at random, share theirs with one other."""
    names, number = np.unique(group, return_inverse=True)
    place = randomness.permutation(len(names))
    return np.where(place < len(names) // 2, place // 2, place)[number]


def _drop_shared(lesions: Lesions, train: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The positions of `train` whose group has no row in `other`."""
    group = groups(lesions)
    return train[~np.isin(group[train], group[other])]


def _require_in_training(lesions: Lesions, train: np.ndarray, other: np.ndarray) -> None:
    """Every class of `other` has rows in `train`."""
    missing = set(lesions.table["label"].iloc[other]) - set(lesions.table["label"].iloc[train])
    if missing:
        raise DataError(
            f"{lesions.source}: no training lesion is of class {', '.join(sorted(missing))}, which the other side of "
            "the split has. Correct the split column, or leave the class out."
        )


def _groups_per_class(lesions: Lesions) -> dict[str, int]:
    counts = pd.Series(groups(lesions)).groupby(lesions.table["label"].to_numpy()).nunique()
    return {str(name): int(count) for name, count in counts.items()}


def _imbalance(lesions: Lesions, held: np.ndarray, share: float) -> float:
    """How far the held-out share is from the wanted one in the worst class (infinite where a class is missing)."""
    counts = np.bincount(lesions.targets[held], minlength=len(lesions.classes))
    totals = np.bincount(lesions.targets)
    shares = counts / totals
    return float(np.inf) if (counts == 0).any() or (counts == totals).any() else float(np.abs(shares - share).max())


def _require_every_class(lesions: Lesions, held: np.ndarray, share: float) -> None:
    if not np.isfinite(_imbalance(lesions, held, share)):
        raise DataError(
            f"No split by patient holds out {share:.0%} and keeps every class on both sides: "
            f"patients a class are {_groups_per_class(lesions)}. Add patients or merge classes."
        )


def _too_few(lesions: Lesions, needed: int, why: str) -> list[str]:
    return [
        f"Class {name!r} has {count} patient{'s' * (count != 1)} in {lesions.source}; {why}, which needs at least "
        f"{needed}. Merge the class or add patients."
        for name, count in _groups_per_class(lesions).items()
        if count < needed
    ]


def brings_test(lesions: Lesions) -> bool:
    """Whether the data brings a test split, which is then the one outer fold."""
    return bool((lesions.table["split"] == "test").any())


def outer_folds(lesions: Lesions, count: int | None, seed: int) -> list[Fold]:
    """Folds by patient, stratified by class, others for each seed; every row is tested exactly once.

    Where the data brings folds, these are the outer folds (merged whole where `count` asks for fewer, differently for
    each seed); where it brings a test split, that is the one fold. `count` None means the data's own number, or 3.
    Raises DataError where that can't be done.
    """
    if count is not None and count < 2:
        raise DataError(f"--folds is {count}; it must be 2 or more.")
    split, brought = lesions.table["split"].to_numpy(), lesions.table["fold"].to_numpy()
    if brings_test(lesions):
        test = np.flatnonzero(split == "test")
        train = _drop_shared(lesions, np.flatnonzero(split != "test"), test)
        _require_in_training(lesions, train, test)
        return [Fold("test", train, test)]
    if (brought != "").any():
        return _brought_folds(lesions, brought, count, seed)
    wanted = count or 3
    problems = _too_few(lesions, wanted, f"{wanted} folds by patient put patients of each class in every fold")
    if problems:
        raise DataError([p + " Or lower --folds." for p in problems])
    parts = _parts_of_seed(lesions, wanted, seed)
    return _folds_of(lesions, {str(i): part for i, part in enumerate(parts, 1)})


def _brought_folds(lesions: Lesions, brought: np.ndarray, count: int | None, seed: int) -> list[Fold]:
    names = sorted(set(brought) - {""})
    if (brought == "").any():
        raise DataError(
            f"{lesions.source}: {int((brought == '').sum())} rows have no fold. Fill the column or drop it."
        )
    if len(names) < 2:
        raise DataError(f"{lesions.source}: brings one fold, {names[0]}; two or more are needed. Drop the fold column.")
    wanted = count or len(names)
    if not 2 <= wanted <= len(names):
        raise DataError(f"--folds is {wanted}, but the data brings folds {', '.join(names)}: take 2 to {len(names)}.")
    if wanted < len(names) and seed:  # another seed merges others, so that a repeat tests on other training sets
        names = np.random.default_rng(seed).permutation(names).tolist()
    parts = {
        "+".join(sorted(names[i::wanted])): np.flatnonzero(np.isin(brought, names[i::wanted])) for i in range(wanted)
    }
    return _folds_of(lesions, parts)


def _folds_of(lesions: Lesions, parts: dict[str, np.ndarray]) -> list[Fold]:
    everything, made = np.arange(len(lesions)), []
    for name, test in parts.items():
        train = _drop_shared(lesions, np.setdiff1d(everything, test), test)
        missing = set(lesions.classes) - set(lesions.table["label"].iloc[test])
        missing |= set(lesions.classes) - set(lesions.table["label"].iloc[train])
        if missing:
            raise DataError(f"Fold {name} lacks class {', '.join(sorted(missing))} in training or test. Lower --folds.")
        made.append(Fold(name, train, test))
    return made


def shared(train: Lesions, other: Lesions, column: str) -> Lesions:
    """The rows of `other` that have a value which `train` has too; patients are the same however they are spelt, and
    "" is no value. column: patient, path or content."""
    key: Callable[[str], str] = patient_key if column == "patient" else str
    known = {key(value) for value in train.table[column].unique()} - {""}
    both = [value for value in other.table[column].unique() if key(value) in known]
    return other.rows(other.table[column].isin(both).to_numpy())


def guard(train: Lesions, test: Lesions) -> None:
    """Raise LeakageError if training rows share a patient, a path or the pixels of an image with test rows."""
    for column in ("patient", "path", "content"):
        if both := sorted(shared(train, test, column).table[column].unique()):
            raise LeakageError(
                f"{len(both)} {column} value(s) of the test lesions are among the training lesions, for example "
                f"{both[0]!r}. Nothing of a test patient may reach what is trained: this cell is refused."
            )
