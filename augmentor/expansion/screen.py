"""Which synthetic lesions may leave: near-copies never, others by the level of the screen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, islice
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from augmentor.data.lesions import class_numbers
from augmentor.data.splits import groups
from augmentor.data.squares import load_images
from augmentor.expansion.ahead import Lanes
from augmentor.expansion.rules import LEVELS, Rule, Synthetic, TextureRules, fit_texture_rules
from augmentor.expansion.twins import Twins
from augmentor.model.blocks import Generator
from augmentor.model.checkpoint import Card, load_checkpoint
from augmentor.model.memorisation import CopyCheck, make_copy_check
from augmentor.model.thumbnails import turned_views
from augmentor.recipe import ScreenLevel
from augmentor.sampling import BATCH, draw, seed_of
from augmentor.training.run import Run

_TRIES = 20  # lesions drawn at most for each one that is wanted
_PATIENCE = 1000  # refusals in a row after which a class is given up
_OVERSAMPLED = 2  # passing lesions that a strict screen chooses from, for each one that is wanted
_BLOCK, _BLOCK_NUMBERS = 512, 4_000_000  # lesions chosen at a time, and numbers in their images: 2 x 16 MB


@dataclass
class Screen:
    """Counts what it drew and kept, a class, and what it refused, a class and rule."""

    copies: CopyCheck
    texture: TextureRules | None = None  # None at level "off"
    drawn: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, Rule]] = field(default_factory=Counter)

    @property
    def level(self) -> ScreenLevel:
        return self.texture.level if self.texture else "off"

    def refused_of(self, label: str) -> dict[Rule, int]:
        """How many lesions of a class each rule refused, most first; one counts for the first rule that refused it."""
        return {rule: number for (name, rule), number in self.refused.most_common() if name == label}

    def summary(self) -> dict[str, Any]:
        """The level, the limits and the counts, in plain values."""
        limits = {"copy_distance_at_least": self.copies.threshold, "twin_distance_at_least": self.copies.twin_threshold}
        if self.texture:
            limits |= self.texture.limits
        counts = {"drawn": dict(self.drawn), "kept": dict(self.kept)}
        refused = {label: self.refused_of(label) for label in self.drawn}
        told = {"warning": self.copies.warning} if self.copies.warning else {}
        return {"level": self.level, "limits": limits} | counts | {"refused": refused} | told

    def draw(self, generator: Generator, card: Card, wanted: dict[str, int], seed: int) -> Iterator[Synthetic]:
        """Stream `wanted` lesions a class in constant memory; fewer where over 19 of 20, or 1000 in a row, are refused.

        Many lesions of a class begin with the same ones as few. With the rule for variety they need not: few and many
        are each chosen among twice as many.
        """
        block = max(32, min(_BLOCK, _BLOCK_NUMBERS // math.prod(card.shape)))
        # Products of few rows: NumPy's own threads would wait for each other, and for the generator's, at every one.
        with threadpool_limits(1, user_api="blas"), Lanes() as lanes:
            for label, number in wanted.items():
                covering = "diversity" in LEVELS[self.level]
                asked = _OVERSAMPLED * number if covering else number
                chosen = self._passing(lanes, generator, card, label, seed, asked)
                if covering:
                    chosen = self._covering(chosen, card.classes.index(label), number, block)
                for lesion in chosen:
                    self.kept[label] += 1
                    yield lesion

    def _candidates(self, generator: Generator, card: Card, label: str, seeds: list[int]) -> list[Synthetic]:
        """In the order of their seeds; judged by all rules that look at one lesion alone."""
        target = card.classes.index(label)
        drawn = draw(generator, card, [target] * len(seeds), seeds)
        lesions = [Synthetic(label, one, *found) for one, found in zip(seeds, drawn, strict=True)]
        self._judge(lesions, target)
        return lesions

    def _judge(self, lesions: list[Synthetic], target: int) -> None:
        distances, nearest = self.copies.originals.distances(np.stack([lesion.image for lesion in lesions]))
        for lesion, distance in zip(lesions, distances, strict=True):
            lesion.measured["copy_distance"] = float(distance)
            unmarked = lesion.mask is not None and not lesion.mask.any()
            lesion.rule = "copy" if distance < self.copies.threshold else "mask" if unmarked else None
        passed = np.array([x.rule is None for x in lesions])
        if self.texture and passed.any():
            self.texture.judge([x for x in lesions if not x.rule], nearest[passed], target)
        if good := [x for x in lesions if not x.rule]:
            for lesion, turned in zip(good, turned_views(np.stack([x.image for x in good])), strict=True):
                lesion.turned = turned

    def _passing(
        self, lanes: Lanes, generator: Generator, card: Card, label: str, seed: int, wanted: int
    ) -> Iterator[Synthetic]:
        """In the order of their seeds; images are drawn and judged in threads, some ahead."""
        twins, drawn, kept, in_a_row = Twins(self.copies.twin_threshold), 0, 0, 0
        numbers = (range(start, start + BATCH) for start in count(0, BATCH))
        seeds = ([seed_of(seed, card.classes.index(label), n) for n in some] for some in numbers)
        make = partial(self._candidates, generator, card, label)

        def needed() -> int:
            """Batches, if as many pass as have so far."""
            return math.ceil((wanted - kept) * (drawn + 1) / (kept + 1) / BATCH)

        # Operations on volumes are large enough for all threads, and a batch of them is too long to wait for.
        made = lanes.ahead(make, seeds, needed) if card.model.spatial_dims == 2 else (make(some) for some in seeds)
        with closing(made):
            for lesion in islice(chain.from_iterable(map(twins.judge, made)), _TRIES * wanted):
                drawn += 1
                self.drawn[label] += 1
                if lesion.rule:
                    self.refused[label, lesion.rule] += 1
                    in_a_row += 1
                else:
                    kept, in_a_row = kept + 1, 0
                    yield lesion
                if kept == wanted or in_a_row == _PATIENCE:
                    return

    def _covering(self, passing: Iterator[Synthetic], target: int, wanted: int, block: int) -> Iterator[Synthetic]:
        """Of each block of lesions that passed, the half that covers it best."""
        assert self.texture
        while wanted and (pool := list(islice(passing, _OVERSAMPLED * min(wanted, block)))):
            # A pool that is not full is the last: then as many as are still wanted, if it holds them.
            full = len(pool) == _OVERSAMPLED * min(wanted, block)
            chosen = self.texture.cover(pool, min(wanted, block if full else len(pool)), target)
            self.refused[pool[0].label, "diversity"] += len(pool) - len(chosen)
            wanted -= len(chosen)
            yield from chosen


def screen_of(run: Run, card: Card, level: ScreenLevel = "light") -> Screen:
    """The screen for a run's lesions: fitted on its training patients; how near a near-copy is, is taken from the
    held-out ones, none of which is compared with anything that is written.

    Raises DataError where an image is not what the run was fitted on.
    """
    run.require_unchanged()
    size, training = card.model.size, run.training
    images, _ = load_images(training.paths, size, card.intensity)
    others = load_images(run.held_out.paths, size, card.intensity)[0] if len(run.held_out) else None
    copies = make_copy_check(images, groups(training).tolist(), others)
    if level == "off":
        return Screen(copies)
    targets = class_numbers(training.table["label"], card.classes)
    return Screen(copies, fit_texture_rules(images, targets, groups(training), level))


def synthesise(
    run: Run, wanted: dict[str, int], seed: int, screen: ScreenLevel = "light"
) -> tuple[np.ndarray, list[str]]:
    """`wanted` lesions a class of the run's chosen snapshot, screened: (M, C, S, ...) float32 in [-1, 1], M labels."""
    generator, card = load_checkpoint(run.chosen_checkpoint)
    passed = [(x.image, x.label) for x in screen_of(run, card, screen).draw(generator, card, wanted, seed)]
    images = np.stack([image for image, _ in passed]) if passed else np.empty((0, *card.shape), np.float32)
    return images, [label for _, label in passed]
