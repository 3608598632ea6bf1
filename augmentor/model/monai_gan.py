"""MONAI's own generator and discriminator, one pair a class, in the shapes of MONAI's GAN tutorial on MedNIST.

What a user of MONAI gets who has no GAN of their own: a baseline of docs/results/generator.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augmentor.model.dcgan import LATENTS, paper_weights, stages


class MonaiGenerator(nn.Module):
    """(B, 100) standard normal -> (B, C, S, ...) in (-1, 1)."""

    def __init__(self, size: int, channels: int, width: int, dims: int = 2):
        """width: channels before the last layer; each layer before it has twice as many. The tutorial has 8, at 64."""
        from monai.networks.nets import Generator  # noqa: PLC0415  takes a second to import, and `cgan` needs none

        super().__init__()
        start, doublings = stages(size, least=8)
        wide = [width * 2**level for level in reversed(range(doublings))]
        self.network = Generator((LATENTS,), (2 * wide[0], *[start] * dims), [*wide, channels], [2] * doublings + [1])
        self.apply(paper_weights)

    def forward(self, latents: Tensor) -> Tensor:
        return 2 * torch.sigmoid(self.network(latents).float()) - 1


class MonaiDiscriminator(nn.Module):
    """(B, C, S, ...) in [-1, 1] -> (B,) logits, positive for real."""

    def __init__(self, size: int, channels: int, width: int, dims: int = 2):
        from monai.networks.nets import Discriminator  # noqa: PLC0415

        super().__init__()
        levels = stages(size, least=8)[1] + 1
        self.network = Discriminator(
            in_shape=(channels, *[size] * dims),
            channels=(*(width * 2**level for level in range(levels)), 1),
            strides=(2,) * levels + (1,),
            kernel_size=5,
            num_res_units=1,
            last_act=None,
        )
        self.apply(paper_weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images + 1) / 2)[:, 0].float()
