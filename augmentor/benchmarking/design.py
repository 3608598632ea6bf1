"""The design of a benchmark: which GANs and cells a recipe asks for, on which folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from augmentor.benchmarking.arms import ARMS, BASELINE, CURVE_ARM
from augmentor.benchmarking.auto import can_choose, count_witnesses
from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.cells import Spec
from augmentor.benchmarking.classifiers import can_pretrain, require_classifier
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask
from augmentor.data.lesions import Lesions
from augmentor.data.splits import Fold, brings_test, holdout, outer_folds
from augmentor.errors import DataError, UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.recipe import ArmName, BenchmarkSection, ClassifierName, Recipe


@dataclass(frozen=True)
class Design:
    """folds: those of each seed. cells: what is compared. curves: the further cells of the two curves."""

    folds: dict[int, list[Fold]]
    cells: list[CellTask]
    curves: list[CellTask]

    @property
    def gans(self) -> list[GanTask]:
        """Every GAN that a cell needs, once."""
        needed: dict[str, GanTask] = {}
        for task in [*self.cells, *self.curves]:
            if gan := task.gan:
                needed.setdefault(gan.run, gan)
        return list(needed.values())

    @property
    def test_sets(self) -> dict[tuple[str, int], str]:
        return name_test_sets(self.folds)


def name_test_sets(folds: dict[int, list[Fold]]) -> dict[tuple[str, int], str]:
    """The folds of each seed; (fold, seed) -> a name that folds with the same test lesions share, whatever a seed calls
    them."""
    names: dict[bytes, str] = {}
    return {
        (fold.name, seed): names.setdefault(np.sort(fold.test).tobytes(), f"{fold.name}, seed {seed}")
        for seed, cuts in folds.items()
        for fold in cuts
    }


def make_design(lesions: Lesions, recipe: Recipe, out: Path) -> Design:
    """Raises UsageError or DataError, now and not after an hour, where a part of it can't be done."""
    asked = recipe.benchmark
    for name in asked.classifiers:
        require_classifier(name)
    pairs = _pairs(asked)
    folds = {seed: outer_folds(lesions, asked.folds, seed) for seed in range(asked.seeds)}
    cells: list[CellTask] = []
    curves: dict[str, CellTask] = {}
    for seed, cuts in folds.items():
        for fold in cuts:
            data = FoldData(lesions, fold, seed, recipe, out)
            cells += [CellTask(data, _spec(data, arm, name, asked.factor)) for arm, name in pairs]
            for task in (*_synthetic_curve(data, asked), *_real_curve(data, asked)):
                curves.setdefault(task.key, task)
    main = {task.key for task in cells}
    design = Design(folds, cells, [task for key, task in curves.items() if key not in main])
    for task in [*design.cells, *design.curves]:
        _require_synthetic(task)
    for gan in design.gans:
        _require_inner_split(gan, recipe)
    return design


def design_warnings(design: Design, lesions: Lesions, recipe: Recipe) -> list[str]:
    """What of the data or the recipe the folds leave aside."""
    asked, warnings = recipe.benchmark.folds, []
    if (lesions.table["split"] == "val").any() and not brings_test(lesions):
        warnings.append(
            "The split column is not used: it has val rows and no test rows. What a fold holds out for its GAN is "
            "drawn from all of its training patients."
        )
    if asked and len(design.folds[0]) != asked:
        warnings.append(f"--folds {asked} is not used: the data brings its own test split, the one fold.")
    return warnings + _warnings_of_auto(design, recipe)


def _warnings_of_auto(design: Design, recipe: Recipe) -> list[str]:
    """That the arm auto can't choose, where no fold holds out the patients that it takes."""
    held: dict[tuple[str, int], int] = {}
    most: dict[ClassifierName, int] = {}
    for data, name in ((task.data, task.spec.classifier) for task in design.cells if task.arm.auto):
        fold = data.fold.name, data.seed
        if fold not in held:
            held[fold] = count_witnesses(data.train.rows(holdout(data.train, recipe.training.holdout, data.seed)[1]))
        most[name] = max(most.get(name, 0), held[fold])
    if not (blind := [name for name, patients in most.items() if not can_choose(patients, name)]):
        return []
    patients = max(most[name] for name in blind)
    return [
        f"Arm auto can choose no synthetic lesions for {', '.join(blind)}: inside a fold it judges them on {patients} "
        f"held-out patient{'s' * (patients != 1)} at most, and with so few no gain can be told from chance. Add "
        "patients, raise training.holdout, or leave the arm out."
    ]


