"""A GAN of a fold, to be fitted, gone on with or found done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augmentor.benchmarking.failures import ENDING, require_disk, tell_failure
from augmentor.benchmarking.fold import FoldData
from augmentor.data.splits import guard
from augmentor.locks import locked
from augmentor.progress import Progress
from augmentor.recipe import ModelName
from augmentor.training.fit import fit_or_resume
from augmentor.training.run import Run


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
        return Run(self.data.gan_folder(self.model)).finished

    def __str__(self) -> str:
        return f"{self.model}, fold {self.data.fold.name}, seed {self.data.seed}"


@dataclass(frozen=True)
class Fitted:
    """What came of a GanTask: the record of summary.json; `error` where it failed."""

    record: dict[str, Any]
    error: str | None = None


def fit_gan(task: GanTask, progress: Progress) -> Fitted:
    """Fit a fold's GAN, or go on with it, or find it done. An error in it is told, not raised, but for those that
    `run_cell` raises."""
    data, folder = task.data, task.data.gan_folder(task.model)
    record = {"fold": data.fold.name, "seed": data.seed, "per_class": data.per_class, "model": task.model}
    record |= {"run": task.run}
    try:
        data.require_like_here()
        data.require_unchanged()
        with locked(folder.with_name(f"{folder.name}.lock")):
            recipe, name = data.gan_recipe(task.model), f"GAN of {task}"
            run = fit_or_resume(data.train, recipe, folder, name=name, progress=progress)
        guard(run.lesions, data.test)
        ended = {name: run.summary[name] for name in ("kimg", "seconds")}
        ended |= {"discrimination": run.summary["discrimination_held_out"]}
    except ENDING:
        raise
    except Exception as error:
        require_disk(error)
        return Fitted(record, tell_failure(error))
    return Fitted(record | ended)
