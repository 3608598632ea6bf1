"""The paper's DCGAN, one a class (Frid-Adar et al. 2018, after Radford et al. 2016), kept as it was published.

Dense start of 4x4x1024 at 64x64, 5x5 fractionally strided convolutions, batch norm, ReLU and tanh; a discriminator of
strided 5x5 convolutions with batch norm and leaky ReLU; weights from N(0, 0.02). Volumes are ours: the same with 5x5x5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from augmentor.model.blocks import CONVOLUTION, Discriminator, Generator, in_fast_layout

LATENTS = 100
TRANSPOSED: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_WEIGHTS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)


def stages(size: int, least: int = 4) -> tuple[int, int]:
    """(side of the start, number of doublings), halved while even and over `least`: 64 -> (4, 4), 28 -> (7, 2)."""
    doublings = 0
    while size % 2 == 0 and size > least:
        size, doublings = size // 2, doublings + 1
    return size, doublings


def paper_weights(module: nn.Module) -> None:
    if isinstance(module, _WEIGHTS):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class DcganGenerator(nn.Module):
    """(B, inputs) standard normal -> (B, C, S, ...) in (-1, 1)."""

    def __init__(self, size: int, channels: int, width: int, inputs: int = LATENTS, dims: int = 2):
        """width: channels of the last hidden layer; each layer before it has twice as many."""
        super().__init__()
        start, doublings = stages(size)
        wide = width * 2 ** (doublings - 1)
        self.start = nn.Sequential(
            nn.Linear(inputs, wide * start**dims),
            nn.Unflatten(1, (wide, *[start] * dims)),
            NORM[dims](wide),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        for _ in range(doublings - 1):
            up = TRANSPOSED[dims](wide, wide // 2, 5, 2, 2, output_padding=1, bias=False)
            layers += [up, NORM[dims](wide // 2), nn.ReLU()]
            wide //= 2
        layers += [TRANSPOSED[dims](wide, channels, 5, 2, 2, output_padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(paper_weights)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(in_fast_layout(self.start(latents))).float()


def strided_layers(size: int, channels: int, width: int, dims: int = 2) -> tuple[list[nn.Module], int]:
    """The discriminator up to its head: layers from (B, C, S, ...) to (B, features), and how many features."""
    start, doublings = stages(size)
    convolution = CONVOLUTION[dims]
    layers: list[nn.Module] = [convolution(channels, width, 5, 2, 2), nn.LeakyReLU(0.2)]
    for _ in range(doublings - 1):
        layers += [convolution(width, 2 * width, 5, 2, 2, bias=False), NORM[dims](2 * width), nn.LeakyReLU(0.2)]
        width *= 2
    return [*layers, nn.Flatten()], width * start**dims


class DcganDiscriminator(nn.Module):
    """(B, C, S, ...) -> (B,) logits, positive for real."""

    def __init__(self, size: int, channels: int, width: int, dims: int = 2):
        super().__init__()
        layers, features = strided_layers(size, channels, width, dims)
        self.layers = nn.Sequential(*layers, nn.Linear(features, 1))
        self.apply(paper_weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(in_fast_layout(images))[:, 0].float()


class PerClassGenerator(Generator):
    """One generator a class behind the interface of one conditional generator."""

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.latent_dim = LATENTS

    def forward(self, latents: Tensor, labels: Tensor) -> tuple[Tensor, None]:
        """(B, 100), (B,) int64 -> lesions (B, C, S, ...), and None: they start from nothing."""
        return _route(self.networks, labels, latents), None


class PerClassDiscriminator(Discriminator):
    """One discriminator a class."""

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor, labels: Tensor, sides_mm: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return _route(self.networks, labels, images)


def _route(networks: nn.ModuleList, labels: Tensor, inputs: Tensor) -> Tensor:
    """Each row through the network of its class.

    A network sees the whole batch and its own rows are kept: the result does not depend on how many rows of a class
    stand in a batch. A training step holds one class, so nothing is computed in vain there.
    """
    present = labels.unique().tolist()
    outputs = {c: networks[c](inputs) for c in present}
    if len(present) == 1:
        return outputs[present[0]]
    return torch.stack([outputs[c][row] for row, c in enumerate(labels.tolist())])
