"""Checkpoint, labels and seeds to lesions: a seed is a lesion, at any batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from augmentor.data.masks import from_channel
from augmentor.model.blocks import Generator
from augmentor.model.checkpoint import Card
from augmentor.version import VERSION

# Kernels may sum in another order at another batch size, so the network always sees batches of this many.
BATCH = 32
_NUMBERS = 2**32  # lesions of one base and class, see `seed_of`
_PLASTIC = 1.32471795724474602596  # the real root of x^3 = x + 1
_STEPS = np.array([1 / _PLASTIC, 1 / _PLASTIC**2])
_BLOCK = 16  # numbers that are shuffled with each other


def note_of(checkpoint: str, seed: int) -> str:
    """What a lesion's file says of itself, whoever writes it. checkpoint: its hash."""
    return f"SYNTHETIC lesion by augmentor {VERSION}, checkpoint {checkpoint}, seed {seed}"


def latents_of(seeds: Sequence[int], dim: int, secret: int = 0) -> Tensor:
    """(len(seeds), dim) float32 standard normal, each row from its own generator.

    secret: the generator's own (`Generator.secret`). The files of synthetic lesions name their seeds: with nothing else
    in the latents, whoever holds the files could undo what `cgan` did to its training lesions, and put these together
    again. 0 where there is nothing to hide.

    The first two numbers, which choose the training lesions that `cgan` starts from, are spread evenly over the lesions
    of one base and class: 200 start from each of 50 about four times, where independent draws leave some out and repeat
    others. NumPy's generator, not torch's: that takes 32 bits of a seed and would give one stream to many seeds.
    """
    rows = np.stack([_random(secret, s).standard_normal(dim, np.float32) for s in seeds])
    rows[:, :2] = np.stack([_evenly(secret, *divmod(s, _NUMBERS)) for s in seeds])[:, :dim]
    return torch.from_numpy(rows)


def _random(secret: int, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([secret, *numbers])


def _evenly(secret: int, stream: int, number: int) -> np.ndarray:
    """(2,) standard normal: a point of an additive recurrence (Kronecker sequence; its steps after Roberts 2018, "The
    unreasonable effectiveness of quasirandom sequences"), moved by a random start. Shuffled within short blocks, so
    that numbers don't tell which lesions started alike."""
    block, place = divmod(number, _BLOCK)
    number = block * _BLOCK + _order(secret, stream, block)[place]
    return ndtri(np.clip((_start(secret, stream) + number * _STEPS) % 1, 1e-6, 1 - 1e-6))


@lru_cache(maxsize=1024)
def _start(secret: int, stream: int) -> np.ndarray:
    return _random(secret, stream).random(2)


@lru_cache(maxsize=1024)
def _order(secret: int, stream: int, block: int) -> np.ndarray:
    return _random(secret, stream, block).permutation(_BLOCK)


def seed_of(base: int, label: int, number: int) -> int:
    """The seed of a class's number-th lesion: no two (base, label, number) below 2^20, 2^11, 2^32 share one."""
    return (base << 43) + (label << 32) + number


@torch.no_grad()
def sample(generator: Generator, labels: Sequence[int], seeds: Sequence[int]) -> Iterator[tuple[Tensor, float | None]]:
    """One (C, S, ...) float32 lesion in [-1, 1] for each label and seed, in order, streamed in constant memory, and the
    side of its region in mm; None from a generator that knows of no size.

    The last channel is the mask's where the generator makes masks; `draw` takes them apart.
    """
    device, secret = next(generator.parameters()).device, generator.secret
    for start in range(0, len(seeds), BATCH):
        chosen = list(seeds[start : start + BATCH])
        filled = BATCH - len(chosen)
        latents = latents_of(chosen + chosen[:1] * filled, generator.latent_dim, secret).to(device)
        classes = torch.tensor([*labels[start : start + BATCH], *([labels[start]] * filled)], device=device)
        lesions, _ = generator(latents, classes)
        sides = generator.sides_mm(latents, classes)
        told = [None] * BATCH if sides is None else sides.tolist()
        yield from zip(lesions[: len(chosen)].float().clamp(-1, 1).cpu(), told[: len(chosen)], strict=True)


class Drawn(NamedTuple):
    """image: (C, S, ...) float32 in [-1, 1]; mask: (1, S, ...) uint8, and roi_side_mm, where the generator has them."""

    image: np.ndarray
    mask: np.ndarray | None = None
    roi_side_mm: float | None = None


def draw(generator: Generator, card: Card, labels: Sequence[int], seeds: Sequence[int]) -> Iterator[Drawn]:
    """The lesions of `sample`, with their masks apart."""
    for lesion, side in sample(generator, labels, seeds):
        pixels = lesion.numpy()
        mask = from_channel(pixels[card.channels :]) if card.model.with_mask else None
        yield Drawn(pixels[: card.channels], mask, side)
