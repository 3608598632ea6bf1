"""What the monitor says of a discriminator; its measures are tested where their arithmetic is."""

import numpy as np
import pytest
import torch

from augmentor.measures import LEAST_DEVIATION, coverage, drawn_rows, mmd, standardise
from augmentor.model.lesions import LoadedLesions
from augmentor.model.memorisation import make_copy_check
from augmentor.training import monitor as module
from augmentor.training.monitor import Monitor, _auc


class Judge(torch.nn.Module):
    """Takes bright images for real."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images, _labels, _sides=None):
        return self.weight * images.mean((1, 2, 3))


class Dim(torch.nn.Module):
    """Makes images of about 0."""

    latent_dim = 16 * 16
    secret = 0

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, latents, _labels):
        return self.weight * latents.view(-1, 1, 16, 16) / 10, None

    def sides_mm(self, _latents, _labels):
        return None


def side(brightness, count=40):
    noise = torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(0)) / 10
    return LoadedLesions((noise + brightness).clamp(-1, 1), torch.arange(count) % 2)


@pytest.mark.parametrize(
    ("train", "held_out", "by_heart"),
    [(0.0, 0.0, False), (0.5, 0.5, False), (0.5, 0.0, True), (0.5, -0.5, True), (0.0, 0.5, False)],
)
def test_by_heart_is_to_tell_training_lesions_and_not_held_out_ones(train, held_out, by_heart):
    snapshot = Monitor(side(train), side(held_out), 0).measure(Dim(), Judge())
    assert snapshot.by_heart == by_heart


@pytest.mark.parametrize(("train", "by_heart"), [(0.0, False), (0.5, True)])
def test_where_nothing_is_held_out_the_training_lesions_alone_tell(train, by_heart):
    snapshot = Monitor(side(train), None, 0).measure(Dim(), Judge())
    assert (snapshot.by_heart, snapshot.mmd, snapshot.discrimination_held_out) == (by_heart, None, None)


def test_few_held_out_lesions_must_differ_more():
    """An AUC of three lesions is far from 0.5 by chance."""
    monitor = Monitor(side(0.0), side(0.0, 3), 0)
    assert not monitor._by_heart(0.9, 0.5)
    assert Monitor(side(0.0), side(0.0, 300), 0)._by_heart(0.9, 0.5)


@pytest.mark.parametrize("sizes", [(45, 1, 1, 1, 1, 1), (90, 5, 5)])
def test_lesions_of_one_patient_count_as_one_for_chance(sizes):
    """One patient's lesions look one way: their AUC is far from 0.5 by chance, however many they are."""
    held_out, patients = side(0.0, sum(sizes)), np.repeat(np.arange(len(sizes)), sizes)
    alone = Monitor(side(0.0), held_out, 0)
    assert alone._by_heart(0.9, 0.5)
    assert not Monitor(side(0.0), held_out, 0, held_out_patients=patients)._by_heart(0.9, 0.5)
    assert not Monitor(held_out, side(0.0), 0, patients=patients)._by_heart(0.9, 0.5)
    each = Monitor(side(0.0), held_out, 0, 0, np.arange(40), np.arange(len(patients)))
    for told in np.linspace(0.5, 1, 101):
        assert each._by_heart(told, 0.5) == alone._by_heart(told, 0.5)


def test_patients_with_many_lesions_raise_no_false_alarm():
    """Nothing is known by heart, of 20 training and 6 held-out patients, one of whom has 45 lesions of 50."""
    rng = np.random.default_rng(0)
    sizes, alarms = (45, 1, 1, 1, 1, 1), {"patients": 0, "lesions": 0}
    train, held_out = (
        LoadedLesions(s.images, torch.zeros(len(s.labels), dtype=torch.long)) for s in (side(0.0, 100), side(0.0, 50))
    )
    ours, theirs = np.repeat(np.arange(20), 5), np.repeat(np.arange(6), sizes)
    by_patient = Monitor(train, held_out, 0, 0, ours, theirs)
    by_lesion = Monitor(train, held_out, 0)
    synthetic = rng.normal(size=64)
    for _ in range(400):
        told = [
            _auc(rng.normal(size=len(set(whose)))[whose] * 0.6**0.5 + rng.normal(size=len(whose)) * 0.4**0.5, synthetic)
            for whose in (ours, theirs)
        ]
        alarms["patients"] += by_patient._by_heart(*told)
        alarms["lesions"] += by_lesion._by_heart(*told)
    assert alarms["patients"] <= 10
    assert alarms["lesions"] > 30


