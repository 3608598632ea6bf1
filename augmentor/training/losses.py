"""The adversarial arithmetic: logits and images in, one number out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, synthetic: Tensor) -> Tensor:
    """Cross-entropy of (B,) logits; 2 ln 2 = 1.386 where the discriminator can't tell (Goodfellow et al. 2014)."""
    return F.softplus(synthetic).mean() + F.softplus(-real).mean()


def generator_loss(synthetic: Tensor) -> Tensor:
    """The non-saturating loss of (B,) logits; ln 2 = 0.693 at the equilibrium."""
    return F.softplus(-synthetic).mean()


def class_loss(classes: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the class named, (B, K) logits and (B,) int64: ln K where it is guessed.

    The auxiliary loss of Odena et al. 2017 (arXiv 1610.09585): both networks lower it, the generator with lesions that
    can be told to be of their class.
    """
    return F.cross_entropy(classes, labels)


def r1_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Mean squared gradient of the logits at real images (Mescheder et al. 2018): the brake on the discriminator.

    images: (B, C, S, ...), requiring a gradient; logits: (B,), computed from them.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().flatten(1).sum(1).mean()


def anchor_penalty(synthetic: Tensor, start: Tensor) -> Tensor:
    """Mean distance to the graft that a lesion started from, at a quarter of the resolution.

    It leaves texture and edges to the discriminator and forbids what a small one would let through: another shape.
    """
    pool = F.avg_pool2d if synthetic.dim() == 4 else F.avg_pool3d
    return pool(synthetic - start, 4).abs().mean()
