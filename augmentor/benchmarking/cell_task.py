"""A cell to compute: its training set, a classifier, and predictions on patients that nothing else has seen."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from augmentor.benchmarking.arms import ARMS, Arm, build_training_set
from augmentor.benchmarking.auto import choose, count_trials
from augmentor.benchmarking.cells import Cell, Spec
from augmentor.benchmarking.classifiers import can_pretrain, diverged, train_classifier
from augmentor.benchmarking.failures import ENDING, require_disk, tell_failure
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask
from augmentor.benchmarking.keys import CELL_CODE, SCREEN_CODE, data_of, result_key
from augmentor.benchmarking.scores import measure
from augmentor.errors import AugmentorError
from augmentor.progress import Progress, Update
from augmentor.recipe import ScreenLevel
from augmentor.training.run import Run


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
        """Everything that decides about the cell: what is not in it (other arms) changes nothing. Made once, where the
        benchmark was started. The number of threads is not in it, which moves a network in its last digits."""
        data, recipe = self.data, self.data.recipe
        content: dict[str, Any] = asdict(self.spec) | {"size": recipe.model.size, "arithmetic": data.arithmetic}
        content |= {"train": data_of(data.train), "test": data_of(data.test)}
        content |= {"steps": recipe.benchmark.steps} if can_pretrain(self.spec.classifier) else {}  # of a network alone
        if self.arm.gan:
            content |= {"gan": data.gan_key(self.arm.gan)} | ({} if self.arm.auto else {"screen": self.screen})
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


def run_cell(task: CellTask, progress: Progress) -> Cell:
    """Compute a cell and save it. An error in it is recorded, not raised: the other cells go on. One that
    concerns them all is raised: ENDING, and errors of the disk."""
    begun = time.perf_counter()
    try:
        task.data.require_like_here()
        with progress.task(str(task.spec), 1.0) as update:
            cell = _compute(task, update)
    except ENDING:
        raise
    except Exception as error:
        require_disk(error)
        return task.fail(tell_failure(error))
    cell = replace(cell, seconds=round(time.perf_counter() - begun, 2))
    cell.save(task.data.folder / "cells")
    return cell


def _compute(task: CellTask, update: Update) -> Cell:
    data, spec, asked = task.data, task.spec, task.data.recipe.benchmark
    real = data.real  # before all that is drawn for it: an image that changed since ends the benchmark here
    chosen: dict[str, Any] | None = None
    warnings: list[str] = []
    arm, factor, screen = task.arm, spec.factor, task.screen
    if arm.auto:
        run = Run(data.gan_folder("cgan"))
        choice = choose(run, spec.classifier, asked.steps, data.seed, update)
        chosen = choice.as_dict()
        arm, factor, screen = choice.plan.arm, choice.plan.factor, choice.plan.screen
        update = _last_of(count_trials(spec.classifier) + 1, update)
    synthetic = None
    if arm.gan:
        synthetic, warnings = data.synthetic(arm.gan, factor, screen)
    training = build_training_set(arm, real, synthetic, factor, data.seed)
    if not len(training.labels):
        raise AugmentorError("No lesion is left to train on: none passed the screen. Raise factor, or loosen screen.")
    classes, device = len(data.lesions.classes), data.recipe.training.device
    model = train_classifier(spec.classifier, training, classes, asked.steps, data.seed, device, update)
    probabilities = model.predict(data.test_images)
    if diverged(probabilities):
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


def _last_of(trainings: int, update: Update) -> Update:
    """An update that tells the last of several trainings, which are one task together."""
    return lambda done, note: update((trainings - 1 + done) / trainings, note)


def _gan_paths(task: CellTask) -> dict[str, list[str]]:
    if not task.arm.gan:
        return {}
    run = Run(task.data.gan_folder(task.arm.gan))
    return {"gan_train": run.training.paths, "gan_held_out": run.held_out.paths}
