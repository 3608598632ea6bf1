"""Simulated benchmarks on phantom lesions: how often is the verdict wrong, and how large an effect does it see?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augmentor.benchmarking.arms import ARMS, BASELINE, GAN_ARM, Arm, Labelled, build_training_set
from augmentor.benchmarking.classifiers import require_classifier, train_classifier
from augmentor.benchmarking.comparison import LEAST_PAIRS, compare, mcnemar
from augmentor.benchmarking.design import name_test_sets
from augmentor.benchmarking.keys import STUDY_CODE, result_key
from augmentor.benchmarking.limits import ALPHA
from augmentor.benchmarking.rows import CODE, StudyFile, in_order
from augmentor.benchmarking.scores import measure
from augmentor.benchmarking.statistics import differences
from augmentor.benchmarking.verdict import VERDICT_METRIC
from augmentor.benchmarking.workers import run_tasks
from augmentor.data.lesions import Lesions, make_lesions
from augmentor.data.phantom import CLASSES, phantom_lesions
from augmentor.data.splits import Fold, groups, outer_folds
from augmentor.errors import DataError, UsageError
from augmentor.progress import Progress
from augmentor.recipe import BenchmarkSection, ClassifierName

_HU_MIDDLE, _HU_HALF = 100.0, 300.0  # phantoms are from -200 to 400 HU
_OTHERS = 10_000_000  # seeds of phantoms that are nobody's training or test lesions
_NEXT, _ATTEMPTS = 100_000, 5  # seeds of sets that are drawn in the place of one that can't be cut
_FEWEST = 3  # phantom lesions a class
_JUDGES = 200  # lesions a class of the set that tells the true difference


@dataclass(frozen=True)
class Study:
    """A design, simulated again and again.

    perfect 0 is the null study: the arm against the baseline is `resampled`, which has nothing new (the same lesions,
    classically augmented, the same number of draws; some are drawn more often). A larger number is the power
    study: the arm's synthetic lesions are phantoms of other patients, as a perfect generator's would be, so many for
    each real one.

    mislabelled: the share of real lesions that carry another class's label while they are trained on. Those that are
    tested, and the perfect generator's, have their own: the larger the share, the more synthetic lesions help.
    """

    perfect: float = 0.0
    mislabelled: float = 0.0
    patients: int = 18
    per_class: int = 30
    size: int = 32
    folds: int = 3
    seeds: int = 2
    classifiers: tuple[ClassifierName, ...] = ("logistic", "svm")
    steps: int = BenchmarkSection().steps  # of each network classifier


@dataclass(frozen=True)
class _Task:
    study: Study
    number: int


def simulate(
    study: Study, simulations: int, workers: int = 1, progress: Progress | None = None, out: Path | None = None
) -> pd.DataFrame:
    """One row a simulation and classifier: what the benchmark said of macro sensitivity; its second opinions, which are
    `mcnemar`, a p, and `patients_low` and `patients_high`, the interval by patient; and `truth`, the arm's difference
    to the baseline over 600 lesions of patients that no simulation has (mean over its folds and seeds).

    `out` becomes a CSV of them, with the study's settings, written anew after each simulation. Where it holds rows of
    the same study, their simulations are taken as they are, and rows of simulations beyond these stay in it.

    Raises UsageError where what a classifier needs is not installed, where the design has too few test sets for any
    verdict, where `perfect` means under three lesions a class, or where `out` holds anything else.
    """
    for name in study.classifiers:
        require_classifier(name)
    _require_verdicts(study)
    _require_shares(study)
    smallest = study.perfect * study.per_class * (1 - 1 / study.folds)
    if study.perfect and smallest < _FEWEST:
        raise UsageError(
            f"--perfect {study.perfect:g} with --per-class {study.per_class} and --folds {study.folds} means "
            f"{smallest:.1f} synthetic lesions a class, fewer than {_FEWEST}. Raise one of them."
        )
    progress = progress or Progress()
    file = StudyFile(out, _settings_of(study)) if out else None
    rows = file.read(study.classifiers) if file else []
    there = {row["simulation"] for row in rows}
    tasks = [_Task(study, number) for number in range(simulations) if number not in there]
    before = simulations - len(tasks)
    told = f", {before} of them done before" if before else ""
    with progress.task(f"Simulating {simulations} benchmarks{told}", simulations) as update:
        update(before, "")
        for ended, found in enumerate(run_tasks(_simulate_one, tasks, workers, None, progress), before + 1):
            rows += found
            if file:
                file.write(rows)
            update(ended, "")
    return in_order([row for row in rows if row["simulation"] < simulations])


def _settings_of(study: Study) -> dict[str, str]:
    """Everything that decides about a simulation but its number, as text."""
    numbers = {name: f"{value:.12g}" for name, value in asdict(study).items() if name != "classifiers"}
    return numbers | {"classifiers": ",".join(study.classifiers), CODE: result_key({}, STUDY_CODE)}


def _require_verdicts(study: Study) -> None:
    if study.folds * study.seeds < LEAST_PAIRS:
        raise UsageError(
            f"--folds {study.folds} with --seeds {study.seeds} has {study.folds * study.seeds} test sets, and a "
            f"verdict needs at least {LEAST_PAIRS}. Raise one of them."
        )


def _require_shares(study: Study) -> None:
    for name, value, most in (("perfect", study.perfect, math.inf), ("mislabelled", study.mislabelled, 1.0)):
        if not (math.isfinite(value) and 0 <= value <= most):
            top = "or more" if most == math.inf else f"to {most:g}"
            raise UsageError(f"--{name} is {value:g}; it must be a number, 0 {top}. Give another one.")


def describe(table: pd.DataFrame) -> dict[str, float]:
    """What a study found. gain, harm: the share of benchmarks with such a verdict for any classifier; mcnemar: that of
    rows whose second opinion has p < 0.05; by_patient: that of rows whose interval by patient excludes zero; covered,
    covered_by_patient: that of intervals that hold the mean truth of their classifier. covered and detectable are NaN
    where no arm differed by more than the others' folds: there is no interval then."""
    spoken = table.assign(gain=table["verdict"] == "gain", harm=table["verdict"] == "harm")
    whole = spoken.groupby("simulation")[["gain", "harm"]].any()
    truth = table.groupby("classifier")["truth"].transform("mean")
    covered = ((table["low"] <= truth) & (truth <= table["high"]))[table["low"].notna()]
    low, high = table["patients_low"], table["patients_high"]
    return {
        "simulations": len(whole),
        "gain": float(whole["gain"].mean()),
        "harm": float(whole["harm"].mean()),
        "mcnemar": float((table["mcnemar"] < ALPHA).mean()),
        "by_patient": float(((low > 0) | (high < 0)).mean()),
        "truth": float(table["truth"].mean()),
        "difference": float(table["difference"].mean()),
        "detectable": float(table["detectable"].median()),
        "covered": float(covered.mean()),
        "covered_by_patient": float(((low <= truth) & (truth <= high)).mean()),
    }


