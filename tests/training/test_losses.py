import math

import pytest
import torch

from augmentor.training.losses import (
    anchor_penalty,
    class_loss,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)


def test_at_the_equilibrium_the_losses_are_those_of_guessing():
    guess = torch.zeros(5)
    assert discriminator_loss(guess, guess).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(guess).item() == pytest.approx(math.log(2))


def test_a_class_that_is_guessed_costs_the_logarithm_of_their_number_and_a_sure_one_nothing():
    labels = torch.tensor([0, 3, 2])
    assert class_loss(torch.zeros(3, 4), labels).item() == pytest.approx(math.log(4))
    assert class_loss(20 * torch.eye(4)[labels], labels) < 0.001


def test_r1_of_a_linear_discriminator_is_the_squared_length_of_its_weights():
    weights = torch.randn(1, 4, 4)
    images = torch.randn(3, 1, 4, 4, requires_grad=True)
    penalty = r1_penalty(images, (images * weights).sum((1, 2, 3)))
    assert penalty.item() == pytest.approx(weights.square().sum().item(), rel=1e-5)


def test_the_anchor_forgives_texture_and_not_shape():
    start = torch.zeros(2, 1, 16, 16)
    checkers = (torch.arange(16)[:, None] + torch.arange(16)[None]) % 2 * 2.0 - 1
    assert anchor_penalty(start + checkers, start).item() == pytest.approx(0)
    assert anchor_penalty(start + 0.5, start).item() == pytest.approx(0.5)
