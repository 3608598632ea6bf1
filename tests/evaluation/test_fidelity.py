from dataclasses import replace

import numpy as np
import pytest

from augmentor.evaluation.fidelity import (
    COUNTED,
    DISTANCES,
    FID_CAVEAT,
    MEASURES,
    ONE_PATIENT,
    _augmented,
    _halves,
    caveats,
    measure_fidelity,
)
from augmentor.evaluation.sides import Side, Sides
from augmentor.measures import compare_kernels, coverage, drawn_rows, mean_kid_interval, mmd, standardise
from augmentor.model.features import FeatureSpace, texture_features
from tests.evaluation.made import make_side, make_sides

TEXTURE = FeatureSpace("texture", texture_features)
POINTS = FeatureSpace("points", lambda images: images[:, 0, 0, :2].astype(float))
RNG = np.random.default_rng(0)


def quiet(_done, _note):
    pass


def kid(*sets):
    return compare_kernels(*sets).kid


def noise_like(side):
    images = np.random.default_rng(0).uniform(-1, 1, side.images.shape)
    return replace(side, images=images.astype(np.float32))


def side_of(points, labels=None, groups=None):
    """Lesions whose features, by POINTS, are the points (N, 2); of one class, each a patient's only one."""
    images = np.zeros((len(points), 1, 8, 8), np.float32)
    images[:, 0, 0, :2] = points
    labels = np.array(["a"] * len(points)) if labels is None else np.array(labels)
    return Side(images, labels, np.arange(len(points)) if groups is None else groups)


def in_points(synthetic, training, held_out):
    found = measure_fidelity(Sides(synthetic, training, held_out), [POINTS], quiet)
    return found.spaces["points"], found.floor["points"]


def knot(x, y=0.0, count=6):
    """So many points within 0.01 of a place: more than a neighbourhood holds."""
    return np.array([x, y]) + RNG.uniform(-0.01, 0.01, (count, 2))


@pytest.fixture(scope="module")
def found():
    return measure_fidelity(make_sides(), [TEXTURE], quiet)


def test_all_sides_have_one_shape(found):
    bounds = {"kid_low", "kid_high"}  # which two halves with the same patients have none of
    for scores, ends in (
        (found.spaces, bounds),
        (found.augmented, bounds),
        (found.floor, bounds),
        (found.training, set()),
    ):
        assert scores["texture"].keys() == {"plain", "striped", "mean"}
        for measured in scores["texture"].values():
            assert measured.keys() == {*DISTANCES, *MEASURES, *COUNTED, *ends}


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
    few = FeatureSpace("few", lambda images: texture_features(images)[:, :12])
    found = measure_fidelity(make_sides(), [few, TEXTURE], quiet).spaces
    assert "fid" in found["few"]["mean"]
    assert "fid" not in found["texture"]["mean"]


def test_a_class_with_one_held_out_lesion_is_left_out():
    sides = make_sides()
    held_out = make_side().rows(np.array([0, 40, 41, 42]))
    found = measure_fidelity(Sides(sides.synthetic, sides.training, held_out), [TEXTURE], quiet)
    assert found.spaces["texture"].keys() == {"striped", "mean"}


def test_the_floor_asks_whether_training_lesions_lie_among_held_out_ones():
    training, held_out = np.concatenate([knot(0.5), knot(-0.5), knot(0, 0.5)]), knot(0.5, count=12)
    floor = in_points(side_of(training), side_of(training), side_of(held_out))[1]["a"]
    assert floor["precision"] == pytest.approx(1 / 3, abs=0.12)
    assert floor["recall"] > 0.8


