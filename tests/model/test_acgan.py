import pytest
import torch

from augmentor.model.checkpoint import load_checkpoint
from augmentor.model.gan import build_gan
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelSection
from augmentor.sampling import sample
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set


def make_gan(size: int = 16, channels: int = 1, classes: int = 3):
    section = ModelSection(name="acgan", size=size, generator_channels=8, discriminator_channels=8)
    images, labels = torch.rand(2 * classes, channels, size, size) * 2 - 1, torch.arange(2 * classes) % classes
    return build_gan(section, TrainingLesions(images, labels, classes), 0), images, labels


@pytest.mark.parametrize(("size", "channels", "classes"), [(28, 3, 8), (64, 1, 2)])
def test_the_discriminator_has_one_head_for_real_and_one_for_the_class(size, channels, classes):
    gan, images, labels = make_gan(size, channels, classes)
    judged = gan.discriminator.eval().judge(images, labels)
    assert judged.classes.shape == (len(images), classes)
    assert torch.equal(judged.real, gan.discriminator(images, labels))


def test_the_discriminator_is_never_told_the_class():
    gan, images, labels = make_gan()
    discriminator = gan.discriminator.eval()
    assert torch.equal(discriminator(images, labels), discriminator(images, labels.flip(0)))


def test_one_latent_gives_another_lesion_under_another_class():
    gan, _, _ = make_gan()
    latents = torch.randn(1, gan.generator.latent_dim).expand(3, -1)
    lesions, start = gan.generator.eval()(latents, torch.tensor([0, 1, 2]))
    assert start is None
    assert not torch.equal(lesions[0], lesions[1])
    assert not torch.equal(lesions[1], lesions[2])


def test_all_classes_share_one_network():
    few, many = (sum(w.numel() for w in make_gan(classes=classes)[0].generator.parameters()) for classes in (2, 8))
    assert many - few == 6 * 100  # the embeddings


def test_a_fit_leaves_a_run_that_can_be_sampled(tmp_path):
    lesions = write_set(tmp_path / "lesions", classes=3)
    run = fit(lesions, tiny_recipe(model={"name": "acgan"}), tmp_path / "run", latest=False)
    generator, card = load_checkpoint(run.chosen_checkpoint)
    assert card.model.name == "acgan"
    made = torch.stack([lesion for lesion, _ in sample(generator, [0, 1, 2], [5, 6, 7])])
    assert made.shape == (3, 1, 16, 16)
    assert made.isfinite().all()
