"""The default GAN's generator and discriminator."""

import pytest
import torch

from augmentor.model.cgan import GraftGenerator, ProjectionDiscriminator
from augmentor.model.gan import build_gan
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelSection


def test_a_lesion_made_by_size_has_the_texture_of_its_size():
    """Small lesions are dark, large ones bright: by its start alone, a lesion's brightness tells the size it is for."""
    sides = torch.linspace(10, 60, 40)
    brightness = torch.linspace(-0.8, 0.8, 40)
    images = brightness.view(-1, 1, 1, 1) + 0.1 * torch.randn(40, 1, 16, 16)
    section = ModelSection(size=16, condition_on="size", generator_channels=8)
    lesions = TrainingLesions(images, torch.zeros(40, dtype=torch.long), 1, sides)
    generator = build_gan(section, lesions, 0).generator
    latents, labels = torch.randn(200, generator.latent_dim), torch.zeros(200, dtype=torch.long)
    made, told = generator(latents, labels)[0].mean((1, 2, 3)), generator.sides_mm(latents, labels)
    assert torch.corrcoef(torch.stack([made, told]))[0, 1] > 0.8  # the surround is another lesion
    assert set(told.tolist()) <= set(sides.tolist())


def test_an_untrained_cgan_gives_its_grafts_unchanged():
    images, labels = torch.rand(8, 1, 28, 28) * 2 - 1, torch.arange(8) % 2
    gan = build_gan(ModelSection(size=28), TrainingLesions(images, labels, 2), 0)
    lesions, starts = gan.generator(torch.randn(8, gan.generator.latent_dim), labels)
    assert torch.equal(lesions, starts)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_discriminators_answer_depends_on_the_size_it_is_told(dims):
    network = ProjectionDiscriminator(16, 1, 2, 8, dims, torch.tensor([10.0, 20.0, 40.0]))
    images, labels = torch.randn(4, 1, *[16] * dims), torch.zeros(4, dtype=torch.long)
    small, large = (network(images, labels, torch.full((4,), side)) for side in (10.0, 40.0))
    assert not torch.equal(small, large)


def test_the_discriminators_answer_depends_on_the_class_it_is_told():
    network = ProjectionDiscriminator(16, 1, 2, 8)
    images = torch.randn(4, 1, 16, 16)
    assert not torch.equal(
        network(images, torch.zeros(4, dtype=torch.long)), network(images, torch.ones(4, dtype=torch.long))
    )


def test_every_class_starts_from_its_own_lesions_alone():
    """A dark class and a bright one: no synthetic lesion of one has anything of the other."""
    images = torch.where(torch.arange(12).view(-1, 1, 1, 1) % 2 == 0, -0.8, 0.8).expand(12, 1, 16, 16).contiguous()
    generator = GraftGenerator(TrainingLesions(images, torch.arange(12) % 2, 2), 8).eval()
    labels = torch.arange(40) % 2
    with torch.no_grad():
        made = generator(torch.randn(40, generator.latent_dim), labels)[0].mean((1, 2, 3))
    assert torch.allclose(made, torch.where(labels == 0, -0.8, 0.8), atol=0.05)


def test_the_order_in_which_lesions_are_given_decides_nothing_but_their_rows():
    images, labels = torch.rand(12, 1, 16, 16) * 2 - 1, torch.arange(12) % 3
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    sorted_by_class = order[labels[order].argsort(stable=True)]
    bank = GraftGenerator(TrainingLesions(images[order], labels[order], 3), 8).bank
    assert torch.equal(bank, images[sorted_by_class].half())
