"""A generator of known quality: smooth lesions of two classes, and faults where a test wants them."""

import numpy as np
import torch
import torch.nn.functional as F

from augmentor.data.intensity import Intensity
from augmentor.expansion.rules import fit_texture_rules
from augmentor.expansion.screen import Screen
from augmentor.model.blocks import Generator
from augmentor.model.checkpoint import Card
from augmentor.model.memorisation import make_copy_check
from augmentor.recipe import ModelSection

SIZE, CLASSES = 32, ("plain", "striped")
CARD = Card(ModelSection(size=SIZE), CLASSES, 1, (40, 40), Intensity(0, 255, "uint8"), None, 0, "")


class FakeGenerator(Generator):
    """About `share` of the lesions have the fault: "repeated" (one image), "copied" (the first training lesion),
    "swapped" (the other class) or "noise"."""

    def __init__(self, fault: str = "", share: float = 0.3, copied: np.ndarray | None = None):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.latent_dim = 65
        self.fault, self.share, self.copied = fault, share, copied

    def forward(self, latents, labels):
        shapes, chance = latents[:, :64], torch.special.ndtr(latents[:, 64])
        faulty = chance < (self.share if self.fault else 0)
        labels = torch.where(faulty, 1 - labels, labels) if self.fault == "swapped" else labels
        lesions = _lesions(shapes, labels)
        if self.fault == "repeated":
            lesions[faulty] = _lesions(_normals(64), labels[:1])
        if self.fault == "copied":
            lesions[faulty] = torch.from_numpy(self.copied)
        if self.fault == "noise":
            lesions[faulty] = torch.randn(lesions[faulty].shape, generator=torch.Generator().manual_seed(3)).clamp(
                -1, 1
            )
        return lesions, None


def _normals(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def _lesions(shapes, labels):
    smooth = F.interpolate(shapes.view(-1, 1, 8, 8), size=SIZE, mode="bicubic", align_corners=False)
    stripes = torch.where(torch.arange(SIZE) % 4 < 2, 0.15, -0.15)[None, None, None] * labels.view(-1, 1, 1, 1)
    return (0.25 * smooth + stripes).clamp(-1, 1)


def training_lesions(per_class: int = 40, seed: int = 0):
    """Images (2 N, 1, 32, 32), targets and patients of two lesions each: from the same distribution."""
    targets = np.repeat([0, 1], per_class)
    shapes = torch.from_numpy(np.random.default_rng(seed).standard_normal((2 * per_class, 64), np.float32))
    return _lesions(shapes, torch.from_numpy(targets)).numpy(), targets, np.arange(2 * per_class) // 2


def make_screen(level: str) -> Screen:
    images, targets, patients = training_lesions()
    copies = make_copy_check(images, [str(p) for p in patients], training_lesions(20, seed=1)[0])
    return Screen(copies, None if level == "off" else fit_texture_rules(images, targets, patients, level))
