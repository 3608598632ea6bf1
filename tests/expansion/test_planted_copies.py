"""The copy rule on phantom lesions: what it must refuse, and what it must let pass."""

import numpy as np
import pytest

from augmentor.data.images import intensity_of
from augmentor.data.phantom import phantom_lesions
from augmentor.evaluation.memorisation import make_copy_check


def phantom(seed):
    drawn = list(phantom_lesions(18, 60, 64, seed))
    return np.stack([x.image for x in drawn])[:, None], np.array([x.patient for x in drawn])


def moved(images, down, across):
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    return padded[:, :, 2 + down : 66 + down, 2 + across : 66 + across]


DISGUISES = {
    "exact": lambda x: x,
    "mirrored": lambda x: x[..., ::-1],
    "turned by 90 degrees": lambda x: np.rot90(x, 1, (2, 3)),
    "shifted by 2 pixels": lambda x: moved(x, 2, -2),
    "with 2 % noise": lambda x: x + 0.04 * np.random.default_rng(2).standard_normal(x.shape, np.float32),
    "brighter": lambda x: np.clip(x + 0.2, -1, 1),
    "of more contrast": lambda x: np.clip(1.3 * x, -1, 1),
}


@pytest.fixture(scope="module")
def planted():
    """Three data sets: the check, the training lesions it was made from, and other patients' lesions, in [-1, 1]."""
    return [_planted(seed) for seed in (0, 2, 4)]


def _planted(seed):
    (images, patients), (unseen, _) = phantom(seed), phantom(seed + 1)
    held_out = np.isin(patients, np.unique(patients)[:4])
    mapping = intensity_of(float(images.min()), float(images.max()), images.dtype)
    images, unseen = mapping.to_network(images), mapping.to_network(unseen)
    check = make_copy_check(images[~held_out], patients[~held_out].tolist(), images[held_out])
    return check, images[~held_out], unseen


def refused(check, images):
    return check.distances(np.ascontiguousarray(images))[0] < check.threshold


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
def test_planted_copies_are_refused(planted, disguise):
    assert np.concatenate([refused(check, disguise(training)) for check, training, _ in planted]).mean() >= 0.99


def test_unseen_patients_lesions_pass_in_each_data_set(planted):
    assert max(refused(check, unseen).mean() for check, _, unseen in planted) <= 0.05
