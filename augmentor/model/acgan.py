"""The paper's second GAN: one network for all classes, whose discriminator also names the class.

Odena et al. 2017 (arXiv 1610.09585), as Frid-Adar et al. 2018 set it beside their DCGAN: the layers are DCGAN's. The
class enters the generator beside the noise, as a learned embedding, and leaves the discriminator by a second head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augmentor.model.blocks import Discriminator, Generator, Judgement, in_fast_layout
from augmentor.model.dcgan import LATENTS, DcganGenerator, paper_weights, strided_layers


class AcganGenerator(Generator):
    """(latents, class) -> lesion, all classes through the same layers."""

    def __init__(self, size: int, channels: int, classes: int, width: int, dims: int = 2):
        super().__init__()
        self.latent_dim = LATENTS
        self.classes = nn.Embedding(classes, LATENTS)
        self.network = DcganGenerator(size, channels, width, 2 * LATENTS, dims)

    def forward(self, latents: Tensor, labels: Tensor) -> tuple[Tensor, None]:
        """(B, 100), (B,) int64 -> lesions (B, C, S, ...) in (-1, 1), and None: they start from nothing."""
        return self.network(torch.cat([latents, self.classes(labels)], 1)), None


class AcganDiscriminator(Discriminator):
    """Real or synthetic, and of which class; the class is its answer, never its input."""

    def __init__(self, size: int, channels: int, classes: int, width: int, dims: int = 2):
        super().__init__()
        layers, features = strided_layers(size, channels, width, dims)
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(features, 1)
        self.classes = nn.Linear(features, classes)
        self.apply(paper_weights)

    def forward(self, images: Tensor, labels: Tensor, sides_mm: Tensor | None = None) -> Tensor:
        return self.judge(images, labels, sides_mm).real

    def judge(
        self,
        images: Tensor,
        labels: Tensor,  # noqa: ARG002 (it names the class, and is not told)
        sides_mm: Tensor | None = None,  # noqa: ARG002
    ) -> Judgement:
        features = self.layers(in_fast_layout(images))
        return Judgement(self.score(features)[:, 0].float(), self.classes(features).float())
