"""What a fit under way holds, made ready from its run folder."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from augmentor.data.images import read_image
from augmentor.data.intensity import Intensity
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.masks import load_mask_channels
from augmentor.data.sizes import load_sides, spacing_at
from augmentor.data.splits import groups
from augmentor.data.squares import load_images
from augmentor.errors import AugmentorError
from augmentor.model.checkpoint import Card
from augmentor.model.gan import METHODS, build_gan
from augmentor.model.graft import GraftRange
from augmentor.model.lesions import LoadedLesions, TrainingLesions
from augmentor.recipe import Recipe
from augmentor.training.distributed import lead
from augmentor.training.loop import Trainer
from augmentor.training.monitor import Monitor
from augmentor.training.reach import RANGES, measure_reach
from augmentor.training.run import Run


@dataclass
class UnderWay:
    """`snapshots` are their records, those of earlier sittings too."""

    run: Run
    recipe: Recipe
    trainer: Trainer
    monitor: Monitor
    card: Card
    source: str  # of the lesions, as it was given
    moved: str | None  # how far training lesions are, where the model starts from them
    seconds: float = 0.0  # of training, over all sittings
    halted: int = 0  # by which signal
    stopped: bool = False  # by the monitor: more training would only copy
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=20))  # (seconds, kimg) of records

    @property
    def share(self) -> float:
        """How much of the wanted length is done: the nearer of the two limits."""
        minutes, kimg = self.recipe.training.length
        by_time = self.seconds / (minutes * 60) if minutes else 0.0
        return max(by_time, self.trainer.kimg / kimg if kimg else 0.0)

    @property
    def ended(self) -> bool:
        return self.stopped or self.share >= 1

    def record(self, kind: str, values: dict[str, Any]) -> None:
        """A line of metrics.jsonl. kind: "step", or "snapshot", which is on the disk before its state is."""
        trainer = self.trainer
        where = {"kind": kind, "step": trainer.step, "kimg": trainer.kimg, "seconds": round(self.seconds, 2)}
        with self.run.metrics_file.open("a") as file:
            file.write(json.dumps(where | values) + "\n")
            if kind == "snapshot":
                file.flush()
                os.fsync(file.fileno())
        if kind == "snapshot":
            self.snapshots.append(where | values)

    def require_finite(self, losses: dict[str, float]) -> None:
        """Raise AugmentorError where one of them is no number."""
        if not all(math.isfinite(v) for v in losses.values()):
            section = self.recipe.training
            exact = "" if section.precision == "32-true" else ", or set training.precision to 32-true,"
            raise AugmentorError(
                f"{self.run.folder}: the losses left the numbers at step {self.trainer.step} ({losses}). Lower "
                f"training.generator_lr ({section.generator_lr:g}) or training.discriminator_lr "
                f"({section.discriminator_lr:g}){exact} in a recipe and start a new run with it: `augmentor run`."
            )


def set_up(run: Run, recipe: Recipe, fabric: Fabric) -> UnderWay:
    """Networks and references for the lesions that the run folder names."""
    classes, section, seed = run.training.classes, recipe.model, recipe.training.seed
    train, intensity = _load(run.training, classes, recipe)
    held_out = _load(run.held_out, classes, recipe, intensity)[0] if len(run.held_out) else None
    moved = lead(fabric, lambda: _moved(run, train, recipe))
    reach, patients = RANGES[moved] if moved else GraftRange(), groups(run.training)
    lesions = TrainingLesions(train.images, train.labels, len(classes), train.sides_mm, patients, reach)
    gan = build_gan(section, lesions, seed)
    trainer = Trainer(gan, lesions, recipe.training, fabric)
    card = _card(run, recipe, train, classes, intensity)
    source = run.splits["source"]
    monitor = Monitor(train, held_out, seed, gan.masks, patients, groups(run.held_out) if held_out else None)
    return UnderWay(run, recipe, trainer, monitor, card, source, moved)


def _moved(run: Run, train: LoadedLesions, recipe: Recipe) -> str | None:
    """How far training lesions are moved, by the name of the range; None for a model that starts from none."""
    if not METHODS[recipe.model.name].grafts:
        return None
    return measure_reach(train, groups(run.training), int(recipe.model.with_mask))


def _load(
    lesions: Lesions, classes: list[str], recipe: Recipe, intensity: Intensity | None = None
) -> tuple[LoadedLesions, Intensity]:
    """One side's lesions for the networks, each with its mask as the last channel and its size where the model asks."""
    section = recipe.model
    images, intensity = load_images(lesions.paths, section.size, intensity)
    if section.with_mask:
        images = np.concatenate([images, load_mask_channels(lesions, section.size)], axis=1)
    sides = torch.tensor(load_sides(lesions)) if section.condition_on else None
    labels = torch.from_numpy(class_numbers(lesions.table["label"], classes))
    return LoadedLesions(torch.tensor(images), labels, sides), intensity


def _card(run: Run, recipe: Recipe, train: LoadedLesions, classes: list[str], intensity: Intensity) -> Card:
    sizes = torch.bincount(train.labels, minlength=len(classes)).tolist()
    rows = zip(run.training.paths, run.training.table["roi_side_mm"], strict=True)
    spacings = [spacing_at(read_image(path), side, recipe.model.size) for path, side in rows]
    known = [s for s in spacings if s is not None]
    spacing = tuple(np.median(known, axis=0).tolist()) if known else None
    channels = train.images.shape[1] - recipe.model.with_mask
    return Card(recipe.model, tuple(classes), channels, tuple(sizes), intensity, spacing, 0, recipe.hash())
