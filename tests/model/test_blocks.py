import pytest
import torch
import torch.nn.functional as F

from augmentor.model import blocks
from augmentor.model.blocks import (
    SizeCode,
    StyledBlock,
    fast_layout,
    from_blocks,
    soften,
    to_blocks,
)
from tests.torch_modes import odd_torch


def test_blocks_of_images_are_those_of_torch():
    images = torch.randn(2, 3, 8, 12)
    assert torch.equal(to_blocks(images), F.pixel_unshuffle(images, 2))
    assert torch.equal(from_blocks(to_blocks(images)), images)


def test_a_block_of_a_volume_holds_its_eight_voxels_and_leads_back():
    volumes = torch.randn(2, 3, 4, 6, 8)
    blocks = to_blocks(volumes)
    assert blocks.shape == (2, 24, 2, 3, 4)
    assert set(blocks[0, :8, 1, 2, 3].tolist()) == set(volumes[0, 0, 2:4, 4:6, 6:8].flatten().tolist())
    assert torch.equal(from_blocks(blocks), volumes)


def test_a_chequered_pattern_in_space_is_softened_away_and_a_flat_one_kept():
    line = torch.arange(8)
    checkers = ((line[:, None, None] + line[:, None] + line) % 2 * 2.0 - 1).expand(2, 2, 8, 8, 8)
    assert soften(checkers)[..., 1:-1, 1:-1, 1:-1].abs().max() < 1e-6
    assert torch.allclose(soften(torch.full((1, 2, 6, 6, 6), 0.7)), torch.tensor(0.7))


def test_the_fast_layout_is_that_of_the_networks_own_dimensions():
    for dims, layout in ((2, torch.channels_last), (3, torch.channels_last_3d)):
        network = fast_layout(StyledBlock(8, 16, style=4, dims=dims))
        assert network.convolution.weight.is_contiguous(memory_format=layout)


def test_a_size_is_told_by_its_place_among_the_training_lesions():
    sides = torch.tensor([10.0, 20.0, 40.0])
    code = SizeCode(sides, 5)
    assert code(sides).shape == (3, 5)
    assert not torch.allclose(code(sides)[0], code(sides)[2])
    assert torch.equal(code(torch.tensor([1e6])), code(torch.tensor([1e9])))  # no farther than three deviations
    assert torch.isfinite(SizeCode(torch.full((4,), 30.0), 5)(torch.tensor([30.0]))).all()


def test_a_chequered_pattern_is_softened_away_and_a_flat_one_kept():
    checkers = ((torch.arange(16)[:, None] + torch.arange(16)[None]) % 2 * 2.0 - 1).expand(2, 3, 16, 16)
    assert soften(checkers)[..., 1:-1, 1:-1].abs().max() < 1e-6
    assert torch.allclose(soften(torch.full((1, 2, 8, 8), 0.7)), torch.tensor(0.7))


def test_a_styled_block_starts_without_a_style():
    block = StyledBlock(3, 8, style=4)
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(block(images, torch.zeros(2, 4)), block(images, torch.ones(2, 4)))


@pytest.mark.parametrize("dims", [2, 3])
def test_softening_is_the_convolution_with_the_binomial_kernel(dims):
    images, kernel = torch.randn(2, 1, *[7] * dims), torch.tensor([0.25, 0.5, 0.25])
    for _ in range(dims - 1):
        kernel = kernel[..., None] * torch.tensor([0.25, 0.5, 0.25])
    convolve = F.conv2d if dims == 2 else F.conv3d
    told = convolve(F.pad(images, (1,) * (2 * dims), mode="reflect"), kernel[None, None])
    torch.testing.assert_close(soften(images), told)


def test_softening_that_was_first_asked_for_in_bfloat16_serves_float32_as_well():
    images = torch.randn(1, 1, 11, 11)
    with torch.autocast("cpu", torch.bfloat16):
        assert soften(images).dtype == torch.bfloat16
    assert soften(images).dtype == torch.float32


def test_a_styled_block_normalises_in_float32_and_gives_back_what_it_computes_in():
    block, images, style = StyledBlock(3, 8, style=4), 100 + torch.randn(2, 3, 8, 8), torch.zeros(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert block(images, style).dtype == torch.bfloat16
    assert block(images, style).dtype == torch.float32


def test_softening_that_was_first_asked_for_in_another_mode_of_torch_serves_a_training_as_well():
    blocks._softening.cache_clear()
    with odd_torch():
        soften(torch.ones(1, 1, 9, 9, dtype=torch.float32))
    images = torch.ones(1, 1, 9, 9, requires_grad=True)
    soften(images).sum().backward()
    assert images.grad.sum() == pytest.approx(81)
