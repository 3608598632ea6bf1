"""Pieces that the networks share, for images and volumes. All convolutions run in channels_last memory, the fast layout
on CPUs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmentor.model.convolution import SLOPE, Convolution

CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
_LAYOUT = {4: torch.channels_last, 5: torch.channels_last_3d}


def convolution(inputs: int, outputs: int, stride: int = 1, dims: int = 2) -> nn.Conv2d | nn.Conv3d:
    """3x3 or 3x3x3, same size (or halved by stride 2)."""
    return Convolution(inputs, outputs, stride) if dims == 2 else nn.Conv3d(inputs, outputs, 3, stride, 1)


def fast_layout(network: nn.Module) -> nn.Module:
    """The network with its weights in channels_last memory."""
    of_volumes = any(weights.dim() == 5 for weights in network.parameters())
    return network.to(memory_format=_LAYOUT[5 if of_volumes else 4])  # type: ignore[call-overload]


def in_fast_layout(images: Tensor) -> Tensor:
    """(B, C, S, S) or (B, C, S, S, S), in channels_last memory."""
    return images.contiguous(memory_format=_LAYOUT[images.dim()])


def along_axes(matrix: Tensor, images: Tensor) -> Tensor:
    """(T, S) and (B, C, S, ...) -> (B, C, T, ...): the product with each row of pixels along each spatial axis."""
    wide = matrix @ images @ matrix.T
    return torch.einsum("zd,bcdyx->bczyx", matrix, wide) if images.dim() == 5 else wide


def soften(images: Tensor) -> Tensor:
    """(B, C, S, ...) convolved with the binomial kernel of side 3, borders mirrored.

    The kernel is zero at the highest frequency: what pixel shuffle is prone to, a chequered pattern, can't pass.
    """
    return along_axes(_softening(images.shape[-1], images.device), images)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for networks that are trained, whoever asks first
def _softening(size: int, device: torch.device) -> Tensor:
    """(size, size): as a matrix the kernel takes half the time of a convolution of each channel by itself."""
    rows = np.pad(np.eye(size), ((1, 1), (0, 0)), mode="reflect")
    return torch.tensor(0.25 * rows[:-2] + 0.5 * rows[1:-1] + 0.25 * rows[2:], dtype=torch.float32, device=device)


def to_blocks(images: Tensor) -> Tensor:
    """(B, C, S, ...) -> (B, C 2^dims, S / 2, ...): what `F.pixel_unshuffle` does to images, for volumes too."""
    dims, (count, channels, *sides) = images.dim() - 2, images.shape
    split = images.reshape(count, channels, *(n for side in sides for n in (side // 2, 2)))
    order = [0, 1, *range(3, 3 + 2 * dims, 2), *range(2, 2 + 2 * dims, 2)]
    return split.permute(order).reshape(count, channels * 2**dims, *(side // 2 for side in sides))


def from_blocks(blocks: Tensor) -> Tensor:
    """(B, C 2^dims, S, ...) -> (B, C, 2 S, ...): what `F.pixel_shuffle` does to images, for volumes too."""
    dims, (count, channels, *sides) = blocks.dim() - 2, blocks.shape
    split = blocks.reshape(count, channels // 2**dims, *[2] * dims, *sides)
    order = [0, 1, *(place for axis in range(dims) for place in (2 + dims + axis, 2 + axis))]
    return split.permute(order).reshape(count, channels // 2**dims, *(2 * side for side in sides))


class Generator(nn.Module):
    """(B, latent_dim) standard normal, (B,) int64 labels -> (B, C, S, ...) lesions, and their starts or None."""

    latent_dim: int

    @property
    def secret(self) -> int:
        """Goes into the latents of every seed; of a generator that holds training lesions a hash of these."""
        return 0

    def sides_mm(self, latents: Tensor, labels: Tensor) -> Tensor | None:  # noqa: ARG002 (most make no sizes)
        """(B,) sides in mm of the regions that these latents show; None where the generator knows of no size."""
        return None


class Judgement(NamedTuple):
    """What a discriminator says of B lesions.

    real: (B,) logits, positive for real. classes: (B, K) logits of the class, None where it does not name one.
    """

    real: Tensor
    classes: Tensor | None = None


class Discriminator(nn.Module):
    """(B, C, S, ...) in [-1, 1], (B,) int64 labels, (B,) sides in mm or None -> (B,) logits, positive for real."""

    def judge(self, images: Tensor, labels: Tensor, sides_mm: Tensor | None = None) -> Judgement:
        """The same logits, and those of the class from a discriminator that has a second head for it."""
        # Not as a module: hooks on its inputs, as the counter of arithmetic has, allow no gradient by them (R1).
        return Judgement(self.forward(images, labels, sides_mm))


class SizeCode(nn.Module):
    """(B,) sides in mm -> (B, outputs): a linear map of the standardised logarithm, its square and its cube."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, sides_mm: Tensor, outputs: int):
        """sides_mm: (N,), those of the training lesions."""
        super().__init__()
        logs = sides_mm.double().log()
        self.register_buffer("mean", logs.mean().float())
        self.register_buffer("deviation", logs.std(correction=0).clamp(min=1e-3).float())
        self.linear = nn.Linear(3, outputs)

    def forward(self, sides_mm: Tensor) -> Tensor:
        size = ((sides_mm.log() - self.mean) / self.deviation).clamp(-3, 3)
        return self.linear(torch.stack([size, (size**2 - 1) / 2, (size**3 - 3 * size) / 6], 1))


class StyledBlock(nn.Module):
    """Convolution, group norm, then a scale and shift that depend on the style (class and latent); starts neutral."""

    def __init__(self, inputs: int, outputs: int, style: int, stride: int = 1, dims: int = 2):
        super().__init__()
        self.convolution = convolution(inputs, outputs, stride, dims)
        self.norm = nn.GroupNorm(_groups(outputs), outputs)
        self.style = nn.Linear(style, 2 * outputs)
        nn.init.zeros_(self.style.weight)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, inputs, S, ...), (B, style) -> (B, outputs, S / stride, ...)."""
        scale, shift = self.style(style).view(len(x), -1, *[1] * (x.dim() - 2)).chunk(2, 1)
        x = self.convolution(x)
        # In float32, as CUDA's autocast has it: torch's kernel for bfloat16 takes twice as long on CPUs.
        normed = self.norm(x.float()).to(x.dtype)
        return F.leaky_relu(normed * (1 + scale) + shift, SLOPE)


def _groups(channels: int) -> int:
    return next(g for g in (8, 4, 2, 1) if channels % g == 0)
