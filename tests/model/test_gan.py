from typing import get_args

import pytest
import torch

from augmentor.model.gan import METHODS, build_gan, resolve
from augmentor.model.graft import TrainingLesions
from augmentor.recipe import ModelName, ModelSection, Recipe

MODELS = get_args(ModelName)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("size", "channels", "classes"), [(28, 1, 2), (64, 3, 8), (128, 1, 3)])
def test_networks_fit_their_images(name, size, channels, classes):
    section = ModelSection(name=name, size=size, generator_channels=8, discriminator_channels=8)
    images, labels = torch.rand(2 * classes, channels, size, size) * 2 - 1, torch.arange(2 * classes) % classes
    gan = build_gan(section, TrainingLesions(images, labels, classes), 0)
    latents = torch.randn(2 * classes, gan.generator.latent_dim)
    lesions, _ = gan.generator(latents, labels)
    assert lesions.shape == images.shape
    assert gan.discriminator(lesions, labels).shape == (2 * classes,)


@pytest.mark.parametrize("name", ["cgan", "dcgan", "acgan"])
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (20, 2), (32, 1)])
def test_networks_fit_their_volumes(name, size, channels):
    section = ModelSection(name=name, size=size, spatial_dims=3, generator_channels=4, discriminator_channels=4)
    images, labels = torch.rand(4, channels, size, size, size) * 2 - 1, torch.arange(4) % 2
    gan = build_gan(section, TrainingLesions(images, labels, 2), 0)
    lesions, _ = gan.generator(torch.randn(4, gan.generator.latent_dim), labels)
    assert lesions.shape == images.shape
    assert gan.discriminator(lesions, labels).shape == (4,)
    assert gan.generator.sides_mm(torch.randn(4, gan.generator.latent_dim), labels) is None


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


def test_a_dcgan_has_one_network_a_class():
    images, labels = torch.rand(6, 1, 28, 28) * 2 - 1, torch.arange(6) % 3
    gan = build_gan(ModelSection(name="dcgan", size=28, generator_channels=8), TrainingLesions(images, labels, 3), 0)
    gan.generator.eval()
    latents = torch.randn(1, 100).expand(3, -1)
    lesions, _ = gan.generator(latents, torch.tensor([0, 1, 2]))
    back, _ = gan.generator(latents, torch.tensor([2, 1, 0]))
    assert not torch.equal(lesions[0], lesions[1])
    assert torch.allclose(lesions, back.flip(0), atol=1e-6)


def test_the_papers_generator_starts_from_1024_channels_at_4x4():
    images, labels = torch.rand(2, 1, 64, 64), torch.arange(2)
    gan = build_gan(ModelSection(name="dcgan"), TrainingLesions(images, labels, 2), 0)
    start = gan.generator.networks[0].start
    assert start[0].out_features == 1024 * 4 * 4
    assert start[1].unflattened_size == (1024, 4, 4)


@pytest.mark.parametrize("name", MODELS)
def test_a_method_says_whether_its_networks_have_batch_norm(name):
    section = ModelSection(name=name, size=28, generator_channels=8, discriminator_channels=8)
    gan = build_gan(section, TrainingLesions(torch.rand(4, 1, 28, 28), torch.arange(4) % 2, 2), 0)
    for network in (gan.generator, gan.discriminator):
        assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules()) == METHODS[name].batch_norm


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_the_models_own_where_the_recipe_names_none(name, dims):
    model = {"name": name, "spatial_dims": dims, "size": 16}
    own = METHODS[name].batch // (dims - 1)  # half as many volumes
    assert resolve(Recipe().with_options(model=model)).training.batch == own
    assert resolve(Recipe().with_options(model=model, training={"batch": 6})).training.batch == 6
