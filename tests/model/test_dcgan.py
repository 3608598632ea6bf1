"""The paper's DCGAN, one network a class."""

import pytest
import torch

from augmentor.model.dcgan import stages
from augmentor.model.gan import build_gan
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelSection


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


def test_a_lesion_does_not_hang_on_which_classes_stand_beside_it_in_a_batch():
    images = torch.rand(6, 1, 16, 16) * 2 - 1
    section = ModelSection(name="dcgan", size=16, generator_channels=8)
    generator = build_gan(section, TrainingLesions(images, torch.arange(6) % 3, 3), 0).generator.eval()
    latents = torch.randn(4, 100)
    mixed, _ = generator(latents, torch.tensor([0, 1, 2, 0]))
    alone, _ = generator(latents, torch.zeros(4, dtype=torch.long))
    assert torch.equal(mixed[[0, 3]], alone[[0, 3]])


@pytest.mark.parametrize(
    ("size", "start", "doublings"), [(64, 4, 4), (28, 7, 2), (128, 4, 5), (16, 4, 2), (20, 5, 2), (36, 9, 2)]
)
def test_a_side_is_halved_while_it_is_even_and_over_four(size, start, doublings):
    assert stages(size) == (start, doublings)
    assert start * 2**doublings == size
