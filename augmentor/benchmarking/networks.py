"""The networks among the classifiers. To add one: a function (channels, size, classes, dims) -> network, and a line
below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.networks.blocks.convolutions import ResidualUnit
from monai.networks.layers.factories import Conv, Pool
from monai.networks.nets import DenseNet, DenseNet121
from torch import nn

Build = Callable[[int, int, int, int], nn.Module]


@dataclass(frozen=True)
class Network:
    """How a network is built and trained, the same in every arm.

    build: (channels, size, classes, dims) -> (B, C, S, ...) to (B, classes) logits. smoothing: of the labels.
    """

    build: Build
    optimiser: Callable[[nn.Module], torch.optim.Optimizer]
    batch: int = 64
    smoothing: float = 0.0


def paper_cnn(channels: int, size: int, classes: int, dims: int = 2) -> nn.Module:
    """The CNN of Frid-Adar et al. 2018: three pairs of convolution and max-pooling, two dense layers, dropout 0.5.

    Theirs: 64x64, ReLU, mean of the training images subtracted (here they are divided by their deviation too), batches
    of 64. The text names neither kernels nor channels; 3x3 and 32, 64, 128, with 256 in the dense layer, are ours.
    So is its form for volumes, with 3x3x3.
    """
    convolution, pool = Conv["conv", dims], Pool["max", dims]
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, 32), (32, 64), (64, 128)):
        # The largest of the rectified is the rectified largest: the same values and gradients in four fifths the time.
        layers += [convolution(inputs, outputs, 3, padding=1), pool(2), nn.ReLU(inplace=True)]
    flat = 128 * (size // 8) ** dims
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(flat, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes)
    )


def cnn(channels: int, size: int, classes: int, dims: int = 2) -> nn.Module:
    """Two of MONAI's residual units after a strided convolution, mean over the map: 0.2 million weights.

    Group norm (Wu and He 2018): no statistics pass between the real and the synthetic lesions of a batch.
    """
    del size
    first = Conv["conv", dims](channels, 24, 5, 2, 2, bias=False)
    layers: list[nn.Module] = [first, nn.GroupNorm(8, 24), nn.ReLU(inplace=True)]
    norm = ("GROUP", {"num_groups": 8})
    for inputs, outputs in ((24, 48), (48, 96)):
        layers.append(ResidualUnit(dims, inputs, outputs, 2, norm=norm, act="RELU", adn_ordering="NA"))
    return nn.Sequential(*layers, Pool["adaptiveavg", dims](1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(96, classes))


def densenet(channels: int, size: int, classes: int, dims: int = 2) -> nn.Module:
    """MONAI's DenseNet in a size that 64x64 lesions and two cores bear: 0.2 million weights, DenseNet121 has 7."""
    del size
    return DenseNet(
        dims, channels, classes, init_features=24, growth_rate=12, block_config=(3, 6, 12), dropout_prob=0.1
    )


def densenet121(channels: int, size: int, classes: int, dims: int = 2) -> nn.Module:
    """MONAI's DenseNet121, from random weights. It halves the side five times, so smaller images are brought to 32."""
    enlarge = nn.Upsample(size=32, mode="bilinear" if dims == 2 else "trilinear") if size < 32 else nn.Identity()
    return nn.Sequential(enlarge, DenseNet121(dims, channels, classes))


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    """The paper's optimiser, at ten times its rate of 0.001: its 150 epochs of 5,000 to 8,000 images are 12,000 to
    19,000 steps, and here there are a few hundred. The momentum, which it leaves open, is the usual 0.9."""
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)


def _adamw(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)


NETWORKS: dict[str, Network] = {
    "paper-cnn": Network(paper_cnn, _sgd),
    "cnn": Network(cnn, _adamw, smoothing=0.1),
    "densenet": Network(densenet, _adamw),
    "densenet121": Network(densenet121, _adamw, batch=32),  # a step of 64 takes seconds on one core
}
