"""The copy rule on phantom lesions: what it must refuse, and what it must let pass."""

import numpy as np
import pytest

from augmentor.data.images import intensity_of
from augmentor.data.phantom import CLASSES, phantom_lesions
from augmentor.evaluation.memorisation import make_copy_check
from augmentor.expansion.rules import fit_texture_rules
from augmentor.expansion.screen import Screen
from tests.expansion.smuggled import DISGUISES, disguise, refused


def phantom(patients, per_class, seed):
    """Images, targets and patients."""
    drawn = list(phantom_lesions(patients, per_class, 64, seed))
    targets = np.array([CLASSES.index(x.label) for x in drawn])
    return np.stack([x.image for x in drawn])[:, None], targets, np.array([x.patient for x in drawn])


@pytest.fixture(scope="module")
def planted():
    """Three data sets: the check, the training lesions it was made from, and other patients' lesions, in [-1, 1]."""
    return [_planted(seed) for seed in (0, 2, 4)]


def _planted(seed):
    (images, _, patients), (unseen, *_) = phantom(18, 60, seed), phantom(18, 60, seed + 1)
    held_out = np.isin(patients, np.unique(patients)[:4])
    mapping = intensity_of(float(images.min()), float(images.max()), images.dtype)
    images, unseen = mapping.to_network(images), mapping.to_network(unseen)
    check = make_copy_check(images[~held_out], patients[~held_out].tolist(), images[held_out])
    return check, images[~held_out], unseen


def near(check, images):
    return check.distances(np.ascontiguousarray(images))[0] < check.threshold


@pytest.mark.parametrize("kind", DISGUISES.values(), ids=DISGUISES.keys())
def test_planted_copies_are_refused(planted, kind):
    assert np.concatenate([near(check, kind(training)) for check, training, _ in planted]).mean() >= 0.99


def test_unseen_patients_lesions_pass_in_each_data_set(planted):
    assert max(near(check, unseen).mean() for check, _, unseen in planted) <= 0.05


@pytest.mark.slow
def test_two_hundred_copies_among_two_thousand_lesions_do_not_leave_and_other_patients_lesions_do():
    images, targets, patients = phantom(40, 80, 0)
    samples, wanted, _ = phantom(180, 600, 2)
    mapping = intensity_of(float(images.min()), float(images.max()), images.dtype)
    images, samples = mapping.to_network(images), mapping.to_network(samples)
    training = ~np.isin(patients, np.unique(patients)[:8])
    check = make_copy_check(images[training], patients[training].tolist(), images[~training])
    screen = Screen(check, fit_texture_rules(images[training], targets[training], patients[training], "light"))
    rng = np.random.default_rng(0)
    chosen = rng.choice(np.flatnonzero(training), 200, replace=False)
    mixed = rng.permutation(2000)
    stream = np.concatenate([disguise(images[chosen]), samples])[mixed]
    found = refused(screen, CLASSES, stream, np.concatenate([targets[chosen], wanted])[mixed])
    copies = np.isin(mixed, np.arange(200))
    kept_back = np.isin(np.arange(2000), [row for row, rule in found.items() if rule in ("copy", "twin")])
    assert kept_back[copies].mean() >= 0.99
    assert kept_back[~copies][:500].mean() <= 0.05
