"""One fold: its GANs, its training sets, and a cell's predictions on patients that nothing else has seen."""

from __future__ import annotations

import time
import traceback
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.benchmarking.arms import ARMS, Arm, Labelled, build_training_set
from augmentor.benchmarking.auto import Plan, choose
from augmentor.benchmarking.cells import CELL_CODE, FIT_CODE, SCREEN_CODE, Cell, Spec, beside_of, data_of, result_key
from augmentor.benchmarking.classifiers import train_classifier
from augmentor.benchmarking.pool import pool
from augmentor.benchmarking.statistics import measure
from augmentor.data.images import Intensity, file_name, load_images
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.splits import Fold, brings_test, guard
from augmentor.errors import OF_THE_DISK, AugmentorError, InterruptedFitError, LeakageError, UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.locks import locked
from augmentor.model.checkpoint import load_card
from augmentor.model.devices import computes_in_bfloat16, find_device
from augmentor.model.gan import resolve
from augmentor.progress import Progress, Update
from augmentor.recipe import DataSection, ExtractSection, ModelName, Recipe, ScreenLevel
from augmentor.training.fit import fit_or_resume
from augmentor.training.run import Run


@dataclass
class FoldData:
    """One outer fold with one seed. Everything that is trained or chosen comes from `train`; `test` is only predicted.

    per_class: at most so many training lesions of each class. Making one raises LeakageError if the two sides share a
    patient, a path or the pixels of an image. arithmetic: of the machine that it is made on, where the benchmark is
    started: what is computed otherwise would not compare.
    """

    lesions: Lesions
    fold: Fold
    seed: int
    recipe: Recipe
    folder: Path
    per_class: int | None = None
    gan_keys: dict[ModelName, str] = field(default_factory=dict)
    arithmetic: str = field(init=False)

    def __post_init__(self) -> None:
        lesions = _by_whole_split(self.lesions)
        self.train = lesions.rows(self.fold.train).at_most(self.per_class, self.seed)
        self.test = lesions.rows(self.fold.test)
        guard(self.train, self.test)
        self.arithmetic = _arithmetic(self.recipe)

    @property
    def real(self) -> Labelled:
        """The training lesions."""
        return self._train_images[0], class_numbers(self.train.table["label"], self.lesions.classes)

    @property
    def test_images(self) -> np.ndarray:
        return _load(*_named(self.test), self.recipe.model.size, self._train_images[1])[0]

    @property
    def test_targets(self) -> np.ndarray:
        return class_numbers(self.test.table["label"], self.lesions.classes)

    @property
    def _train_images(self) -> tuple[np.ndarray, Intensity]:
        return _load(*_named(self.train), self.recipe.model.size)

    def synthetic(self, model: ModelName, factor: float, screen: ScreenLevel) -> tuple[Labelled, list[str]]:
        """Lesions of the fold's own GAN that bring each class to `factor` times its size; warnings where too few."""
        wanted = wanted_counts(self.train.counts(), factor)
        images, labels = pool(Run(self.gan_folder(model)), wanted, self.seed, screen)
        images = self.scaled(images, model)
        warnings = []
        if len(labels) < sum(wanted.values()):
            warnings.append(
                f"Fold {self.fold.name}, seed {self.seed}: {len(labels)} of {sum(wanted.values())} synthetic lesions "
                f"of {model} passed the screen ({screen}); its arm has only these."
            )
        return (images, class_numbers(labels, self.lesions.classes)), warnings

    def scaled(self, images: np.ndarray, model: ModelName) -> np.ndarray:
        """Images of the fold's GAN, in [-1, 1] by the lesions that it was trained on -> by all of the fold's training
        lesions, as the real ones are: a classifier must not tell the two by their brightness."""
        intensity = load_card(Run(self.gan_folder(model)).chosen_checkpoint).intensity
        return intensity.to_other(images, self._train_images[1])

    def gan_recipe(self, model: ModelName) -> Recipe:
        """The recipe of the fold's GAN: the benchmark's length, the cell's seed."""
        asked = self.recipe.benchmark
        length = {"minutes": asked.minutes, "kimg": asked.kimg} if asked.minutes or asked.kimg else {}
        training = self.recipe.training.model_copy(update={"seed": self.seed} | length)
        conditions = {} if model == "cgan" else {"condition_on": None}  # the paper's GANs know of no size
        network = self.recipe.model.model_copy(update={"name": model} | conditions)
        # The lesions are in the key; under which name they were given, or how they were cut, does not matter.
        named = {"model": network, "training": training, "data": DataSection(), "extract": ExtractSection()}
        return resolve(self.recipe.model_copy(update=named))

    def gan_key(self, model: ModelName) -> str:
        """Made once, where the benchmark was started: what a worker finds under it is what was asked for."""
        if model not in self.gan_keys:
            recipe = self.gan_recipe(model)
            sections: dict[str, Any] = {"model": recipe.model.model_dump(), "training": recipe.training.model_dump()}
            sections["beside"] = beside_of(self.train)  # of each GAN: a run of lesions with others is not taken for it
            self.gan_keys[model] = result_key(sections | {"train": data_of(self.train)}, FIT_CODE)
        return self.gan_keys[model]

    def gan_folder(self, model: ModelName) -> Path:
        size = f"-n{self.per_class}" if self.per_class else ""
        name = f"fold{file_name(self.fold.name)}-seed{self.seed}{size}-{model}-{self.gan_key(model)}"
        return self.folder / "gans" / name


