import pytest
import torch
import torch.nn.functional as F

from augmentor.training import diffaugment
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


@pytest.mark.parametrize("dims", [2, 3])
def test_a_mask_goes_where_its_image_goes_and_is_not_changed_otherwise(dims):
    """With the mask as its own image, it stays the image's but where brightness, contrast or a hole changed that."""
    pictures = (torch.rand(64, 1, *[16] * dims, generator=seeded()) > 0.7) * 2.0 - 1
    seen = augment(torch.cat([pictures, pictures], 1), 1.0, seeded(), masks=1)
    image, mask = seen[:, 0].flatten(1), seen[:, 1].flatten(1)
    assert set(mask.unique().tolist()) == {-1.0, 1.0}
    kept = image != 0  # a hole
    # One straight line of brightness and contrast leads from the mask to the image.
    assert all(
        ((image[i] > image[i][kept[i]].mean()) == (mask[i] > 0))[kept[i]].float().mean() > 0.99 for i in range(64)
    )
    assert (mask != pictures.flatten(1)).any(1).float().mean() > 0.5


def test_volumes_keep_their_shape_follow_the_seed_and_move_along_every_axis():
    volumes = torch.rand(8, 1, 16, 16, 16, generator=seeded()) * 2 - 1
    once = augment(volumes, 1.0, seeded())
    assert once.shape == volumes.shape
    assert torch.equal(once, augment(volumes, 1.0, seeded()))
    steps = torch.linspace(-1, 1, 16)
    for axis in (2, 3, 4):
        ramp = steps.view([-1 if a == axis else 1 for a in range(5)]).expand(64, 1, 16, 16, 16)
        moved = augment(torch.cat([ramp, ramp], 1), 1.0, seeded(), masks=1)[:, 1]
        assert len({round(float(m.mean()), 4) for m in moved}) > 2


def test_a_translation_brings_no_black_border():
    bright = torch.full((64, 1, 32, 32), 0.8)
    seen = augment(bright, 1.0, seeded())
    edges = torch.cat([seen[:, :, 0], seen[:, :, -1]], 1)
    holes = (edges == 0).float().mean()  # cut-outs are exactly zero
    assert (edges[edges != 0] > 0.5).all()
    assert holes < 0.5


@pytest.mark.parametrize(("shape", "share"), [((32, 3, 16, 16), 0.7), ((16, 2, 9, 9, 9), 1.0), ((32, 1, 16, 16), 0.0)])
def test_lesions_are_mirrored_then_moved_and_beyond_the_border_lies_the_mirror_image(shape, share):
    images = torch.rand(shape, generator=seeded(1))
    mirrored = torch.arange(shape[0]).view(-1, *[1] * (len(shape) - 1)) % 2 == 0
    found = diffaugment._move(images, mirrored, share, seeded(2))
    size, dims, randomness = shape[-1], len(shape) - 2, seeded(2)
    most = round(size * 0.125)
    by = [(diffaugment._signed(images, share, randomness) * most).round().long().flatten() for _ in range(dims)]
    wide = F.pad(torch.where(mirrored, images.flip(-1), images), (most,) * 2 * dims, mode="reflect")
    for row, seen in enumerate(found):
        cut = tuple(slice(most + int(b[row]), most + int(b[row]) + size) for b in by)
        assert torch.equal(seen, wide[row, :, *cut])
    assert (share == 0) == all(int(b.abs().max()) == 0 for b in by)
