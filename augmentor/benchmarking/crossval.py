"""One cell after another: a fold's GAN, an arm's training set, a classifier's predictions on unseen patients."""

from __future__ import annotations

import json
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
from augmentor.data.images import load_images
from augmentor.data.lesions import Lesions
from augmentor.data.splits import Fold, guard
from augmentor.expansion.mix import wanted_counts
from augmentor.expansion.screen import synthesise
from augmentor.model.checkpoint import write_atomically
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
        order = {name: i for i, name in enumerate(self.lesions.classes)}
        return images, np.array([order[label] for label in labels], np.int64)

    def _fit(self, model: ModelName) -> Run:
        asked = self.recipe.benchmark
        length = {"minutes": asked.minutes, "kimg": asked.kimg} if asked.minutes or asked.kimg else {}
        recipe = self.recipe.with_options(model={"name": model}, training={"seed": self.seed} | length)
        suffix = "" if model == "cgan" else f"-{model}"
        out = self.folder / "gans" / f"fold{self.fold.name}-seed{self.seed}{suffix}"
        run = fit(self.train, recipe, out, latest=False, progress=self.progress)
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
    name = f"{arm.name}-{result['classifier']}-fold{data.fold.name}-seed{data.seed}.json"
    write_atomically(folder / name, json.dumps(content, indent=1, default=float))
