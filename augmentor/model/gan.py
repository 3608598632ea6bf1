"""A GAN to train: each model's two networks and how they are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import nn

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

Network = TypeVar("Network", Generator, Discriminator)
Make = Callable[[ModelSection, TrainingLesions, int], Network]  # (section, lesions, channels at the finest layer)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A model: its two networks and how they are trained, as published for DCGAN (Radford et al. 2016) where a model
    does not say otherwise."""

    generator: Make[Generator]
    discriminator: Make[Discriminator]
    channels: tuple[int, int]  # of the two, at the finest layer of images; volumes: half, a quarter of the arithmetic
    grafts: bool = False  # starts from training lesions: they are moved, and their sizes can be asked for
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


def _one_for_all(network: Callable[..., Network]) -> Make[Network]:
    """network: (size, channels, classes, width, dims) -> one network for all classes."""

    def make(section: ModelSection, lesions: TrainingLesions, width: int) -> Network:
        return network(section.size, lesions.images.shape[1], lesions.classes, width, section.spatial_dims)

    return make


def _one_a_class(together: Callable[[list[nn.Module]], Network], network: Callable[..., nn.Module]) -> Make[Network]:
    """network: (size, channels, width, dims) -> that of one class. together: behind the interface of one network."""

    def make(section: ModelSection, lesions: TrainingLesions, width: int) -> Network:
        asked = section.size, lesions.images.shape[1], width
        return together([network(*asked, dims=section.spatial_dims) for _ in range(lesions.classes)])

    return make


def _graft_generator(section: ModelSection, lesions: TrainingLesions, width: int) -> Generator:
    return GraftGenerator(lesions, width, int(section.with_mask))


def _graft_discriminator(section: ModelSection, lesions: TrainingLesions, width: int) -> Discriminator:
    size, channels, dims = section.size, lesions.images.shape[1], section.spatial_dims
    return ProjectionDiscriminator(size, channels, lesions.classes, width, dims, lesions.sides_mm)


# An entry here (and its name in the recipe's ModelName) adds a model.
METHODS: dict[ModelName, Method] = {
    "cgan": Method(
        generator=_graft_generator,
        discriminator=_graft_discriminator,
        channels=(32, 40),
        grafts=True,
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
    "dcgan": Method(
        generator=_one_a_class(PerClassGenerator, DcganGenerator),
        discriminator=_one_a_class(PerClassDiscriminator, DcganDiscriminator),
        channels=(128, 64),
        one_class_a_step=True,
    ),
    "acgan": Method(
        generator=_one_for_all(AcganGenerator),
        discriminator=_one_for_all(AcganDiscriminator),
        channels=(128, 64),
        class_loss=1.0,
    ),
    "plain-dcgan": Method(
        generator=_one_a_class(PerClassGenerator, PlainGenerator),
        discriminator=_one_a_class(PerClassDiscriminator, PlainDiscriminator),
        channels=(32, 32),
        one_class_a_step=True,
    ),
    "monai": Method(
        generator=_one_a_class(PerClassGenerator, MonaiGenerator),
        discriminator=_one_a_class(PerClassDiscriminator, MonaiDiscriminator),
        channels=(8, 8),
        one_class_a_step=True,
        batch_norm=False,
    ),
}


def _channels(section: ModelSection) -> tuple[int, int]:
    generator, discriminator = (c // (section.spatial_dims - 1) for c in METHODS[section.name].channels)
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
            "batch": training.batch or method.batch // (model.spatial_dims - 1),
            "minutes": minutes,
            "kimg": kimg,
            "precision": precision_of(training, model.spatial_dims),
        },
    )


def precision_of(section: TrainingSection, dims: int) -> Literal["bf16-mixed", "32-true"]:
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
    """Seeded networks for these lesions, with masks and by size where the section says so. The caller's random state
    stays as it is."""
    method = METHODS[section.name]
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)  # weights are drawn on the CPU, and no GPU's state is touched
        generator = build_generator(section, lesions)
        discriminator = method.discriminator(section, lesions, _channels(section)[1])
    fast_layout(discriminator)
    return Gan(generator, discriminator, method, int(section.with_mask))


def build_generator(section: ModelSection, lesions: TrainingLesions) -> Generator:
    generator = METHODS[section.name].generator(section, lesions, _channels(section)[0])
    fast_layout(generator)
    return generator
