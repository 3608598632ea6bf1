"""One fold with one seed: its two sides, and its GANs' lesions. Nothing that is trained has seen its test patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.benchmarking.arms import Labelled
from augmentor.benchmarking.failures import ChangedImageError
from augmentor.benchmarking.keys import FIT_CODE, beside_of, data_of, result_key, software
from augmentor.benchmarking.pool import pool
from augmentor.data.formats import file_name
from augmentor.data.images import read_image
from augmentor.data.intensity import Intensity
from augmentor.data.lesion_image import content_hash
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.splits import Fold, brings_test, guard
from augmentor.data.squares import load_images
from augmentor.errors import UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.model.checkpoint import load_card
from augmentor.model.devices import computes_in_bfloat16, find_device
from augmentor.model.gan import METHODS, resolve
from augmentor.recipe import DataSection, ExtractSection, ModelName, Recipe, ScreenLevel
from augmentor.training.run import Run


@dataclass
class FoldData:
    """One outer fold with one seed. Everything that is trained or chosen comes from `train`; `test` is only predicted.

    per_class: at most so many training lesions of each class. Making one raises LeakageError if the two sides share a
    patient, a path or the pixels of an image. arithmetic, software: of the machine and the process that it is made in,
    where the benchmark is started: what is computed otherwise would not compare, and is not what the keys are of.
    Whatever reads its images raises ChangedImageError where they hold other pixels than when it was started.
    """

    lesions: Lesions
    fold: Fold
    seed: int
    recipe: Recipe
    folder: Path
    per_class: int | None = None
    gan_keys: dict[ModelName, str] = field(default_factory=dict)
    arithmetic: str = field(init=False)
    software: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        lesions = _by_whole_split(self.lesions)
        self.train = lesions.rows(self.fold.train).at_most(self.per_class, self.seed)
        self.test = lesions.rows(self.fold.test)
        guard(self.train, self.test)
        self.arithmetic, self.software = arithmetic_of(self.recipe), software()

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

    def require_unchanged(self) -> None:
        """Raise ChangedImageError where a training image holds other pixels than when the benchmark was started."""
        look = _looker(*_named(self.train))
        for path in self.train.paths:
            look(path, read_image(path).pixels)

    def require_like_here(self) -> None:
        """Raise UsageError where this process computes otherwise than the one that the benchmark was started in."""
        here = arithmetic_of(self.recipe)
        if here != self.arithmetic:
            raise UsageError(
                f"This worker computes with {here}, and the benchmark was started for {self.arithmetic}. Start it on a "
                "machine like its workers, or give --device cpu."
            )
        ours, theirs = software(), self.software
        others = {name: theirs.get(name, "unknown") for name in ours if ours[name] != theirs.get(name)}
        if others:
            told = ", ".join(f"{name} {ours[name]} (there {other})" for name, other in others.items())
            raise UsageError(
                f"This worker computes with other software than the process that the benchmark was started in: {told}. "
                "Install the same versions for both and restart the workers, then start the same command again."
            )

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
        conditions = {} if METHODS[model].grafts else {"condition_on": None}  # the others know of no size
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
    paths: tuple[str, ...], content: tuple[str, ...], size: int, intensity: Intensity | None = None
) -> tuple[np.ndarray, Intensity]:
    """content: hashes of the images' pixels, "" where they are not known."""
    return load_images(paths, size, intensity, _looker(paths, content))


def _looker(paths: tuple[str, ...], content: tuple[str, ...]) -> Callable[[str, np.ndarray], None]:
    """A function of a path and the image's pixels that raises ChangedImageError where these are others."""
    known = dict(zip(paths, content, strict=True))

    def look(path: str, pixels: np.ndarray) -> None:
        if known[path] and content_hash(pixels) != known[path]:
            raise ChangedImageError(
                f"{path}: holds other pixels than when the benchmark was started. What is done is kept. Put the image "
                "back, or leave it as it is, then start the same command again: what hangs on it is computed anew."
            )

    return look


def _named(side: Lesions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(side.paths), tuple(side.table["content"])


def arithmetic_of(recipe: Recipe) -> str:
    """Of this machine, for the recipe's networks: device and kind of numbers."""
    device = find_device(recipe.training.device)
    return f"{device.type}, {'bfloat16' if computes_in_bfloat16(device, recipe.model.spatial_dims) else 'float32'}"
