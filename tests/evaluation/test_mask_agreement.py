import numpy as np
import pytest

from augmentor.data.phantom import phantom_lesions
from augmentor.evaluation.mask_agreement import dice, mask_agreement


def pairs(seed: int, per_class: int, dims: int):
    """Phantom lesions: images, masks and classes."""
    drawn = list(phantom_lesions(12, per_class, 32 if dims == 2 else 24, seed, dims))
    images = np.stack([x.image for x in drawn])[:, None]
    masks = np.stack([x.mask for x in drawn])[:, None]
    return (np.clip((images - 60) / 120, -1, 1).astype(np.float32), masks), np.array([x.label for x in drawn])


@pytest.mark.parametrize("dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_true_masks_agree_as_real_ones_do_and_those_of_other_lesions_do_not(dims):
    training, _ = pairs(0, 12, dims)
    held_out, _ = pairs(1, 8, dims)
    synthetic, labels = pairs(2, 8, dims)
    found = mask_agreement(training, held_out, synthetic, labels)
    assert found.synthetic == pytest.approx(found.real, abs=0.2)
    assert found.swapped < found.synthetic - 0.05
    aside = np.roll(synthetic[1], 6, -1)
    assert mask_agreement(training, held_out, (synthetic[0], aside), labels).synthetic < found.synthetic - 0.15


def test_dice_is_twice_the_overlap_over_both():
    one, other = np.zeros((2, 4), bool)
    assert dice(one, other) == 1
    one[:2], other[1:3] = True, True
    assert dice(one, other) == 0.5
    assert dice(one, ~one) == 0
