"""The classic augmentation, seen on pictures of a few dots whose places tell how they were moved."""

import math
from functools import cache

import pytest
import torch

from augmentor.training.classic import classic

COUNT = {2: 200, 3: 60}
SIDE = {2: 32, 3: 24}
SEEN = 0.85  # from the middle: what is mirrored in at the edges is none of the dots
WIDTH = 0.08  # of a dot, where the image's half is 1
PLACES = {dims: 0.2 * torch.cat([torch.zeros(1, dims), torch.eye(dims)]) for dims in (2, 3)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def axes(dims):
    """(S, ..., dims): where each pixel is, x first, from -1 to 1."""
    line = (torch.arange(SIDE[dims]) * 2 + 1) / SIDE[dims] - 1
    return torch.stack(torch.meshgrid(*[line] * dims, indexing="ij")[::-1], -1)


def dots(dims):
    """(1, dims + 1, S, ...): a dot in each channel, none in line with the others."""
    away = axes(dims)[None] - PLACES[dims].reshape(dims + 1, *[1] * dims, dims)
    return torch.exp(-away.square().sum(-1) / (2 * WIDTH**2))[None]


@cache
def moves(dims):
    """(N, dims, dims) and (N, dims): the matrices and shifts by which the dots were moved."""
    moved = classic(dots(dims).repeat(COUNT[dims], 1, *[1] * dims), generator()) * (axes(dims).norm(dim=-1) < SEEN)
    weights = moved / moved.sum(dim=tuple(range(2, dims + 2)), keepdim=True)
    places = torch.einsum("nc...,...d->ncd", weights, axes(dims))
    known = torch.cat([PLACES[dims], torch.ones(dims + 1, 1)], 1)
    found = torch.linalg.solve(known, places)
    return found[:, :dims].mT, found[:, dims]


@pytest.mark.parametrize("dims", [2, 3])
def test_lesions_are_zoomed_from_four_fifths_to_six_fifths_and_never_sheared(dims):
    turned, _ = moves(dims)
    zoom = turned.det().abs() ** (1 / dims)
    assert math.exp(-0.21) < zoom.min() < math.exp(-0.15)
    assert math.exp(0.15) < zoom.max() < math.exp(0.21)
    assert torch.allclose(turned.mT @ turned, zoom.square()[:, None, None] * torch.eye(dims), atol=0.05)


@pytest.mark.parametrize("dims", [2, 3])
def test_every_second_lesion_is_mirrored(dims):
    turned, _ = moves(dims)
    assert 0.35 < (turned.det() < 0).float().mean() < 0.65


def test_images_are_turned_by_any_angle():
    turned, _ = moves(2)
    counts = torch.histc(torch.atan2(turned[:, 1, 1], turned[:, 1, 0]), 8, -math.pi, math.pi)
    assert counts.min() > COUNT[2] / 8 / 2


@pytest.mark.parametrize("dims", [2, 3])
def test_lesions_are_shifted_by_a_tenth_of_their_side_at_most(dims):
    turned, shifts = moves(dims)
    before = torch.linalg.solve(turned, shifts) / 2  # of the lesion as it was, in sides
    assert before.abs().max() < 0.11
    assert (before.amax(0) > 0.08).all()
    assert (before.amin(0) < -0.08).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_the_same_seed_moves_alike_and_values_stay_in_range(dims):
    images = torch.where(torch.rand(6, 2, *[16] * dims, generator=generator()) < 0.5, -1.0, 1.0)
    moved = classic(images, generator(1))
    assert moved.shape == images.shape
    assert moved.abs().max() <= 1
    assert torch.equal(moved, classic(images, generator(1)))
    assert not torch.equal(moved, classic(images, generator(2)))
