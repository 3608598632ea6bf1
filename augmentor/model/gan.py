"""A GAN to train: its two networks and how each model is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from augmentor.model.blocks import Generator, ProjectionDiscriminator, fast_layout
from augmentor.model.cgan import GraftGenerator
from augmentor.model.dcgan import DcganDiscriminator, DcganGenerator, PerClassDiscriminator, PerClassGenerator
from augmentor.recipe import ModelName, ModelSection, Recipe


@dataclass(frozen=True)
class Method:
    """How a model is trained; `anchor` holds a synthetic lesion near the graft that it started from."""

    generator_lr: float
    discriminator_lr: float
    beta1: float
    beta2: float
    r1_gamma: float  # 0: no gradient penalty
    anchor: float
    mismatch: float  # weight of real lesions under a wrong class as false ones
    ema_halflife_kimg: float  # of the generator's moving average; 0: none, the network itself is saved
    augment: Literal["differentiable", "real-only"]
    augment_share: float
    one_class_a_step: bool


METHODS: dict[ModelName, Method] = {
    "cgan": Method(1e-4, 1e-3, 0.0, 0.99, 0.02, 3.0, 0.5, 5.0, "differentiable", 0.5, one_class_a_step=False),
    # As published: Adam at 2e-4 with beta1 0.5, the real lesions classically augmented, no penalty, no average.
    "dcgan": Method(2e-4, 2e-4, 0.5, 0.999, 0.0, 0.0, 0.0, 0.0, "real-only", 1.0, one_class_a_step=True),
}


_CHANNELS: dict[ModelName, tuple[int, int]] = {"cgan": (48, 64), "dcgan": (128, 64)}  # generator, discriminator


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with the model's own values where it leaves them open."""
    model, training, method = recipe.model, recipe.training, METHODS[recipe.model.name]
    minutes, kimg = training.length
    return recipe.with_options(
        model={
            "generator_channels": model.generator_channels or _CHANNELS[model.name][0],
            "discriminator_channels": model.discriminator_channels or _CHANNELS[model.name][1],
        },
        training={
            "generator_lr": training.generator_lr or method.generator_lr,
            "discriminator_lr": training.discriminator_lr or method.discriminator_lr,
            "minutes": minutes,
            "kimg": kimg,
        },
    )


@dataclass
class Gan:
    """generator(latents, labels) -> (lesions, start or None); discriminator(images, labels) -> logits."""

    generator: Generator
    discriminator: nn.Module
    method: Method


def build_gan(section: ModelSection, images: Tensor, labels: Tensor, classes: int, seed: int) -> Gan:
    """Seeded networks for (N, C, S, S) training lesions in [-1, 1] and their (N,) int64 labels."""
    torch.manual_seed(seed)
    generator = build_generator(section, images, labels, classes)
    return Gan(generator, _discriminator(section, images.shape[1], classes), METHODS[section.name])


def build_generator(section: ModelSection, images: Tensor, labels: Tensor, classes: int) -> Generator:
    if section.name == "dcgan":
        width = section.generator_channels or _CHANNELS["dcgan"][0]
        made = [DcganGenerator(section.size, images.shape[1], width) for _ in range(classes)]
        network: Generator = PerClassGenerator(list(made))
    else:
        network = GraftGenerator(images, labels, classes, section.generator_channels or _CHANNELS["cgan"][0])
    fast_layout(network)
    return network


def _discriminator(section: ModelSection, channels: int, classes: int) -> nn.Module:
    if section.name == "dcgan":
        width = section.discriminator_channels or _CHANNELS["dcgan"][1]
        made = [DcganDiscriminator(section.size, channels, width) for _ in range(classes)]
        network: nn.Module = PerClassDiscriminator(list(made))
    else:
        network = ProjectionDiscriminator(
            section.size, channels, classes, section.discriminator_channels or _CHANNELS["cgan"][1]
        )
    return fast_layout(network)
