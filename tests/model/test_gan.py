from typing import get_args

import pytest
import torch

from augmentor.model.gan import METHODS, build_gan, resolve
from augmentor.model.lesions import TrainingLesions
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


@pytest.mark.parametrize("name", MODELS)
def test_a_method_says_whether_its_networks_have_batch_norm(name):
    section = ModelSection(name=name, size=28, generator_channels=8, discriminator_channels=8)
    gan = build_gan(section, TrainingLesions(torch.rand(4, 1, 28, 28), torch.arange(4) % 2, 2), 0)
    for network in (gan.generator, gan.discriminator):
        assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules()) == METHODS[name].batch_norm


@pytest.mark.parametrize("entry", MODELS)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_model_is_what_its_entry_says(entry, dims, monkeypatch):
    """Its networks, their channels and how they are trained: another name with the entry is the same model."""
    other_name = next(name for name in MODELS if name != entry)
    monkeypatch.setitem(METHODS, other_name, METHODS[entry])
    asked = Recipe().with_options(model={"size": 16, "spatial_dims": dims})
    sections = [resolve(asked.with_options(model={"name": name})).model for name in (entry, other_name)]
    assert sections[1] == sections[0].model_copy(update={"name": other_name})
    lesions = TrainingLesions(torch.rand(4, 1, *[16] * dims) * 2 - 1, torch.arange(4) % 2, 2)
    narrow = {"generator_channels": 4, "discriminator_channels": 4}
    one, other = (build_gan(section.model_copy(update=narrow), lesions, 0) for section in sections)
    assert one.method is other.method
    for ours, theirs in ((one.generator, other.generator), (one.discriminator, other.discriminator)):
        assert type(ours) is type(theirs)
        mine, its = ours.state_dict(), theirs.state_dict()
        assert list(mine) == list(its)
        assert all(torch.equal(mine[key], its[key]) for key in mine)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_batch_is_the_models_own_where_the_recipe_names_none(name, dims):
    model = {"name": name, "spatial_dims": dims, "size": 16}
    own = METHODS[name].batch // (dims - 1)  # half as many volumes
    assert resolve(Recipe().with_options(model=model)).training.batch == own
    assert resolve(Recipe().with_options(model=model, training={"batch": 6})).training.batch == 6


@pytest.mark.parametrize("name", MODELS)
def test_the_networks_of_a_seed_are_the_same_and_the_callers_random_state_stays(name):
    section = ModelSection(name=name, size=16, generator_channels=4, discriminator_channels=4)
    lesions = TrainingLesions(torch.rand(4, 1, 16, 16) * 2 - 1, torch.arange(4) % 2, 2)
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        made.append(build_gan(section, lesions, 0))
        assert torch.equal(torch.get_rng_state(), before)
    for network in ("generator", "discriminator"):
        ours, theirs = (getattr(gan, network).state_dict() for gan in made)
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