def _by_whole_split(lesions: Lesions) -> Lesions:
    """A brought split counts as a whole or not at all: val rows without test rows would fall into the training sides of
    folds as it happens, a class none in one of them, so each fold holds out its own share instead."""
    return lesions if brings_test(lesions) else replace(lesions, table=lesions.table.assign(split=""))


@lru_cache(maxsize=4)  # a fold's two sides, for all its cells that this process computes
def _load(
    paths: tuple[str, ...], _content: tuple[str, ...], size: int, intensity: Intensity | None = None
) -> tuple[np.ndarray, Intensity]:
    """_content: hashes of the images' pixels; files that were changed since are read anew."""
    return load_images(list(paths), size, intensity)


def _named(side: Lesions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(side.paths), tuple(side.table["content"])


@dataclass(frozen=True)
class GanTask:
    """One GAN to fit."""

    data: FoldData
    model: ModelName

    @property
    def run(self) -> str:
        """Its run folder, below the benchmark's."""
        return self.data.gan_folder(self.model).relative_to(self.data.folder).as_posix()

    @property
    def is_done(self) -> bool:
        return (self.data.folder / self.run / "run.json").exists()

    def __str__(self) -> str:
        return f"{self.model}, fold {self.data.fold.name}, seed {self.data.seed}"


@dataclass(frozen=True)
class Fitted:
    """What came of a GanTask: the record of summary.json; `error` where it failed."""

    record: dict[str, Any]
    error: str | None = None


def fit_gan(task: GanTask, progress: Progress) -> Fitted:
    """Fit a fold's GAN, or go on with it, or find it done."""
    data, folder = task.data, task.data.gan_folder(task.model)
    record = {"fold": data.fold.name, "seed": data.seed, "per_class": data.per_class, "model": task.model}
    record |= {"run": task.run}
    try:
        _require_arithmetic(data)
        with locked(folder.with_name(f"{folder.name}.lock")):
            run = fit_or_resume(data.train, data.gan_recipe(task.model), folder, progress=progress)
        guard(run.lesions, data.test)
    except LeakageError:
        raise
    except InterruptedFitError as error:
        raise AugmentorError(
            f"Interrupted in the GAN of {task}; nothing is lost. Go on with the same command and the same --out."
        ) from error
    except Exception as error:
        _require_disk(error)
        return Fitted(record, _told(error))
    told = ("kimg", "seconds")
    record |= {k: run.summary[k] for k in told} | {"discrimination": run.summary["discrimination_held_out"]}
    return Fitted(record)


@dataclass(frozen=True)
class CellTask:
    """One cell to compute."""

    data: FoldData
    spec: Spec

    @property
    def arm(self) -> Arm:
        return ARMS[self.spec.arm]

    @property
    def gan(self) -> GanTask | None:
        """The GAN that it needs, if any."""
        return GanTask(self.data, self.arm.gan) if self.arm.gan else None

    @property
    def screen(self) -> ScreenLevel:
        return self.data.recipe.benchmark.screen if self.arm.screened else "off"

    @cached_property
    def key(self) -> str:
        """Everything that decides about the cell: what is not in it (workers, other arms) changes nothing. Made once,
        where the benchmark was started."""
        data, recipe = self.data, self.data.recipe
        content: dict[str, Any] = asdict(self.spec) | {"steps": recipe.benchmark.steps, "size": recipe.model.size}
        content |= {"train": data_of(data.train), "test": data_of(data.test)}
        content |= {"arithmetic": data.arithmetic}
        if self.arm.gan:
            content |= {"gan": data.gan_key(self.arm.gan), "screen": self.screen}
        return result_key(content, (*CELL_CODE, *SCREEN_CODE) if self.arm.gan else CELL_CODE)

    def cell(self, **found: Any) -> Cell:
        """A cell of this task, with what was found."""
        data = self.data
        return Cell(self.spec, self.key, data.lesions.classes, data.train.paths, data.test.paths, **found)

    def fail(self, error: str) -> Cell:
        """Record that it could not be computed."""
        cell = self.cell(error=error)
        cell.save(self.data.folder / "cells")
        return cell


def _arithmetic(recipe: Recipe) -> str:
    device = find_device(recipe.training.device)
    return f"{device.type}, {'bfloat16' if computes_in_bfloat16(device, recipe.model.spatial_dims) else 'float32'}"


def run_cell(task: CellTask, progress: Progress) -> Cell:
    """Compute a cell and save it. An error in it is recorded, not raised: the other cells go on."""
    begun = time.perf_counter()
    try:
        _require_arithmetic(task.data)
        with progress.task(str(task.spec), 1.0) as update:
            cell = _compute(task, update)
    except LeakageError:
        raise
    except Exception as error:
        _require_disk(error)
        return task.fail(_told(error))
    cell = replace(cell, seconds=round(time.perf_counter() - begun, 2))
    cell.save(task.data.folder / "cells")
    return cell


def _require_arithmetic(data: FoldData) -> None:
    here = _arithmetic(data.recipe)
    if here != data.arithmetic:
        raise UsageError(
            f"This worker computes with {here}, and the benchmark was started for {data.arithmetic}. Start it on a "
            "machine like its workers, or give --device cpu."
        )


def _compute(task: CellTask, update: Update) -> Cell:
    data, spec, asked = task.data, task.spec, task.data.recipe.benchmark
    chosen: dict[str, Any] | None = None
    warnings: list[str] = []
    arm, factor, screen = task.arm, spec.factor, task.screen
    if arm.auto:
        run = Run(data.gan_folder("cgan"))
        choice = choose(run, spec.classifier, asked.steps, data.seed, update)
        chosen = choice.as_dict()
        arm, factor, screen = _arm_of(arm, choice.plan), choice.plan.factor, choice.plan.screen
    synthetic = None
    if arm.gan:
        synthetic, warnings = data.synthetic(arm.gan, factor, screen)
    training = build_training_set(arm, data.real, synthetic, factor, data.seed)
    if not len(training.labels):
        raise AugmentorError("No lesion is left to train on: none passed the screen. Raise factor, or loosen screen.")
    classes, device = len(data.lesions.classes), data.recipe.training.device
    model = train_classifier(spec.classifier, training, classes, asked.steps, data.seed, device, update)
    probabilities = model.predict(data.test_images)
    if not np.isfinite(probabilities).all():
        raise AugmentorError(f"{spec.classifier} diverged: its probabilities are not finite. Leave it out.")
    run_lists = _gan_paths(task)
    return task.cell(
        n_real=training.n_real,
        n_synthetic=training.n_synthetic,
        scores=measure(data.test_targets, probabilities),
        probabilities=probabilities.astype(float).tolist(),  # rounded ones would tie, which moves an AUC
        chosen=chosen,
        warnings=warnings,
        **run_lists,
    )


def _arm_of(arm: Arm, plan: Plan) -> Arm:
    """The arm that the inner split chose; without synthetic lesions it is the baseline."""
    return replace(arm, use=plan.use) if plan.factor > 1 else replace(arm, gan=None)


def _gan_paths(task: CellTask) -> dict[str, list[str]]:
    if not task.arm.gan:
        return {}
    run = Run(task.data.gan_folder(task.arm.gan))
    return {"gan_train": run.training.paths, "gan_held_out": run.held_out.paths}


def _require_disk(error: Exception) -> None:
    """Raise an error of the disk, a full one as a rule: the next cells would meet it too, and no arm is to blame."""
    if isinstance(error, OSError) and error.errno in OF_THE_DISK:
        raise error


def _told(error: Exception) -> str:
    """What failed, and where: one line, then the last frames."""
    frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return f"{type(error).__name__}: {error}\n{frames}"