def test_features_are_standardised_by_both_real_sides_and_one_that_hardly_varies_by_a_tenth_of_what_is_usual():
    training, held_out = RNG.normal(0.2, 0.1, (30, 2)), RNG.normal(-0.2, 0.3, (20, 2))
    training[:, 1], held_out[:, 1] = RNG.normal(0, 1e-4, 30), RNG.normal(0, 1e-4, 20)
    synthetic = RNG.normal(0, 0.2, (25, 2))
    mean, deviation = (f(np.concatenate([training, held_out]), axis=0) for f in (np.mean, np.std))
    assert deviation[1] < 0.01 * deviation[0]
    deviation[1] = 0.1 * np.median(deviation)
    expected = kid((held_out - mean) / deviation, (synthetic - mean) / deviation)
    found = in_points(side_of(synthetic), side_of(training), side_of(held_out))[0]["a"]["kid"]
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_halves_of_the_training_lesions_share_none_and_halve_each_class():
    training = make_side().rows(np.r_[0:40, 40:47])
    one, other = _halves(training)
    assert sorted([*one, *other]) == list(range(47))
    for label, count in (("plain", 40), ("striped", 7)):
        found = [int((training.labels[rows] == label).sum()) for rows in (one, other)]
        assert sorted(found) == [count // 2, count - count // 2]


def test_coverage_takes_as_many_synthetic_lesions_as_the_class_itself_has_training_ones():
    """Two of four knots, at best, where the class has two training lesions, however many another class has."""
    knots = np.concatenate([knot(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    real = np.concatenate([knots, knots])
    held_out = side_of(real, ["a"] * 24 + ["b"] * 24)
    synthetic = side_of(real[np.tile(np.arange(48), 2)], [*"a" * 24, *"b" * 24] * 2)
    training = side_of(real[np.r_[0, 6, 24:48]], ["a"] * 2 + ["b"] * 24)
    found = in_points(synthetic, training, held_out)[0]
    assert found["a"]["coverage"] <= 0.5
    assert found["b"]["coverage"] > 0.9


def test_the_interval_of_kid_is_by_patient_on_both_sides():
    ours, theirs = RNG.normal(0, 0.3, (2, 30, 2))
    training, held_out = side_of(ours, groups=np.arange(30) // 2), side_of(theirs, groups=np.arange(30) // 3)
    floor = in_points(training, training, held_out)[1]["a"]
    points = standardise(np.concatenate([ours, theirs]), theirs, ours)[1:]
    expected = mean_kid_interval([compare_kernels(*points, held_out.groups, training.groups)])
    assert (floor["kid_low"], floor["kid_high"]) == pytest.approx(expected, rel=1e-4)


def test_the_interval_of_the_mean_is_about_that_of_independent_classes_where_patients_own_one_each():
    labels = np.repeat(["a", "b"], 15)
    found = in_points(*[side_of(RNG.normal(0, 0.3, (30, 2)), labels) for _ in range(3)])[0]
    halves = [(found[name]["kid_high"] - found[name]["kid_low"]) / 2 for name in "ab"]
    half, middle = np.hypot(*halves) / 2, (found["a"]["kid"] + found["b"]["kid"]) / 2
    assert found["mean"]["kid_high"] - middle == pytest.approx(half, rel=0.1)
    assert middle - found["mean"]["kid_low"] == pytest.approx(half, rel=0.1)


def test_two_classes_of_the_same_patients_that_are_alike_are_no_surer_than_one():
    points = [RNG.normal(0, 0.3, (count, 2)) for count in (20, 30, 15)]
    labels = [np.repeat(["a", "b"], count) for count in (20, 30, 15)]
    twice = [np.tile(some, (2, 1)) for some in points]
    groups = [None, np.tile(np.arange(30) // 3, 2), np.tile(np.arange(15) // 3, 2)]
    found = in_points(*[side_of(*side) for side in zip(twice, labels, groups, strict=True)])[0]
    for name in ("kid", "kid_low", "kid_high"):
        assert found["mean"][name] == pytest.approx(found["a"][name])


def test_distances_are_by_patient_on_both_sides():
    ours, theirs = RNG.normal(0, 0.3, (2, 30, 2))
    training, held_out = side_of(ours, groups=np.arange(30) // 2), side_of(theirs, groups=np.arange(30) // 3)
    floor = in_points(training, training, held_out)[1]["a"]
    points = standardise(np.concatenate([ours, theirs]), theirs, ours)[1:]
    for measure in (kid, mmd):
        expected = measure(*points, held_out.groups, training.groups)
        assert floor[measure.__name__] == pytest.approx(expected, rel=1e-4)
        assert floor[measure.__name__] != pytest.approx(measure(*points), rel=1e-2)


def test_halves_of_the_same_patients_are_zero_apart_on_average():
    found = []
    for _ in range(40):
        own, each = RNG.normal(0, 0.3, (10, 1, 2)), RNG.normal(0, 0.1, (10, 4, 2))
        training = side_of((own + each).reshape(40, 2), groups=np.arange(40) // 4).rows(RNG.permutation(40))
        sides = Sides(side_of(RNG.normal(0, 0.3, (20, 2))), training, side_of(RNG.normal(0, 0.3, (20, 2))))
        found.append(measure_fidelity(sides, [POINTS], quiet).training["points"]["mean"]["mmd"])
    assert abs(np.mean(found)) < 3 * np.std(found) / 40**0.5


def test_a_class_of_one_held_out_patient_has_no_distance_and_the_mean_is_that_of_the_others():
    labels, groups = np.repeat(["a", "b"], 15), np.r_[np.arange(15) // 3, np.full(15, 9)]
    synthetic, training = (side_of(RNG.normal(0, 0.3, (30, 2)), labels) for _ in range(2))
    found = in_points(synthetic, training, side_of(RNG.normal(0, 0.3, (30, 2)), labels, groups))
    for side in found:
        assert np.isnan([side["b"][name] for name in DISTANCES]).all()
        assert all(side["mean"][name] == side["a"][name] for name in (*DISTANCES, "kid_low", "kid_high"))
        assert side["mean"]["coverage"] == pytest.approx((side["a"]["coverage"] + side["b"]["coverage"]) / 2)
    alone = in_points(synthetic, training, side_of(RNG.normal(0, 0.3, (30, 2)), labels, np.zeros(30, int)))[0]
    assert np.isnan([alone["mean"][name] for name in DISTANCES]).all()


def test_the_mean_distance_is_of_the_same_classes_on_every_side():
    labels, groups = np.repeat(["a", "b"], 15), np.r_[np.arange(15) // 3, np.full(15, 9)]
    synthetic, held_out = (side_of(RNG.normal(0, 0.3, (30, 2)), labels) for _ in range(2))
    for side in in_points(synthetic, side_of(RNG.normal(0, 0.3, (30, 2)), labels, groups), held_out):
        assert all(side["mean"][name] == side["a"][name] for name in DISTANCES)


@pytest.mark.parametrize("count", [12, 100])
def test_training_lesions_given_as_synthetic_reach_the_floor_however_many_they_are(count):
    training, held_out = (side_of(RNG.normal(0, 0.3, (300, 2)), groups=np.arange(300) // 3) for _ in range(2))
    made = training.rows(drawn_rows(300, count))
    synthetic, floor = in_points(replace(made, groups=np.arange(count)), training, held_out)
    for name in COUNTED:
        assert synthetic["a"][name] == floor["a"][name]


def test_coverage_takes_the_count_that_is_asked_for():
    training, held_out, synthetic = (side_of(RNG.normal(0, 0.3, (80, 2))) for _ in range(3))
    sides = Sides(synthetic, training, held_out)
    few, more = (measure_fidelity(sides, [POINTS], quiet, {"a": n}).spaces["points"]["a"] for n in (10, 60))
    assert few["coverage"] < more["coverage"]
    assert few["precision"] == more["precision"]


@pytest.mark.parametrize(("patients", "told"), [(1, [FID_CAVEAT, ONE_PATIENT]), (4, [FID_CAVEAT])])
def test_a_class_of_one_patient_is_told(patients, told):
    training, held_out, synthetic = (side_of(RNG.normal(0, 0.3, (20, 2))) for _ in range(3))
    sides = Sides(synthetic, training, replace(held_out, groups=np.arange(20) % patients))
    assert caveats(measure_fidelity(sides, [POINTS], quiet)) == told
