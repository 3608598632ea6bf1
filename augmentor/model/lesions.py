"""Lesions as networks are given them: loaded, and with what a GAN is built for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augmentor.model.graft import GraftRange


class LoadedLesions(NamedTuple):
    """Lesions: images (N, C, S, ...) in [-1, 1], labels (N,) int64, and (N,) sides in mm where these count."""

    images: Tensor
    labels: Tensor
    sides_mm: Tensor | None = None

    def rows(self, chosen: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        sides = None if self.sides_mm is None else self.sides_mm[chosen].to(device)
        return self.images[chosen].to(device), self.labels[chosen].to(device), sides


@dataclass(frozen=True)
class TrainingLesions:
    """What a GAN is built for and trained on.

    images: (N, C, S, ...) float32 in [-1, 1], images or volumes, the last channel a mask where the model makes masks.
    labels: (N,) int64 in 0..classes - 1, every class present. sides_mm: (N,) of their regions, where lesions are made
    by size. patients: (N,), by default one each. reach: how far lesions may be moved.
    """

    images: Tensor
    labels: Tensor
    classes: int
    sides_mm: Tensor | None = None
    patients: np.ndarray | None = None
    reach: GraftRange = field(default_factory=GraftRange)
