"""The textbook DCGAN (Radford et al. 2016, figure 1), one a class: to compare speed and lesions with.

4x4 strided and fractionally strided convolutions, batch norm, ReLU and leaky ReLU, tanh; weights from N(0, 0.02).
"""

from __future__ import annotations

from torch import Tensor, nn

from augmentor.model.blocks import CONVOLUTION, in_fast_layout
from augmentor.model.dcgan import LATENTS, NORM, TRANSPOSED, paper_weights, stages


class PlainGenerator(nn.Module):
    """(B, 100) standard normal -> (B, C, S, ...) in (-1, 1)."""

    def __init__(self, size: int, channels: int, width: int, dims: int = 2):
        """width: channels of the last hidden layer; each layer before it has twice as many."""
        super().__init__()
        start, doublings = stages(size)
        wide = width * 2 ** (doublings - 1)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (LATENTS, *[1] * dims)),
            TRANSPOSED[dims](LATENTS, wide, start, bias=False),
            NORM[dims](wide),
            nn.ReLU(),
        ]
        for _ in range(doublings - 1):
            up = TRANSPOSED[dims](wide, wide // 2, 4, 2, 1, bias=False)
            layers += [up, NORM[dims](wide // 2), nn.ReLU()]
            wide //= 2
        layers += [TRANSPOSED[dims](wide, channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(paper_weights)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents).float()


class PlainDiscriminator(nn.Module):
    """(B, C, S, ...) -> (B,) logits, positive for real."""

    def __init__(self, size: int, channels: int, width: int, dims: int = 2):
        super().__init__()
        start, doublings = stages(size)
        layers: list[nn.Module] = [CONVOLUTION[dims](channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(doublings - 1):
            layers += [
                CONVOLUTION[dims](width, 2 * width, 4, 2, 1, bias=False),
                NORM[dims](2 * width),
                nn.LeakyReLU(0.2),
            ]
            width *= 2
        self.layers = nn.Sequential(*layers, CONVOLUTION[dims](width, 1, start), nn.Flatten())
        self.apply(paper_weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(in_fast_layout(images))[:, 0].float()
