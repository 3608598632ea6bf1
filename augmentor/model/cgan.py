"""The default GAN: one network for all classes that starts from real training lesions."""

from __future__ import annotations

import hashlib
import math
from dataclasses import astuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augmentor.model.blocks import (
    Discriminator,
    Generator,
    SizeCode,
    StyledBlock,
    convolution,
    from_blocks,
    in_fast_layout,
    soften,
    to_blocks,
)
from augmentor.model.convolution import SLOPE, leaky
from augmentor.model.graft import Bank, GraftRange, draw_graft, graft_latents, pick_rows
from augmentor.model.lesions import TrainingLesions
from augmentor.model.partners import find_partners

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
    partners: Tensor
    sides: Tensor | None
    reach: Tensor

    def __init__(self, lesions: TrainingLesions, width: int, masks: int = 0):
        """masks: how many of the last channels are masks."""
        super().__init__()
        labels, sides_mm, classes = lesions.labels, lesions.sides_mm, lesions.classes
        order = labels.argsort(stable=True) if sides_mm is None else _by_class_and_size(labels, sides_mm)
        bank, counts = lesions.images[order], torch.bincount(labels, minlength=classes)
        patients = None if lesions.patients is None else lesions.patients[order.numpy()]
        self.register_buffer("bank", bank.half())
        self.register_buffer("count", counts)
        self.register_buffer("first", counts.cumsum(0) - counts)
        self.register_buffer("partners", find_partners(bank, counts, patients, by_size=sides_mm is not None))
        channels, self.size, dims = bank.shape[1], bank.shape[2], bank.dim() - 2
        self.dims, self.masks = dims, masks
        self._secret: tuple[tuple[int, int], int] | None = None
        self.register_buffer("reach", torch.tensor(astuple(lesions.reach)))
        self.latent_dim = graft_latents(dims) + _STYLE_LATENTS + (self.size // 2) ** dims
        self.classes = nn.Embedding(classes, _STYLE_LATENTS)
        self.style = nn.Sequential(
            nn.Linear(2 * _STYLE_LATENTS, _STYLE), nn.LeakyReLU(0.2), nn.Linear(_STYLE, _STYLE), nn.LeakyReLU(0.2)
        )
        # The graft, its two lesions and its edge enter in blocks of side 2, with one channel of noise. Style, and the
        # norm that it needs, stay out of the two finest layers, where they would cost as much as the convolutions.
        self.down1 = convolution(2**dims * (3 * channels + 1) + 1, width, dims=dims)
        self.down2 = StyledBlock(width, 2 * width, _STYLE, 2, dims)
        self.down3 = StyledBlock(2 * width, 4 * width, _STYLE, 2, dims)
        self.middle = StyledBlock(4 * width, 4 * width, _STYLE, dims=dims)
        # Narrowed before the resolution doubles, and added to what was there: half the arithmetic of concatenating.
        self.up2 = StyledBlock(4 * width, 2 * width, _STYLE, dims=dims)
        self.join2 = StyledBlock(2 * width, 2 * width, _STYLE, dims=dims)
        self.up1 = StyledBlock(2 * width, width, _STYLE, dims=dims)
        self.join1 = convolution(width, width, dims=dims)
        self.out = convolution(width, 2**dims * (channels + 1), dims=dims)
        for weights in self.out.parameters():
            nn.init.zeros_(weights)
        self.register_buffer("sides", None if sides_mm is None else sides_mm[order].float())
        self.sizes = None if sides_mm is None else SizeCode(sides_mm, _STYLE_LATENTS)

    @property
    def secret(self) -> int:
        """Of 256 bits. Nobody who holds synthetic lesions knows it, and the same training lesions give the same."""
        bank = self.bank.data_ptr(), self.bank._version  # another once it moved, or a checkpoint was loaded into it
        if self._secret is None or self._secret[0] != bank:
            told = hashlib.sha256(self.bank.cpu().numpy().tobytes()).digest()
            self._secret = bank, int.from_bytes(told, "big")
        return self._secret[1]

    def sides_mm(self, latents: Tensor, labels: Tensor) -> Tensor | None:
        """(B,) mm: that of the training lesion which the latents set in the centre."""
        if self.sides is None:
            return None
        row, _ = pick_rows(latents, self.partners, self.first[labels], self.count[labels])
        return self.sides[row]

    def forward(self, latents: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, latent_dim) standard normal, (B,) int64 -> lesions and the grafts they came from, (B, C, S, ...)."""
        half = [self.size // 2] * self.dims
        drawn, style, noise = latents.split([graft_latents(self.dims), _STYLE_LATENTS, math.prod(half)], dim=1)
        bank = Bank(self.bank, self.partners, self.masks)
        with torch.autocast(latents.device.type, enabled=False):  # trained on the grafts that `expand` draws
            graft = draw_graft(drawn, bank, self.first[labels], self.count[labels], GraftRange(*self.reach))
        style = self.style(torch.cat([style, self._told(latents, labels)], 1))
        seen = torch.cat([graft.image, graft.lesion, graft.surround, 2 * graft.edge - 1], 1)
        x = torch.cat([to_blocks(seen), noise.view(-1, 1, *half)], 1)
        change = soften(from_blocks(self._refine(x, style).float()))
        residual, aside = change[:, :-1], change[:, -1:]
        blended = graft.blend((graft.edge + aside).clamp(0, 1), (graft.seam + aside).clamp(0, 1))
        return (blended + residual).clamp(-1.2, 1.2), graft.image

    def _told(self, latents: Tensor, labels: Tensor) -> Tensor:
        """(B, _STYLE_LATENTS): the class, and the size where that counts."""
        told, sides = self.classes(labels), self.sides_mm(latents, labels)
        return told if self.sizes is None or sides is None else told + self.sizes(sides)

    def _refine(self, x: Tensor, style: Tensor) -> Tensor:
        fine = leaky(self.down1, in_fast_layout(x))
        middle = self.down2(fine, style)
        x = self.middle(self.down3(middle, style), style)
        x = self.join2(F.interpolate(self.up2(x, style), size=middle.shape[2:]) + middle, style)
        x = leaky(self.join1, F.interpolate(self.up1(x, style), size=fine.shape[2:]) + fine)
        return self.out(x)


def _by_class_and_size(labels: Tensor, sides_mm: Tensor) -> Tensor:
    """The order of rows by class, and by size within each."""
    order = sides_mm.argsort(stable=True)
    return order[labels[order].argsort(stable=True)]


class ProjectionDiscriminator(Discriminator):
    """Real or synthetic, given the class: strided convolutions without normalisation, class by projection.

    Projection: Miyato and Koyama 2018 (arXiv 1802.05637). Without batch norm the gradient penalty is well defined and
    no statistics pass between the real and the synthetic half of a batch. The image enters in blocks of side 2
    (space to depth), so that no layer runs at full resolution.
    """

    def __init__(
        self, size: int, channels: int, classes: int, width: int, dims: int = 2, sides_mm: Tensor | None = None
    ):
        """sides_mm: (N,), those of the training lesions, for one that judges whether a lesion fits its size."""
        super().__init__()
        levels, side, inputs = [], size // 2, 2**dims * channels
        outputs = width
        levels.append(convolution(inputs, outputs, dims=dims))
        while side > 4:
            inputs, outputs, side = outputs, min(2 * outputs, 4 * width), (side + 1) // 2
            levels.append(convolution(inputs, outputs, 2, dims))
        self.levels = nn.ModuleList(levels)
        self.features = nn.Linear(outputs * side**dims, 256)
        self.score = nn.Linear(256, 1)
        self.classes = nn.Embedding(classes, 256)
        nn.init.normal_(self.classes.weight, std=0.05)
        self.sizes = SizeCode(sides_mm, 256) if sides_mm is not None else None

    def forward(self, images: Tensor, labels: Tensor, sides_mm: Tensor | None = None) -> Tensor:
        """(B, C, size, ...) in [-1, 1], (B,) int64, (B,) mm -> (B,) logits, positive for real."""
        x, (*levels, last) = in_fast_layout(to_blocks(images)), self.levels
        for level in levels:
            x = leaky(level, x)
        # Flattened first: in two memory layouts the gradients of this leaky ReLU take eight times as long.
        x = F.leaky_relu(last(x).flatten(1), SLOPE)
        x = F.leaky_relu(self.features(x), SLOPE)
        told = self.classes(labels)
        if self.sizes is not None and sides_mm is not None:
            told = told + self.sizes(sides_mm)
        projection = (x * told).sum(1) / x.shape[1] ** 0.5
        return (self.score(x)[:, 0] + projection).float()
