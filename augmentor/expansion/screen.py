"""Which synthetic lesions may leave: near-copies of training lesions are refused, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from augmentor.data.images import load_images
from augmentor.evaluation.memorisation import CopyCheck, make_copy_check
from augmentor.model.blocks import Generator
from augmentor.model.checkpoint import Card, load_checkpoint
from augmentor.sampling import sample, seed_of
from augmentor.training.run import Run

_CHUNK = 64
_TRIES = 20  # lesions drawn at most for each one that is wanted


@dataclass(frozen=True)
class Synthetic:
    """One lesion that passed: image (C, S, S) float32 in [-1, 1]; distance to the nearest training lesion."""

    label: str
    seed: int
    image: np.ndarray
    distance: float


@dataclass
class Screen:
    """Counts what it drew, kept and refused, a class."""

    copies: CopyCheck
    drawn: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def draw(self, generator: Generator, card: Card, wanted: dict[str, int], seed: int) -> Iterator[Synthetic]:
        """Stream `wanted` lesions a class, fewer where more than 19 of 20 are near-copies. Constant memory."""
        for label, count in wanted.items():
            yield from self._draw_class(generator, card.classes.index(label), label, count, seed)

    def _draw_class(self, generator: Generator, index: int, label: str, count: int, seed: int) -> Iterator[Synthetic]:
        kept, number = 0, 0
        while kept < count and number < _TRIES * count:
            seeds = [seed_of(seed, index, number + i) for i in range(min(_CHUNK, _TRIES * count - number))]
            images = np.stack([x.numpy() for x in sample(generator, [index] * len(seeds), seeds)])
            distances, _ = self.copies.distances(images)
            for image, one, distance in zip(images, seeds, distances, strict=True):
                number += 1
                self.drawn[label] += 1
                if distance < self.copies.threshold:
                    self.refused[label] += 1
                elif kept < count:
                    kept += 1
                    yield Synthetic(label, one, image, float(distance))
                if kept == count:
                    break


def screen_of(run: Run, card: Card) -> Screen:
    """The screen for a run's lesions, calibrated on its held-out patients."""
    size, training = card.model.size, run.training
    images, _ = load_images(training.paths, size, card.intensity)
    others = load_images(run.held_out.paths, size, card.intensity)[0] if len(run.held_out) else None
    return Screen(make_copy_check(images, training.table["patient"].tolist(), others))


def synthesise(run: Run, wanted: dict[str, int], seed: int) -> tuple[np.ndarray, list[str]]:
    """`wanted` lesions a class of the run's chosen snapshot, screened: (M, C, S, S) float32 in [-1, 1], M labels."""
    generator, card = load_checkpoint(run.chosen_checkpoint)
    passed = list(screen_of(run, card).draw(generator, card, wanted, seed))
    shape = (0, card.channels, card.model.size, card.model.size)
    images = np.stack([s.image for s in passed]) if passed else np.empty(shape, np.float32)
    return images, [s.label for s in passed]
