"""The default GAN: one network for all classes that starts from real training lesions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmentor.model.blocks import Generator, StyledBlock, convolution, soften
from augmentor.model.graft import LATENTS, GraftRange, draw_graft

_STYLE_LATENTS, _STYLE = 32, 64


class GraftGenerator(Generator):
    """(latents, class) -> lesion: a graft of two training lesions, then a small U-Net that makes it one lesion.

    The U-Net is told the class and a style, and gives a residual and a correction of the graft's edge; both start at
    zero, so that training starts from images that already look like lesions, and learns what betrays them.
    The training lesions are part of the weights (`bank`): a checkpoint holds images of patients, treat it as such.
    """

    bank: Tensor
    count: Tensor
    first: Tensor

    def __init__(self, bank: Tensor, labels: Tensor, classes: int, width: int):
        """bank: (N, C, S, S) in [-1, 1]; labels: (N,) int64 in 0..classes - 1, every class present."""
        super().__init__()
        order = labels.argsort(stable=True)
        counts = torch.bincount(labels, minlength=classes)
        self.register_buffer("bank", bank[order].half())
        self.register_buffer("count", counts)
        self.register_buffer("first", counts.cumsum(0) - counts)
        channels, self.size = bank.shape[1], bank.shape[2]
        self.reach = GraftRange()
        self.latent_dim = LATENTS + _STYLE_LATENTS + (self.size // 2) ** 2
        self.classes = nn.Embedding(classes, _STYLE_LATENTS)
        self.style = nn.Sequential(
            nn.Linear(2 * _STYLE_LATENTS, _STYLE), nn.LeakyReLU(0.2), nn.Linear(_STYLE, _STYLE), nn.LeakyReLU(0.2)
        )
        # The graft, its two lesions and its edge enter in 2x2 blocks, with one channel of noise.
        self.down1 = StyledBlock(4 * (3 * channels + 1) + 1, width, _STYLE)
        self.down2 = StyledBlock(width, 2 * width, _STYLE, stride=2)
        self.down3 = StyledBlock(2 * width, 4 * width, _STYLE, stride=2)
        self.middle = StyledBlock(4 * width, 4 * width, _STYLE)
        # Narrowed before the resolution doubles, and added to what was there: half the arithmetic of concatenating.
        self.up2 = StyledBlock(4 * width, 2 * width, _STYLE)
        self.join2 = StyledBlock(2 * width, 2 * width, _STYLE)
        self.up1 = StyledBlock(2 * width, width, _STYLE)
        self.join1 = StyledBlock(width, width, _STYLE)
        self.out = convolution(width, 4 * (channels + 1))
        for weights in self.out.parameters():
            nn.init.zeros_(weights)

    def forward(self, latents: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, latent_dim) standard normal, (B,) int64 -> lesions and the grafts they came from, (B, C, S, S)."""
        half = self.size // 2
        drawn, style, noise = latents.split([LATENTS, _STYLE_LATENTS, half * half], dim=1)
        graft = draw_graft(drawn, self.bank, self.first[labels], self.count[labels], self.reach)
        style = self.style(torch.cat([style, self.classes(labels)], 1))
        seen = torch.cat([graft.image, graft.lesion, graft.surround, 2 * graft.edge - 1], 1)
        x = torch.cat([F.pixel_unshuffle(seen, 2), noise.view(-1, 1, half, half)], 1)
        change = soften(F.pixel_shuffle(self._refine(x, style).float(), 2))
        residual, edge = change[:, :-1], (graft.edge + change[:, -1:]).clamp(0, 1)
        return (graft.blend(edge) + residual).clamp(-1.2, 1.2), graft.image

    def _refine(self, x: Tensor, style: Tensor) -> Tensor:
        fine = self.down1(x.contiguous(memory_format=torch.channels_last), style)
        middle = self.down2(fine, style)
        x = self.middle(self.down3(middle, style), style)
        x = self.join2(F.interpolate(self.up2(x, style), size=middle.shape[2:]) + middle, style)
        x = self.join1(F.interpolate(self.up1(x, style), size=fine.shape[2:]) + fine, style)
        return self.out(x)
