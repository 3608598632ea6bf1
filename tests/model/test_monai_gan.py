"""MONAI's own networks behind our ranges: lesions in (-1, 1), theirs in (0, 1)."""

import pytest
import torch

from augmentor.model.monai_gan import MonaiDiscriminator, MonaiGenerator


@pytest.mark.parametrize(("size", "dims"), [(64, 2), (28, 2), (16, 3)])
def test_lesions_lie_in_the_range_of_the_others_and_use_both_its_halves(size, dims):
    made = MonaiGenerator(size, 1, 8, dims)(40 * torch.randn(8, 100))
    assert made.shape == (8, 1, *[size] * dims)
    assert -1 <= made.min() < 0 < made.max() <= 1


def test_the_discriminator_is_shown_what_the_tutorials_is():
    """Images in (0, 1): one that is black all over, -1 here, is 0 there."""
    seen = []
    discriminator = MonaiDiscriminator(28, 1, 4).eval()
    discriminator.network.register_forward_pre_hook(lambda _network, given: seen.append(given[0]))
    assert discriminator(torch.full((3, 1, 28, 28), -1.0)).shape == (3,)
    discriminator(torch.ones(3, 1, 28, 28))
    assert [float(x.mean()) for x in seen] == [0.0, 1.0]
