import math

import pytest
import torch
import torch.nn.functional as F

from augmentor.model import warping
from augmentor.model.warping import enlarge, resample, resample_finely, rotation, sampling_matrices
from tests.torch_modes import odd_torch


def smooth(dims: int, side: int = 16) -> torch.Tensor:
    control = torch.randn(3, 2, *[5] * dims, generator=torch.Generator().manual_seed(0))
    return enlarge(control, side)


def grid_of(images: torch.Tensor, shift: float = 0.0) -> torch.Tensor:
    dims = images.dim() - 2
    affine = torch.cat([torch.eye(dims), torch.full((dims, 1), shift)], 1).expand(len(images), dims, dims + 1)
    return F.affine_grid(affine, list(images.shape), align_corners=False)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("sampled", [resample, resample_finely])
def test_a_smooth_image_sampled_where_it_is_stays_as_it_is(dims, sampled):
    images = smooth(dims)
    assert (sampled(images, grid_of(images)) - images).abs().max() < 0.05 * images.abs().max()


@pytest.mark.parametrize("dims", [2, 3])
def test_a_shift_by_whole_pixels_moves_the_pixels(dims):
    images = smooth(dims)
    inner, further = (
        (slice(None), slice(None), *[slice(3, 12)] * dims),
        (slice(None), slice(None), *[slice(5, 14)] * dims),
    )
    moved = resample_finely(images, grid_of(images, 2 * 2 / 16))
    assert (moved[inner] - images[further]).abs().max() < 0.05 * images.abs().max()


def test_a_volume_is_sampled_alike_in_any_number_at_a_time(monkeypatch):
    volumes = smooth(3)
    whole = resample_finely(volumes, grid_of(volumes, 0.1))
    monkeypatch.setattr("augmentor.model.warping._CHUNK_NUMBERS", 1)
    assert torch.equal(resample_finely(volumes, grid_of(volumes, 0.1)), whole)


def test_a_field_in_space_is_the_same_along_each_axis():
    control = torch.randn(2, 3, 4, 4, 4)
    turned = enlarge(control.permute(0, 1, 4, 2, 3), 12)
    assert torch.allclose(enlarge(control, 12).permute(0, 1, 4, 2, 3), turned, atol=1e-5)
    flat = enlarge(control[..., :1].expand(2, 3, 4, 4, 4), 12)
    plane = enlarge(control[..., 0], 12)
    assert torch.allclose(flat, plane[..., None].expand_as(flat), atol=1e-5)


def test_a_rotation_keeps_lengths_and_handedness():
    turned = rotation(torch.rand(20, 3) * 2 * math.pi)
    assert torch.allclose(turned @ turned.mT, torch.eye(3).expand(20, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(turned), torch.ones(20), atol=1e-5)
    assert torch.allclose(rotation(torch.zeros(1, 3)), torch.eye(3))
    one, none = torch.rand(20, 1) * 2 * math.pi, torch.zeros(20, 2)
    about_the_last = rotation(torch.cat([none, one], 1))  # leaves the plane of the first two axes
    assert torch.allclose(about_the_last[:, :2, :2], rotation(one), atol=1e-6)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_place_is_scaled_then_turned_then_shifted(dims):
    angles, scale, shift = (torch.rand(5, n) + 0.5 for n in (1 if dims == 2 else 3, dims, dims))
    place = torch.rand(5, dims, 1)
    expected = rotation(angles) @ (scale[..., None] * place) + shift[..., None]
    found = sampling_matrices(angles, scale, shift) @ torch.cat([place, torch.ones(5, 1, 1)], 1)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_sharp_edge_leaves_no_waves_beside_it(dims):
    """Sinc interpolation alone leaves waves of 3 % of the step eight pixels away."""
    side, edge = 16, 8
    step = torch.full((1, 1, *[side] * dims), -1.0)
    step[..., edge:] = 1.0
    moved = resample_finely(step, grid_of(step, 2 * 0.4 / side))  # two fifths of a pixel aside
    assert torch.allclose(moved[..., : edge - 2], step[..., : edge - 2], atol=1e-5)
    assert torch.allclose(moved[..., edge + 1 :], step[..., edge + 1 :], atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("pixels", [0.4, 1.3, 2.3, 3.4])
def test_beyond_the_border_an_image_is_its_mirror_image(dims, pixels):
    side = 12
    images = torch.rand(1, 1, *[side] * dims, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mirrored = images
    for axis in range(2, 2 + dims):
        mirrored = torch.cat([mirrored.flip(axis), mirrored, mirrored.flip(axis)], axis)
    grid = grid_of(images, 2 * pixels / side)
    inner = (slice(None), slice(None), *[slice(side, 2 * side)] * dims)
    whole = resample_finely(mirrored, grid_of(mirrored, 2 * pixels / (3 * side)))[inner]
    assert torch.allclose(resample_finely(images, grid), whole, atol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_what_was_first_sampled_in_another_mode_of_torch_is_sampled_in_a_training_as_well(dims):
    warping._doubling.cache_clear()
    warping._enlarging.cache_clear()
    with odd_torch():
        enlarge(torch.ones(1, 1, *[4] * dims, dtype=torch.float32), 9)
        resample_finely(torch.ones(1, 1, *[9] * dims, dtype=torch.float32), torch.zeros(1, *[9] * dims, dims).float())
    control = torch.ones(1, 1, *[4] * dims, requires_grad=True)
    images = enlarge(control, 9)
    assert images.dtype == torch.float32
    resample_finely(images, torch.zeros(1, *[9] * dims, dims)).sum().backward()
    assert control.grad.sum() == pytest.approx(9**dims, rel=1e-3)