class Levels(torch.nn.Module):
    """Takes class 1 for real, whatever the image is."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images, labels, _sides=None):
        return self.weight * (10 * labels + images.mean((1, 2, 3)))


def mixed(ones, brightness=0.0):
    """40 lesions, so many of them of class 1."""
    return LoadedLesions(side(brightness).images, (torch.arange(40) < ones).long())


def test_how_often_a_class_occurs_is_nothing_known_by_heart():
    snapshot = Monitor(mixed(36), mixed(4), 0).measure(Dim(), Levels())
    assert (snapshot.discrimination_train, snapshot.discrimination_held_out) == pytest.approx((0.5, 0.5), abs=0.2)
    assert not snapshot.by_heart
    assert Monitor(mixed(36, 0.5), mixed(4), 0).measure(Dim(), Levels()).by_heart


def test_a_class_that_is_not_held_out_is_not_compared():
    """Class 1 alone is known by heart, but nothing held out says what can be told of it."""
    train = mixed(20)
    train.images[:20] += 0.5
    snapshot = Monitor(train, mixed(0), 0).measure(Dim(), Levels())
    assert not snapshot.by_heart
    assert (snapshot.discrimination_train, snapshot.discrimination_held_out) == pytest.approx((0.5, 0.5), abs=0.2)
    assert Monitor(train, mixed(20), 0).measure(Dim(), Levels()).discrimination_train > 0.7


class Shown(torch.nn.Module):
    """Makes the lesions that it is given, one after another."""

    latent_dim = 1
    secret = 0

    def __init__(self, images):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.images = images

    def forward(self, latents, _labels):
        rows = torch.arange(len(latents)) % len(self.images)
        return self.weight * self.images[rows], None

    def sides_mm(self, _latents, _labels):
        return None


@pytest.mark.parametrize("begun", [True, False])
def test_more_near_copies_than_before_training_are_known_by_heart_whatever_the_discriminator_says(begun):
    train, held_out, others = side(0.0), side(0.0, 30), side(0.0, 64).images.flip(-1).roll(5, -2)
    monitor = Monitor(train, held_out, 0)
    if begun:  # as a resumed fit does
        monitor.begin_at(Shown(others))
    else:
        before = monitor.measure(Shown(others), Judge())
        assert (before.by_heart, before.near_copies < 0.2) == (False, True)
    after = monitor.measure(Shown(train.images), Judge())
    assert (after.by_heart, after.near_copies) == (True, 1.0)


def test_as_many_near_copies_as_before_training_are_not():
    monitor = Monitor(side(0.0), side(0.0, 30), 0)
    monitor.begin_at(Shown(side(0.0).images))
    snapshot = monitor.measure(Shown(side(0.0).images), Judge())
    assert (snapshot.by_heart, snapshot.near_copies) == (False, 1.0)


def test_near_copies_of_which_as_many_are_gone_as_have_come_are_no_more_than_before():
    near, far = side(0.0).images, side(0.0, 80).images[40:].flip(-1).roll(5, -2)
    before, after = torch.cat([near[:20], far[:20]]), torch.cat([far[:20], near[:20]])
    monitor = Monitor(side(0.0), side(0.0, 30), 0)
    monitor.begin_at(Shown(before))
    assert not monitor.measure(Shown(after), Judge()).by_heart


@pytest.mark.parametrize("most", [10, 1000])
def test_near_copies_are_looked_for_with_each_lesions_own_patient_and_the_held_out_lesions(monkeypatch, most):
    asked, train, held_out, patients = [], side(0.0), side(0.2, 10), np.arange(40) // 2
    monkeypatch.setattr(module, "_MOST_COMPARED", most)
    monkeypatch.setattr(module, "make_copy_check", lambda *given: asked.append(given) or make_copy_check(*given))
    Monitor(train, held_out, 0, patients=patients)
    ((images, names, others),) = asked
    assert len(images) == len(names) == min(most, 40)
    equal = (images[:, None] == train.images.numpy()[None]).all((2, 3, 4))
    assert (patients[equal.argmax(1)] == names).all()
    np.testing.assert_array_equal(others, held_out.images.numpy())


def test_a_class_of_one_training_lesion_has_no_floor_and_ends_no_fit():
    one = side(0.0, 4)
    train = LoadedLesions(one.images, torch.tensor([0, 0, 0, 1]))
    found = Monitor(train, side(0.1), 0).floor()
    assert found["mmd"] is not None


def test_a_feature_that_few_held_out_lesions_hardly_show_does_not_decide(monkeypatch):
    """Three held-out lesions a class agree in the last feature by chance; the training lesions vary in it."""
    drawn = np.random.default_rng(0)
    ours, near = drawn.normal(size=(40, 20)), drawn.normal(size=(128, 20))
    theirs = drawn.normal(size=(6, 20))
    theirs[:, -1] = 0.001 * theirs[:, -1]
    far = near * np.where(np.arange(20) < 19, 1.5, 0.01)  # farther from other patients in all features but the last
    found = {len(ours): ours, len(theirs): theirs}
    monkeypatch.setattr(Monitor, "_features", lambda _, images: found[len(images)])
    monitor = Monitor(side(0.0, len(ours)), side(0.0, len(theirs)), 0)
    labels = np.arange(128) % 2
    distances = [monitor._compare(features, labels)[0] for features in (near, far)]
    assert distances[0] < distances[1]


def monitor_of(monkeypatch, ours, theirs, patients=None, held_out_patients=None):
    """Of one class, whose features are these."""
    found = {len(ours): ours, len(theirs): theirs}
    monkeypatch.setattr(Monitor, "_features", lambda _, images: found[len(images)])
    sides = (LoadedLesions(side(0.0, len(s)).images, torch.zeros(len(s), dtype=torch.long)) for s in (ours, theirs))
    return Monitor(*sides, 0, 0, patients, held_out_patients)


@pytest.mark.parametrize("count", [30, 200])
def test_coverage_of_the_floor_and_of_snapshots_is_of_as_many_lesions(monkeypatch, count):
    """64, or as many as there are training lesions: lesions of the training lesions' law do not look less covering."""
    rng = np.random.default_rng(0)
    ours, theirs, made = (rng.normal(size=(n, 3)) for n in (count, 50, 64))
    monitor = monitor_of(monkeypatch, ours, theirs)
    _, real, training, synthetic = standardise(
        np.concatenate([ours, theirs]), theirs, ours, made, least=LEAST_DEVIATION
    )
    most = min(count, 64)
    assert monitor.floor()["coverage"] == coverage(real, training[drawn_rows(count, most)])
    assert monitor._compare(made, np.zeros(64))[1] == coverage(real, synthetic[drawn_rows(64, most)])