def _simulate_one(task: _Task, _progress: Progress) -> list[dict[str, Any]]:
    study = task.study
    lesions, images, folds = _draw_set(study, task.number)
    test_sets = name_test_sets(folds)
    learned = _mislabel(lesions.targets, study.mislabelled, task.number)
    arms = (ARMS[BASELINE], ARMS[GAN_ARM if study.perfect else "resampled"])
    patients = groups(lesions)
    cells, predictions, shares = [], [], []
    for seed, cuts in folds.items():
        for number, fold in enumerate(cuts):
            shares.append(len(fold.test) / len(fold.train))
            train = images[fold.train], learned[fold.train]
            test = images[fold.test], lesions.targets[fold.test]
            for arm in arms:
                names = {"arm": arm.name, "fold": fold.name, "seed": seed, "test_set": test_sets[fold.name, seed]}
                seeds = (task.number * 100 + seed, (task.number * 100 + seed) * 100 + number)
                for cell, chances in _cells(study, arm, train, test, seeds):
                    cells.append(names | cell)
                    whose = {"path": fold.test, "patient": patients[fold.test], "classifier": cell["classifier"]}
                    predictions.append(pd.DataFrame(names | whose | _called(test[1], chances)))
    return _conclude(task, arms[1], pd.DataFrame(cells), pd.concat(predictions), float(np.mean(shares)))