def more_test_sets(lesions: Lesions, needed: int) -> str:
    """What gives a design so many test sets, as far as these lesions allow it."""
    if brings_test(lesions):
        return (
            "drop the test split (the column split, or the folders train and test: one folder a class then holds all "
            f"patients), and the benchmark draws --folds {needed} of all of them"
        )
    brought = sorted(set(lesions.table["fold"]) - {""})
    if brought and len(brought) < needed:
        return f"drop the data's {len(brought)} folds (the column fold), and the benchmark draws --folds {needed}"
    fewest = int(lesions.per_class()["patients"].min())
    if not brought and fewest < needed:
        return f"add patients (a class has {fewest}, and each fold needs one of each class), or take more --seeds"
    return f"take --folds {needed}, or more --seeds"


def _require_synthetic(task: CellTask) -> None:
    """Raise UsageError where an arm with a GAN would get none of its lesions: what is said of it is said of them."""
    spec, data, asked = task.spec, task.data, task.data.recipe.benchmark
    if not task.arm.gan or task.arm.auto or any(wanted_counts(data.train.counts(), spec.factor).values()):
        return
    what, way_out = f"--factor {spec.factor:g}", "Give --factor 2 or more."
    if spec.per_class is not None:
        what = f"The curve of real lesions at {spec.per_class} a class ({what})"
        way_out += " Or leave that point out."
    elif spec.factor != asked.factor:
        what = f"The curve of synthetic lesions at {spec.factor - 1:g} for each real one"
        way_out = "Leave that point out."
    raise UsageError(f"{what} asks for no synthetic lesion in fold {data.fold.name}. {way_out}")


def _require_inner_split(gan: GanTask, recipe: Recipe) -> None:
    try:
        _, held = holdout(gan.data.train, recipe.training.holdout, gan.data.seed)
        _require_two_patients(gan)
    except DataError as error:
        at, fold, way_out = gan.data.per_class, gan.data.fold.name, ""
        side = f"The training side of fold {fold}"
        if at is not None:
            side, way_out = f"The curve of real lesions at {at} a class (fold {fold})", " Or leave that point out."
        raise DataError([f"{side}: {problem}{way_out}" for problem in error.problems]) from error
    if "auto" in recipe.benchmark.arms and not len(held):
        raise UsageError("Arm auto chooses on held-out patients: training.holdout must be above 0, 0.2 by default.")


def _require_two_patients(gan: GanTask) -> None:
    """Raise DataError where a class that a GAN learns would be of one patient: it would be that patient."""
    patients = gan.data.train.per_class()["patients"]
    if problems := [
        f"Class {name!r} has 1 patient; a GAN needs at least 2. Merge the class or add patients."
        for name in patients.index[patients < 2]
    ]:
        raise DataError(problems)


def _pairs(asked: BenchmarkSection) -> list[tuple[ArmName, ClassifierName]]:
    pairs = [
        (arm, name)
        for arm, name in product(asked.arms, asked.classifiers)
        if ARMS[arm].use != "pretrain" or can_pretrain(name)
    ]
    if not pairs:
        raise UsageError(
            "--arms pretrain-gan needs a network classifier: features and estimators can't be trained in two stages. "
            "Add --classifiers cnn, or another arm."
        )
    return pairs


def _spec(data: FoldData, arm: ArmName, classifier: ClassifierName, factor: float) -> Spec:
    enlarged = (ARMS[arm].gan and not ARMS[arm].auto) or ARMS[arm].resample  # auto chooses how far
    return Spec(arm, classifier, data.fold.name, data.seed, factor if enlarged else 1.0, data.per_class)


def _synthetic_curve(data: FoldData, asked: BenchmarkSection) -> Iterator[CellTask]:
    """The paper's curve: more and more synthetic lesions, for the first classifier."""
    for times in asked.synthetic_curve:
        yield CellTask(data, _spec(data, CURVE_ARM, asked.classifiers[0], 1 + times))
    if asked.synthetic_curve:
        yield CellTask(data, _spec(data, BASELINE, asked.classifiers[0], 1.0))


def _real_curve(data: FoldData, asked: BenchmarkSection) -> Iterator[CellTask]:
    """Fewer real lesions a class, each with a GAN of its own; the main cells are its end."""
    most = max(data.train.counts().values())
    for count in (n for n in asked.real_curve if n < most):
        part = FoldData(data.lesions, data.fold, data.seed, data.recipe, data.folder, per_class=count)
        for arm in (BASELINE, CURVE_ARM):
            yield CellTask(part, _spec(part, arm, asked.classifiers[0], asked.factor))
    if asked.real_curve:
        for arm in (BASELINE, CURVE_ARM):
            yield CellTask(data, _spec(data, arm, asked.classifiers[0], asked.factor))
