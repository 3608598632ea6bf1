import numpy as np
import pytest

from augmentor.data.phantom import phantom_lesions
from augmentor.evaluation import mask_agreement as module
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
    held_out, theirs = pairs(1, 8, dims)
    synthetic, labels = pairs(2, 8, dims)
    found = mask_agreement(training, held_out, synthetic, labels, theirs)
    assert found.synthetic == pytest.approx(found.real, abs=0.2)
    assert found.swapped < found.synthetic - 0.05
    aside = np.roll(synthetic[1], 6, -1)
    assert mask_agreement(training, held_out, (synthetic[0], aside), labels, theirs).synthetic < found.synthetic - 0.15


class Bright:
    """Finds the lesion where the image is above 0."""

    def segment(self, image):
        return image[0] > 0


def test_a_class_counts_as_much_on_every_side_however_many_lesions_it_has(monkeypatch):
    """Masks of class a are where their images are bright, those of b nowhere near; c is not held out."""

    def some(labels):
        images = np.full((len(labels), 1, 8, 8), -1, np.float32)
        images[..., :4] = 1
        shown = (labels == "a")[:, None, None, None]
        return images, np.where(shown, images > 0, images < 0)

    monkeypatch.setattr(module, "_fit_segmenter", lambda *_: Bright())
    held_out, synthetic = np.array([*"aaaaaaaaab"]), np.array([*"aabbbbccc"])
    found = mask_agreement(some(held_out), some(held_out), some(synthetic), synthetic, held_out)
    assert (found.synthetic, found.real, found.swapped) == (0.5, 0.5, 0.5)


def test_dice_is_twice_the_overlap_over_both():
    one, other = np.zeros((2, 4), bool)
    assert dice(one, other) == 1
    one[:2], other[1:3] = True, True
    assert dice(one, other) == 0.5
    assert dice(one, ~one) == 0