def _conclude(
    task: _Task, arm: Arm, cells: pd.DataFrame, predictions: pd.DataFrame, test_share: float
) -> list[dict[str, Any]]:
    truths = cells.groupby(["arm", "classifier"])["judged"].mean()
    called = {(str(a), str(c)): rows for (a, c), rows in predictions.groupby(["arm", "classifier"])}
    made = []
    for found in compare(cells, [arm.name], task.study.classifiers, VERDICT_METRIC, test_share):
        ours, base = (arm.name, found.classifier), (BASELINE, found.classifier)
        told = {"simulation": task.number, "truth": truths[ours] - truths[base]}
        _, low, high = differences(called[ours], called[base], list(CLASSES))[VERDICT_METRIC]
        opinions = {"mcnemar": mcnemar(called[ours], called[base]).p, "patients_low": low, "patients_high": high}
        unknown = float("nan")  # not None, which would make a column of no numbers where all of it is unknown
        made.append(told | opinions | {k: unknown if v is None else v for k, v in asdict(found).items()})
    return made


def _called(targets: np.ndarray, chances: np.ndarray) -> dict[str, Any]:
    """The columns of predictions.csv that a classifier fills, and the true class. chances: (N, C)."""
    names = np.array(CLASSES)
    columns = {f"p_{name}": chances[:, number] for number, name in enumerate(CLASSES)}
    return {"label": names[targets], "predicted": names[chances.argmax(1)]} | columns


def _mislabel(targets: np.ndarray, share: float, seed: int) -> np.ndarray:
    """(N,) classes -> the same with `share` of them, drawn at random, another one."""
    randomness = np.random.default_rng(seed)
    rows = randomness.choice(len(targets), round(share * len(targets)), replace=False)
    learned = targets.copy()
    learned[rows] = (targets[rows] + randomness.integers(1, len(CLASSES), len(rows))) % len(CLASSES)
    return learned


def _cells(
    study: Study, arm: Arm, train: Labelled, test: Labelled, seeds: tuple[int, int]
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """A classifier each: its scores, of them `judged` on the lesions that tell the truth; and its (N, C) of `test`.

    seeds: of the trainings, and of the perfect generator, which is another one in each fold."""
    synthetic, seed = None, seeds[0]
    if arm.gan:
        count = round(study.perfect * len(train[1]) / len(CLASSES))
        synthetic = _as_arrays(study, count, _OTHERS + seeds[1])
    data = build_training_set(arm, train, synthetic, 1 + study.perfect if study.perfect else 3.0, seed)
    judges = _as_arrays(study, _JUDGES, 2 * _OTHERS)
    for name in study.classifiers:
        model = train_classifier(name, data, len(CLASSES), study.steps, seed)
        chances = model.predict(test[0])
        judged = measure(judges[1], model.predict(judges[0]))[VERDICT_METRIC]
        yield {"classifier": name, "judged": judged} | measure(test[1], chances), chances


def _draw_set(study: Study, number: int) -> tuple[Lesions, np.ndarray, dict[int, list[Fold]]]:
    """A phantom set, its images, and the folds of each seed. One that can't be cut by patient is drawn anew."""
    for attempt in range(_ATTEMPTS):
        drawn = list(phantom_lesions(study.patients, study.per_class, study.size, number + attempt * _NEXT))
        columns = {
            "path": [f"phantom-{i}" for i in range(len(drawn))],
            "label": [d.label for d in drawn],
            "patient": [d.patient for d in drawn],
        }
        lesions = make_lesions(columns, Path("phantom"))
        try:
            folds = {seed: outer_folds(lesions, study.folds, seed) for seed in range(study.seeds)}
        except DataError as error:
            last = error
        else:
            return lesions, _images([d.image for d in drawn]), folds
    raise last


@lru_cache(maxsize=4)
def _as_arrays(study: Study, per_class: int, seed: int) -> Labelled:
    """Many patients: as few lesions of one as the phantom's own sets have."""
    patients = max(3, round(study.patients * per_class / study.per_class))
    drawn = list(phantom_lesions(patients, per_class, study.size, seed))
    return _images([d.image for d in drawn]), np.array([CLASSES.index(d.label) for d in drawn], np.int64)


def _images(hounsfield: Sequence[np.ndarray]) -> np.ndarray:
    return ((np.stack(hounsfield)[:, None] - _HU_MIDDLE) / _HU_HALF).clip(-1, 1).astype(np.float32)
