import pytest
import torch

from augmentor.training.diffaugment import augment


def make(channels: int = 1, size: int = 32) -> torch.Tensor:
    return torch.rand(8, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize("channels", [1, 3])
def test_it_keeps_the_shape_and_follows_the_seed(channels):
    images = make(channels)
    once = augment(images, 1.0, seeded())
    assert once.shape == images.shape
    assert torch.equal(once, augment(images, 1.0, seeded()))
    assert not torch.equal(once, augment(images, 1.0, seeded(1)))


def test_with_share_zero_only_mirroring_is_left():
    images = make()
    changed = augment(images, 0.0, seeded())
    for before, after in zip(images, changed, strict=True):
        distances = [(kept - after).abs().max() for kept in (before, before.flip(2))]
        assert min(distances) < 1e-5


def test_gradients_reach_every_image():
    images = make().requires_grad_()
    augment(images, 1.0, seeded()).square().sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()


def test_a_translation_brings_no_black_border():
    bright = torch.full((64, 1, 32, 32), 0.8)
    seen = augment(bright, 1.0, seeded())
    edges = torch.cat([seen[:, :, 0], seen[:, :, -1]], 1)
    holes = (edges == 0).float().mean()  # cut-outs are exactly zero
    assert (edges[edges != 0] > 0.5).all()
    assert holes < 0.5
