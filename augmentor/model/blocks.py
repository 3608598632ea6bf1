"""Pieces that the networks share. All convolutions run in channels_last memory, the fast layout on CPUs."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """3x3, same size (or halved by stride 2)."""
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


def fast_layout(network: nn.Module) -> nn.Module:
    """The network with its weights in channels_last memory."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def soften(images: Tensor) -> Tensor:
    """(B, C, H, W) convolved with the 3x3 binomial kernel, borders mirrored.

    The kernel is zero at the highest frequency: what pixel shuffle is prone to, a chequered pattern, can't pass.
    """
    line = torch.tensor([0.25, 0.5, 0.25], device=images.device, dtype=images.dtype)
    kernel = torch.outer(line, line).expand(images.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel, groups=images.shape[1])


class Generator(nn.Module):
    """(B, latent_dim) standard normal, (B,) int64 labels -> (B, C, S, S) lesions, and their starts or None."""

    latent_dim: int


class Judgement(NamedTuple):
    """What a discriminator says of B lesions.

    real: (B,) logits, positive for real. classes: (B, K) logits of the class, None where it does not name one.
    mismatched: (B,) logits of the same lesions under other labels, None where none were given.
    """

    real: Tensor
    classes: Tensor | None = None
    mismatched: Tensor | None = None


class Discriminator(nn.Module):
    """(B, C, S, S) in [-1, 1], (B,) int64 labels -> (B,) logits, positive for real."""

    def judge(self, images: Tensor, labels: Tensor, others: Tensor | None = None) -> Judgement:
        """The same logits, those of the class from a discriminator that has a second head for it, and those of the
        same lesions under `others`, (B,) int64."""
        mismatched = None if others is None else self(images, others)
        return Judgement(self(images, labels), mismatched=mismatched)


class StyledBlock(nn.Module):
    """Convolution, group norm, then a scale and shift that depend on the style (class and latent); starts neutral."""

    def __init__(self, inputs: int, outputs: int, style: int, stride: int = 1):
        super().__init__()
        self.convolution = convolution(inputs, outputs, stride)
        self.norm = nn.GroupNorm(_groups(outputs), outputs)
        self.style = nn.Linear(style, 2 * outputs)
        nn.init.zeros_(self.style.weight)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, inputs, H, W), (B, style) -> (B, outputs, H / stride, W / stride)."""
        scale, shift = self.style(style)[..., None, None].chunk(2, 1)
        return F.leaky_relu(self.norm(self.convolution(x)) * (1 + scale) + shift, SLOPE)


def _groups(channels: int) -> int:
    return next(g for g in (8, 4, 2, 1) if channels % g == 0)


class ProjectionDiscriminator(Discriminator):
    """Real or synthetic, given the class: strided convolutions without normalisation, class by projection.

    Projection: Miyato and Koyama 2018 (arXiv 1802.05637). Without batch norm the gradient penalty is well defined and
    no statistics pass between the real and the synthetic half of a batch. The image enters in 2x2 blocks
    (space to depth), so that no layer runs at full resolution.
    """

    def __init__(self, size: int, channels: int, classes: int, width: int):
        super().__init__()
        levels, side, inputs = [], size // 2, 4 * channels
        outputs = width
        levels.append(convolution(inputs, outputs))
        while side > 4:
            inputs, outputs, side = outputs, min(2 * outputs, 4 * width), (side + 1) // 2
            levels.append(convolution(inputs, outputs, stride=2))
        self.levels = nn.ModuleList(levels)
        self.features = nn.Linear(outputs * side * side, 256)
        self.score = nn.Linear(256, 1)
        self.classes = nn.Embedding(classes, 256)
        nn.init.normal_(self.classes.weight, std=0.05)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(B, C, size, size) in [-1, 1], (B,) int64 -> (B,) logits, positive for real."""
        return self._logits(self._features(images), labels)

    def judge(self, images: Tensor, labels: Tensor, others: Tensor | None = None) -> Judgement:
        """All that the labels change is the projection: other labels cost next to nothing."""
        x = self._features(images)
        return Judgement(self._logits(x, labels), mismatched=None if others is None else self._logits(x, others))

    def _features(self, images: Tensor) -> Tensor:
        x = F.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)
        for level in self.levels:
            x = F.leaky_relu(level(x), SLOPE)
        return F.leaky_relu(self.features(x.flatten(1)), SLOPE)

    def _logits(self, x: Tensor, labels: Tensor) -> Tensor:
        projection = (x * self.classes(labels)).sum(1) / x.shape[1] ** 0.5
        return (self.score(x)[:, 0] + projection).float()
