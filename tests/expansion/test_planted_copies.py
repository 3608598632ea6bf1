"""The copy rule on phantom lesions: what it must refuse, and what it must let pass."""

import numpy as np
import pytest

from augmentor.data.intensity import intensity_of
from augmentor.data.phantom import CLASSES, phantom_lesions
from augmentor.data.readers import read_lesions
from augmentor.data.splits import groups
from augmentor.data.squares import load_images
from augmentor.expansion.screen import Screen
from augmentor.model.memorisation import make_copy_check
from tests.expansion.smuggled import DISGUISES, disguise, moved, refused


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
    return check.originals.distances(np.ascontiguousarray(images))[0] < check.threshold


@pytest.mark.parametrize("kind", DISGUISES.values(), ids=DISGUISES.keys())
def test_planted_copies_are_refused(planted, kind):
    assert np.concatenate([near(check, kind(training)) for check, training, _ in planted]).mean() >= 0.99


@pytest.mark.parametrize("turn", [12, 180])
def test_copies_that_were_moved_at_random_are_refused(planted, turn):
    """As far as `cgan` moves lesions; and by any angle, as it does where that is as like other patients' lesions."""
    rng, found = np.random.default_rng(0), []
    for check, training, _ in planted:
        moves = rng.uniform(-1, 1, (len(training), 4)) * [turn, 0.12, 2, 2]
        copies = [moved(x[None], a, np.exp(z), s)[0] for x, (a, z, *s) in zip(training, moves, strict=True)]
        found.append(near(check, np.stack(copies)))
    assert np.concatenate(found).mean() >= 0.97


@pytest.mark.parametrize("degrees", [12, 30])
def test_copies_that_were_moved_as_far_as_is_looked_for_in_every_way_are_refused(planted, degrees):
    found = [near(check, moved(training, degrees, 1.12, (2, 2))) for check, training, _ in planted]
    assert np.concatenate(found).mean() >= 0.94


def test_unseen_patients_lesions_pass_in_each_data_set(planted):
    assert max(near(check, unseen).mean() for check, _, unseen in planted) <= 0.05


def test_a_set_of_doubles_leaves_a_warning_in_what_is_told_of_the_screen(planted):
    check, training, _ = planted[0]
    doubles = np.concatenate([training, training])
    of_doubles = make_copy_check(doubles, range(len(doubles)), None)
    assert "Name the patients" in Screen(of_doubles).summary()["warning"]
    assert "warning" not in Screen(check).summary()


@pytest.fixture(params=["phantom", "brain tumours"])
def smuggled(request):
    """Training lesions, held-out ones and lesions of other patients: images, targets and patients of each."""
    if request.param == "phantom":
        drawn, more = phantom(40, 80, 0), phantom(180, 600, 2)
        mapping = intensity_of(float(drawn[0].min()), float(drawn[0].max()), drawn[0].dtype)
        training = ~np.isin(drawn[2], np.unique(drawn[2])[:8])
        sides = [tuple(part[rows] for part in drawn) for rows in (training, ~training)] + [more]
        return CLASSES, [(mapping.to_network(images), *rest) for images, *rest in sides]
    file = request.getfixturevalue("shared_data")("brain-mri-cheng-3class/index.csv")
    lesions = read_lesions(file, {"path": "roi", "patient": "run", "fold": "fold"})
    fold = lesions.table["fold"]
    of = [lesions.rows(fold.isin(names).to_numpy()) for names in (["1", "2"], ["3"], ["4", "5"])]
    chosen = [side.at_most(most, 0) for side, most in zip(of, (100, 40, None), strict=True)]
    return tuple(lesions.classes), [(load_images(s.paths, 64)[0], s.targets, groups(s)) for s in chosen]


@pytest.mark.slow
def test_two_hundred_copies_among_other_lesions_do_not_leave_and_five_hundred_of_other_patients_do(smuggled):
    """With the screen off, which refuses near-copies all the same."""
    classes, ((images, targets, patients), (held_out, *_), (samples, wanted, _)) = smuggled
    screen = Screen(make_copy_check(images, patients.tolist(), held_out))
    rng = np.random.default_rng(0)
    chosen, others = rng.choice(len(images), 200, replace=False), rng.permutation(len(samples))[:1800]
    mixed = rng.permutation(200 + len(others))
    stream = np.concatenate([disguise(images[chosen]), samples[others]])[mixed]
    found = refused(screen, classes, stream, np.concatenate([targets[chosen], wanted[others]])[mixed])
    assert np.mean([row in found for row in np.flatnonzero(mixed < 200)]) >= 0.99
    assert len(refused(screen, classes, samples[others[:500]], wanted[others[:500]])) <= 0.05 * 500
