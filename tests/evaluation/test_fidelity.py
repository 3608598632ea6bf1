from dataclasses import replace

import numpy as np
import pytest

from augmentor.evaluation.fidelity import COUNTED, MEASURES, _augmented, measure_fidelity
from augmentor.evaluation.sides import Sides
from augmentor.measures import coverage, standardise
from augmentor.model.features import Embedder, texture_features
from tests.evaluation.made import make_side, make_sides

TEXTURE = Embedder("texture", texture_features)


def quiet(_done, _note):
    pass


def noise_like(side):
    images = np.random.default_rng(0).uniform(-1, 1, side.images.shape)
    return replace(side, images=images.astype(np.float32))


@pytest.fixture(scope="module")
def found():
    return measure_fidelity(make_sides(), [TEXTURE], quiet)


def test_all_sides_have_one_shape(found):
    for scores in (found.spaces, found.augmented, found.floor, found.training):
        assert scores["texture"].keys() == {"plain", "striped", "mean"}
        for measured in scores["texture"].values():
            assert measured.keys() == {*MEASURES, *COUNTED, "kid_low", "kid_high"}


def test_lesions_of_the_same_distribution_score_like_the_floor(found):
    for measure in ("mmd", "coverage", "precision", "recall"):
        synthetic, floor = (side["texture"]["mean"][measure] for side in (found.spaces, found.floor))
        assert synthetic == pytest.approx(floor, abs=0.15)
    mean = found.spaces["texture"]["mean"]
    assert mean["kid_low"] < 0 < mean["kid_high"]


def test_augmented_training_lesions_score_between_the_floor_and_another_kind():
    sides = make_sides()
    found = measure_fidelity(replace(sides, synthetic=noise_like(sides.synthetic)), [TEXTURE], quiet)
    of_each = (found.floor, found.augmented, found.spaces)
    floor, augmented, noise = (side["texture"]["mean"]["mmd"] for side in of_each)
    assert floor < augmented < noise


def test_every_training_lesion_is_augmented_equally_often_whatever_its_class():
    training = make_side().rows(np.r_[0:40, 40:47])
    views = _augmented(training)
    for label in np.unique(training.labels):
        times = [views.paths.count(path) for path in np.array(training.paths)[training.labels == label]]
        assert len(set(times)) == 1
        assert 100 < sum(times) < 300
    assert (views.groups == [training.groups[training.paths.index(path)] for path in views.paths]).all()
    assert len(np.unique(views.images, axis=0)) == len(views)


def test_lesions_of_another_kind_score_worse():
    sides = make_sides()
    found = measure_fidelity(Sides(noise_like(sides.synthetic), *[sides.training] * 2), [TEXTURE], quiet)
    assert found.spaces["texture"]["mean"]["kid_low"] > found.floor["texture"]["mean"]["kid"]
    assert found.spaces["texture"]["mean"]["coverage"] == 0


def test_coverage_takes_no_more_synthetic_lesions_than_there_are_training_ones():
    sides = make_sides(per_class=200)
    found = measure_fidelity(sides, [TEXTURE], quiet).spaces["texture"]["plain"]["coverage"]
    made, theirs = (texture_features(s.images[s.labels == "plain"]) for s in (sides.synthetic, sides.held_out))
    both = np.concatenate([texture_features(s.images) for s in (sides.training, sides.held_out)])
    _, made, theirs = standardise(both, made, theirs)
    assert found < coverage(theirs, made)


def test_fid_is_there_only_where_a_class_outnumbers_the_features():
    few = Embedder("few", lambda images: texture_features(images)[:, :12])
    found = measure_fidelity(make_sides(), [few, TEXTURE], quiet).spaces
    assert "fid" in found["few"]["mean"]
    assert "fid" not in found["texture"]["mean"]


def test_a_class_with_one_held_out_lesion_is_left_out():
    sides = make_sides()
    held_out = make_side().rows(np.array([0, 40, 41, 42]))
    found = measure_fidelity(Sides(sides.synthetic, sides.training, held_out), [TEXTURE], quiet)
    assert found.spaces["texture"].keys() == {"striped", "mean"}
