"""Checkpoint, labels and seeds to lesions: a seed is a lesion, at any batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from augmentor.model.blocks import Generator

# Kernels may sum in another order at another batch size, so the network always sees batches of this many.
_BATCH = 32


def latents_of(seeds: Sequence[int], dim: int) -> Tensor:
    """(len(seeds), dim) float32 standard normal, each row from its own generator.

    NumPy's, not torch's: torch's CPU generator takes 32 bits of a seed and would give one stream to many seeds.
    """
    rows = [np.random.default_rng(s).standard_normal(dim, np.float32) for s in seeds]
    return torch.from_numpy(np.stack(rows))


def seed_of(base: int, label: int, number: int) -> int:
    """The seed of a class's number-th lesion: no two (base, label, number) below 2^20, 2^11, 2^32 share one."""
    return (base << 43) + (label << 32) + number


@torch.no_grad()
def sample(generator: Generator, labels: Sequence[int], seeds: Sequence[int]) -> Iterator[Tensor]:
    """One (C, S, S) float32 lesion in [-1, 1] for each label and seed, in order, streamed in constant memory."""
    device = next(generator.parameters()).device
    for start in range(0, len(seeds), _BATCH):
        chosen = list(seeds[start : start + _BATCH])
        filled = _BATCH - len(chosen)
        latents = latents_of(chosen + chosen[:1] * filled, generator.latent_dim)
        classes = torch.tensor([*labels[start : start + _BATCH], *([labels[start]] * filled)])
        lesions, _ = generator(latents.to(device), classes.to(device))
        yield from lesions[: len(chosen)].float().clamp(-1, 1).cpu()
