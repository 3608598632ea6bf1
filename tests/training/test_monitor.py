"""What the monitor says of a discriminator; its measures are tested where their arithmetic is."""

import numpy as np
import pytest
import torch

from augmentor.model.lesions import LoadedLesions
from augmentor.training.monitor import Monitor


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


class Shown(torch.nn.Module):
    """Makes the lesions that it is given, one after another."""

    latent_dim = 1

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
