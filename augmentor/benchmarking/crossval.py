"""One cell after another: a fold's GAN, an arm's training set, a classifier's predictions on unseen patients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.benchmarking.arms import ARMS, Arm, build_training_set
from augmentor.benchmarking.classifiers import make_classifier
from augmentor.benchmarking.statistics import measure
from augmentor.data.images import file_name, load_images
from augmentor.data.lesions import Lesions
from augmentor.data.splits import Fold, guard
from augmentor.errors import AugmentorError, InterruptedFitError
from augmentor.expansion.mix import wanted_counts
from augmentor.expansion.screen import synthesise
from augmentor.model.checkpoint import to_json, write_atomically
from augmentor.progress import Progress, Update
from augmentor.recipe import ArmName, ClassifierName, ModelName, Recipe
from augmentor.training.fit import fit
from augmentor.training.run import Run


@dataclass(frozen=True)
class Cell:
    """One arm, classifier, fold and seed: its row of results.csv and its predictions."""

    result: dict[str, Any]
    predictions: list[dict[str, Any]]


@dataclass
class FoldData:
    """One outer fold with one seed. Everything that is trained or chosen comes from `train`; `test` is only predicted.

    Making one raises LeakageError if the two sides share a patient, a path or the pixels of an image.
    """

    lesions: Lesions
    fold: Fold
    seed: int
    recipe: Recipe
    folder: Path
    progress: Progress
    gans: dict[ModelName, Run] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.train, self.test = self.lesions.rows(self.fold.train), self.lesions.rows(self.fold.test)
        guard(self.train, self.test)

    @cached_property
    def train_images(self) -> np.ndarray:
        return self._read[0]

    @cached_property
    def test_images(self) -> np.ndarray:
        return load_images(self.test.paths, self.recipe.model.size, self._read[1])[0]

    @cached_property
    def _read(self) -> tuple[np.ndarray, Any]:
        return load_images(self.train.paths, self.recipe.model.size)

    def synthetic(self, model: ModelName) -> tuple[np.ndarray, np.ndarray]:
        """Lesions of the fold's own GAN (fitted when first asked for): images, and labels (M,) int64."""
        run = self.gans.get(model) or self._fit(model)
        wanted = wanted_counts(self.train.counts(), self.recipe.benchmark.factor)
        images, labels = synthesise(run, wanted, self.seed)
        if len(labels) < sum(wanted.values()):
            self._warn(
                f"Fold {self.fold.name}, seed {self.seed}: {len(labels)} of {sum(wanted.values())} synthetic lesions "
                f"of {model} passed the screen; its arm has only these."
            )
        order = {name: i for i, name in enumerate(self.lesions.classes)}
        return images, np.array([order[label] for label in labels], np.int64)

    def _warn(self, line: str) -> None:
        self.warnings.append(line)
        self.progress.say(f"Warning: {line}")

    def _fit(self, model: ModelName) -> Run:
        asked = self.recipe.benchmark
        length = {"minutes": asked.minutes, "kimg": asked.kimg} if asked.minutes or asked.kimg else {}
        training = self.recipe.training.model_copy(update={"seed": self.seed} | length)
        network = self.recipe.model.model_copy(update={"name": model})
        recipe = self.recipe.model_copy(update={"model": network, "training": training})
        suffix = "" if model == "cgan" else f"-{model}"
        out = self.folder / "gans" / f"fold{file_name(self.fold.name)}-seed{self.seed}{suffix}"
        try:
            run = fit(self.train, recipe, out, latest=False, progress=self.progress)
        except InterruptedFitError as error:
            raise AugmentorError(
                f"Interrupted in the GAN of fold {self.fold.name}, seed {self.seed}. The cells that were done are in "
                f"{self.folder}/cells; start the benchmark again with another --out."
            ) from error
        guard(run.lesions, self.test)
        self.gans[model] = run
        return run


def run_fold(data: FoldData, arms: tuple[ArmName, ...], classifiers: tuple[ClassifierName, ...]) -> Iterator[Cell]:
    """All cells of a fold, arm by arm; each is also written to cells/ as it is done."""
    for name in arms:
        arm = ARMS[name]
        synthetic = data.synthetic(arm.gan) if arm.gan else None
        for classifier in classifiers:
            label = f"fold {data.fold.name}, seed {data.seed}: {name} x {classifier}"
            with data.progress.task(label, 1.0) as update:
                yield _run_cell(data, arm, classifier, synthetic, update)


def _run_cell(
    data: FoldData,
    arm: Arm,
    classifier: ClassifierName,
    synthetic: tuple[np.ndarray, np.ndarray] | None,
    update: Update,
) -> Cell:
    begun = time.perf_counter()
    classes = data.lesions.classes
    order = {name: i for i, name in enumerate(classes)}
    labels = data.train.table["label"].map(order).to_numpy(np.int64)
    training = build_training_set(arm, data.train_images, labels, synthetic)
    channels, size = data.train_images.shape[1:3]
    model = make_classifier(classifier, channels, size, len(classes), data.recipe.benchmark.steps)
    model.fit(training, data.seed, update)
    probabilities = model.predict(data.test_images)
    truth = data.test.table["label"].map(order).to_numpy(np.int64)
    where = {"arm": arm.name, "classifier": classifier, "fold": data.fold.name, "seed": data.seed}
    result = where | {
        "factor": data.recipe.benchmark.factor if arm.gan else 1.0,
        "n_real": training.n_real,
        "n_synthetic": training.n_synthetic,
        **measure(truth, probabilities),
        "seconds": round(time.perf_counter() - begun, 2),
    }
    _save_cell(data, arm, result)
    return Cell(result, list(_predictions(data.test, classes, probabilities, where)))


def _predictions(
    test: Lesions, classes: list[str], probabilities: np.ndarray, where: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for row, chances in zip(test.table.itertuples(), probabilities, strict=True):
        chance_of = {f"p_{c}": round(float(p), 5) for c, p in zip(classes, chances, strict=True)}
        called = classes[int(chances.argmax())]
        yield where | {"path": row.path, "patient": row.patient, "label": row.label, "predicted": called} | chance_of


def _save_cell(data: FoldData, arm: Arm, result: dict[str, Any]) -> None:
    """cells/<arm>-<classifier>-fold-seed.json: the scores, and every image path that the cell trained and tested on."""
    gan = data.gans[arm.gan] if arm.gan else None
    content = result | {
        "train": data.train.paths,
        "test": data.test.paths,
        "gan_train": gan.training.paths if gan else [],
        "gan_held_out": gan.held_out.paths if gan else [],
    }
    folder = data.folder / "cells"
    folder.mkdir(exist_ok=True)
    name = f"{arm.name}-{result['classifier']}-fold{file_name(data.fold.name)}-seed{data.seed}.json"
    write_atomically(folder / name, to_json(content))
