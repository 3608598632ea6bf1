"""What a benchmark will cost, from a probe of a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from augmentor.benchmarking.arms import TrainingSet
from augmentor.benchmarking.auto import count_trials
from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.classifiers import can_pretrain, make_classifier
from augmentor.benchmarking.failures import require_disk
from augmentor.benchmarking.gan_task import GanTask
from augmentor.model.gan import build_gan
from augmentor.model.lesions import TrainingLesions
from augmentor.progress import silent
from augmentor.recipe import ClassifierName, ModelName
from augmentor.training.loop import Trainer

Task = TypeVar("Task")
_STEPS, _LESIONS = 3, 8


class Probe:
    """Seconds that a task takes on one worker; each classifier and GAN is tried for a few steps, once. One that fails
    costs 0 s: its own cells tell of it, and the others are computed."""

    def __init__(self) -> None:
        self._classifiers: dict[ClassifierName, float] = {}
        self._gans: dict[ModelName, float] = {}

    def cell(self, task: CellTask) -> float:
        name = task.spec.classifier
        if name not in self._classifiers:
            self._classifiers[name] = _or_nothing(_cell_seconds, task)
        return self._classifiers[name] * (1 + count_trials(name) if task.arm.auto else 1)

    def gan(self, task: GanTask) -> float:
        minutes, kimg = task.data.gan_recipe(task.model).training.length
        if not kimg:
            return (minutes or 0.0) * 60
        if task.model not in self._gans:
            self._gans[task.model] = _or_nothing(_seconds_an_image, task)
        by_images = kimg * 1000 * self._gans[task.model]
        return min(by_images, minutes * 60) if minutes else by_images


def _or_nothing(seconds: Callable[[Task], float], task: Task) -> float:
    """0 where the task fails. Raises errors of the disk."""
    try:
        return seconds(task)
    except Exception as error:
        require_disk(error)
        return 0.0


def _cell_seconds(task: CellTask) -> float:
    """From a few steps of a network, or a few lesions of a feature classifier, on noise."""
    data, name, steps = task.data, task.spec.classifier, task.data.recipe.benchmark.steps
    shape = data.real[0].shape[1:]
    classes = len(data.lesions.classes)
    labels = np.arange(_LESIONS * classes) % classes
    noise = np.random.default_rng(0).uniform(-1, 1, (len(labels), *shape)).astype(np.float32)
    model = make_classifier(name, shape, classes, _STEPS, data.recipe.training.device)
    begun = time.perf_counter()
    model.fit(TrainingSet(noise, labels, len(noise), draws=len(noise)), 0, silent)
    taken = time.perf_counter() - begun
    return taken * (steps / _STEPS if can_pretrain(name) else len(data.train) / len(noise))


def _seconds_an_image(task: GanTask) -> float:
    recipe = task.data.gan_recipe(task.model)
    images, labels = (torch.tensor(part) for part in task.data.real)
    lesions = TrainingLesions(images, labels, int(labels.max()) + 1)
    trainer = Trainer(build_gan(recipe.model, lesions, 0), lesions, recipe.training)
    trainer.train_step()
    begun = time.perf_counter()
    for _ in range(_STEPS):
        trainer.train_step()
    return (time.perf_counter() - begun) / (_STEPS * trainer.batch)
