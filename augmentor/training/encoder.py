"""A small network whose features are learned from the training lesions: by their classes, and by telling them apart."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from monai.networks.blocks.convolutions import ResidualUnit
from torch import Generator, Tensor, nn

from augmentor.model.blocks import fast_layout
from augmentor.model.volume_features import middle_sections
from augmentor.training.classic import classic

LENGTH = 64  # features of a lesion
_STEPS, _BATCH, _RATE = 100, 32, 3e-3
_TEMPERATURE = 0.2
_BRIGHTNESS, _CONTRAST = 0.2, 0.2


class Encoder(nn.Module):
    """(B, C, S, S) in [-1, 1] -> (B, 64): three strided convolutions, the last two residual, and the mean over the map.

    Group norm (Wu and He 2018), so that no statistics pass between the lesions of a batch.
    """

    def __init__(self, channels: int):
        super().__init__()
        norm = ("GROUP", {"num_groups": 8})
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 5, 2, 2, bias=False),
            nn.GroupNorm(8, 16),
            nn.ReLU(inplace=True),
            ResidualUnit(2, 16, 32, 2, norm=norm, act="RELU", adn_ordering="NA"),
            ResidualUnit(2, 32, LENGTH, 2, norm=norm, act="RELU", adn_ordering="NA"),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images.contiguous(memory_format=torch.channels_last))

    @torch.no_grad()
    def features(self, images: np.ndarray) -> np.ndarray:
        """(N, C, S, S) in [-1, 1], or volumes as in `fit_encoder` -> (N, 64) float32."""
        parts = torch.tensor(_planar(images)).split(256)
        return torch.cat([self(part) for part in parts]).numpy()


def fit_encoder(images: np.ndarray, targets: np.ndarray, seed: int = 0) -> Encoder:
    """Train on lesions (N, C, S, S) in [-1, 1] of classes targets (N,), and on nothing else.

    The loss is the cross-entropy of the classes plus NT-Xent, by which two views of one lesion are found among those of
    all others in the batch (Chen et al. 2020, eq. 1). The views are the classic augmentation's, with brightness and
    contrast drawn as well. Lesions of rare classes are drawn more often, none twice in a batch. Of volumes it sees the
    three middle sections, as channels.
    """
    images = _planar(images)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        encoder = Encoder(images.shape[1]).train()
        fast_layout(encoder)
        named = nn.Linear(LENGTH, int(targets.max()) + 1)
        projected = nn.Sequential(nn.Linear(LENGTH, LENGTH), nn.ReLU(), nn.Linear(LENGTH, 32))
        weights = [*encoder.parameters(), *named.parameters(), *projected.parameters()]
        optimiser = torch.optim.AdamW(weights, lr=_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_STEPS)
        lesions, labels = torch.from_numpy(images), torch.from_numpy(targets)
        shares = (1.0 / torch.bincount(labels).clamp(min=1))[labels]
        randomness = Generator().manual_seed(seed)
        for _ in range(_STEPS):
            rows = torch.multinomial(shares, min(_BATCH, len(labels)), generator=randomness)
            seen = torch.cat([_view(lesions[rows], randomness) for _ in range(2)])
            features = encoder(seen)
            loss = F.cross_entropy(named(features), labels[rows].repeat(2)) + nt_xent(projected(features))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    encoder.eval().requires_grad_(False)
    return encoder


def _planar(images: np.ndarray) -> np.ndarray:
    return middle_sections(images) if images.ndim == 5 else images


def nt_xent(projections: Tensor) -> Tensor:
    """(2 B, D), the second half other views of the first -> the loss of Chen et al. 2020, eq. 1."""
    unit = F.normalize(projections, dim=1)
    likeness = (unit @ unit.T / _TEMPERATURE).fill_diagonal_(float("-inf"))
    half = len(unit) // 2
    return F.cross_entropy(likeness, torch.arange(2 * half).roll(half))


def _view(images: Tensor, randomness: Generator) -> Tensor:
    moved = classic(images, randomness)
    drawn = torch.rand(2, len(images), 1, 1, 1, generator=randomness) * 2 - 1
    return moved * (1 + _CONTRAST * drawn[0]) + _BRIGHTNESS * drawn[1]
