import pytest
import torch

from augmentor.data.images import Intensity
from augmentor.errors import UsageError
from augmentor.model.checkpoint import Card, load_checkpoint, save_checkpoint
from augmentor.model.gan import build_generator
from augmentor.recipe import ModelSection
from augmentor.sampling import sample


def saved(tmp_path, name="cgan"):
    section = ModelSection(name=name, size=16, generator_channels=8)
    images, labels = torch.rand(5, 1, 16, 16) * 2 - 1, torch.tensor([1, 0, 1, 1, 0])
    generator = build_generator(section, images, labels, 2).eval()
    card = Card(section, ("a", "b"), 1, (2, 3), Intensity(-100, 200, "int16"), (0.8, 0.8), 7, "abc")
    save_checkpoint(tmp_path / "c.safetensors", generator, card)
    return generator, card


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
def test_a_checkpoint_makes_the_lesions_that_its_network_made(tmp_path, name):
    generator, card = saved(tmp_path, name)
    loaded, read = load_checkpoint(tmp_path / "c.safetensors")
    assert read == card
    before, after = (list(sample(g, [0, 1], [3, 4])) for g in (generator, loaded))
    # The training lesions are stored in half precision.
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))


def test_a_damaged_checkpoint_is_named(tmp_path):
    saved(tmp_path)
    file = tmp_path / "c.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"c\.safetensors"):
        load_checkpoint(file)


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json"):
        load_checkpoint(tmp_path / "none.safetensors")
