"""A GAN to train: its two networks and how each model is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from augmentor.errors import UsageError
from augmentor.model.acgan import AcganDiscriminator, AcganGenerator
from augmentor.model.blocks import Discriminator, Generator, fast_layout
from augmentor.model.cgan import GraftGenerator, ProjectionDiscriminator
from augmentor.model.dcgan import DcganDiscriminator, DcganGenerator, PerClassDiscriminator, PerClassGenerator
from augmentor.model.devices import computes_in_bfloat16, find_device
from augmentor.model.lesions import TrainingLesions
from augmentor.model.monai_gan import MonaiDiscriminator, MonaiGenerator
from augmentor.model.plain import PlainDiscriminator, PlainGenerator
from augmentor.recipe import ModelName, ModelSection, Recipe, TrainingSection


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a model is trained; as published for DCGAN (Radford et al. 2016) where a model does not say otherwise."""

    batch: int = 32  # images; half as many volumes
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    r1_gamma: float = 0.0  # 0: no gradient penalty
    anchor: float = 0.0  # holds a synthetic lesion near the graft that it started from
    class_loss: float = 0.0  # weight of naming the class, of real and of synthetic lesions
    ema_halflife_kimg: float = 0.0  # of the generator's moving average; 0: none, the network itself is saved
    augment: Literal["differentiable", "real-only"] = "real-only"  # the real ones alone are augmented classically
    augment_share: float = 1.0
    stop_early: bool = False  # once the discriminator knows the training lesions by heart
    one_class_a_step: bool = False
    batch_norm: bool = True  # it needs the whole batch in one process


METHODS: dict[ModelName, Method] = {
    "cgan": Method(
        batch=64,
        generator_lr=1e-4,
        discriminator_lr=1e-3,
        beta1=0.0,
        beta2=0.99,
        r1_gamma=0.02,
        anchor=3.0,
        ema_halflife_kimg=5.0,
        augment="differentiable",
        augment_share=0.5,
        stop_early=True,
        batch_norm=False,
    ),
    "dcgan": Method(one_class_a_step=True),
    "acgan": Method(class_loss=1.0),
    "plain-dcgan": Method(one_class_a_step=True),
    "monai": Method(one_class_a_step=True, batch_norm=False),
}


# At the finest layer of images: generator, discriminator. Volumes have half as many: a quarter of the arithmetic.
_CHANNELS: dict[ModelName, tuple[int, int]] = {
    "cgan": (32, 40),
    "dcgan": (128, 64),
    "acgan": (128, 64),
    "plain-dcgan": (32, 32),
    "monai": (8, 8),
}
# The models that are a network a class: (size, channels, width, dims) -> generator, discriminator.
_ONE_A_CLASS: dict[ModelName, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "dcgan": (DcganGenerator, DcganDiscriminator),
    "plain-dcgan": (PlainGenerator, PlainDiscriminator),
    "monai": (MonaiGenerator, MonaiDiscriminator),
}


def _channels(section: ModelSection) -> tuple[int, int]:
    generator, discriminator = (c // (section.spatial_dims - 1) for c in _CHANNELS[section.name])
    return section.generator_channels or generator, section.discriminator_channels or discriminator


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with the model's own values where it leaves them open, and the precision that the device is fast in.

    Raises UsageError where the device is missing.
    """
    model, training, method = recipe.model, recipe.training, METHODS[recipe.model.name]
    minutes, kimg = training.length
    return recipe.with_options(
        model=dict(zip(("generator_channels", "discriminator_channels"), _channels(model), strict=True)),
        training={
            "generator_lr": training.generator_lr or method.generator_lr,
            "discriminator_lr": training.discriminator_lr or method.discriminator_lr,
            "batch": batch_of(training, method, model.spatial_dims),
            "minutes": minutes,
            "kimg": kimg,
            "precision": precision_of(training, model.spatial_dims),
        },
    )


def batch_of(section: TrainingSection, method: Method, dims: int) -> int:
    """The recipe's batch, or the method's own."""
    return section.batch or method.batch // (dims - 1)


def precision_of(section: TrainingSection, dims: int = 2) -> Literal["bf16-mixed", "32-true"]:
    """What `auto` stands for on this machine. Raises UsageError where the device is missing, and for bfloat16 where it
    gives wrong gradients."""
    device = find_device(section.device)
    if section.precision == "auto":
        return "bf16-mixed" if computes_in_bfloat16(device, dims) else "32-true"
    if section.precision == "bf16-mixed" and device.type == "cpu" and dims == 3:
        raise UsageError(
            "training.precision is bf16-mixed, in which a CPU's gradients for volumes are wrong. Set it to auto or "
            "32-true; a run that was begun on a GPU goes on here with --resume --device cpu."
        )
    return section.precision


@dataclass
class Gan:
    """generator(latents, labels) -> (lesions, start or None); discriminator(images, labels) -> logits.

    masks: how many of the last channels are masks.
    """

    generator: Generator
    discriminator: Discriminator
    method: Method
    masks: int = 0


def build_gan(section: ModelSection, lesions: TrainingLesions, seed: int) -> Gan:
    """Seeded networks for these lesions, with masks and by size where the section says so."""
    torch.manual_seed(seed)
    generator = build_generator(section, lesions)
    discriminator = _discriminator(section, lesions.images.shape[1], lesions.classes, lesions.sides_mm)
    return Gan(generator, discriminator, METHODS[section.name], int(section.with_mask))


def build_generator(section: ModelSection, lesions: TrainingLesions) -> Generator:
    classes, channels = lesions.classes, lesions.images.shape[1]
    width, size, dims = _channels(section)[0], section.size, section.spatial_dims
    network: Generator
    if section.name in _ONE_A_CLASS:
        make = _ONE_A_CLASS[section.name][0]
        network = PerClassGenerator([make(size, channels, width, dims=dims) for _ in range(classes)])
    elif section.name == "acgan":
        network = AcganGenerator(size, channels, classes, width, dims)
    else:
        network = GraftGenerator(lesions, width, int(section.with_mask))
    fast_layout(network)
    return network


def _discriminator(section: ModelSection, channels: int, classes: int, sides_mm: Tensor | None) -> Discriminator:
    width, size, dims = _channels(section)[1], section.size, section.spatial_dims
    network: Discriminator
    if section.name in _ONE_A_CLASS:
        make = _ONE_A_CLASS[section.name][1]
        network = PerClassDiscriminator([make(size, channels, width, dims=dims) for _ in range(classes)])
    elif section.name == "acgan":
        network = AcganDiscriminator(size, channels, classes, width, dims)
    else:
        network = ProjectionDiscriminator(size, channels, classes, width, dims, sides_mm)
    fast_layout(network)
    return network