def test_held_out_mmd_is_by_patient_on_both_sides(monkeypatch):
    rng = np.random.default_rng(0)
    ours, theirs, made = (rng.normal(size=(n, 3)) for n in (30, 20, 64))
    whose, their = np.arange(30) // 3, np.arange(20) // 4
    monitor = monitor_of(monkeypatch, ours, theirs, whose, their)
    _, real, training, synthetic = standardise(
        np.concatenate([ours, theirs]), theirs, ours, made, least=LEAST_DEVIATION
    )
    assert monitor.floor()["mmd"] == mmd(real, training, their, whose)
    assert monitor._compare(made, np.zeros(64))[0] == mmd(real, synthetic, their)


def test_a_class_of_one_held_out_patient_has_no_mmd_but_coverage(monkeypatch):
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    found = monitor_of(monkeypatch, ours, theirs, held_out_patients=np.zeros(20)).floor()
    assert found["mmd"] is None
    assert found["coverage"] is not None


def test_lesions_that_are_another_patients_as_well_are_told_by_their_files():
    lesions = side(0.0)
    training, held_out = [f"train{i}.png" for i in range(40)], [f"held-out{i}.png" for i in range(10)]
    others = LoadedLesions(side(0.0, 50).images[40:], torch.arange(10) % 2)
    assert Monitor(lesions, others, 0).warning(training, held_out) is None
    lesions.images[7] = lesions.images[23] + 0.001
    told = Monitor(lesions, others, 0).warning(training, held_out)
    assert told is not None
    assert "(train7.png and train23.png)" in told
