import numpy as np
import pytest
from sklearn.metrics.pairwise import euclidean_distances

from augmentor.expansion.realism import covering_order, fit_realism
from augmentor.model.features import texture_features
from tests.expansion.fake import training_lesions

IMAGES, TARGETS, _ = training_lesions()
FRESH, FRESH_TARGETS, _ = training_lesions(60, seed=5)


def test_the_realism_of_unseen_real_lesions_is_about_one():
    realism = fit_realism(texture_features(IMAGES), TARGETS)
    measured = realism.measure(texture_features(FRESH[FRESH_TARGETS == 1]), 1)
    assert 0.8 <= np.median(measured) <= 1.25


def test_realism_is_leave_one_out_on_the_training_side():
    realism = fit_realism(texture_features(IMAGES), TARGETS)
    assert np.median(realism.ratios) == pytest.approx(1, abs=0.02)
    assert (realism.measure(texture_features(IMAGES[TARGETS == 0]), 0) <= realism.ratios[TARGETS == 0] + 1e-9).all()


def test_realism_is_the_distance_to_the_fifth_neighbour_in_what_is_typical():
    line = np.arange(7.0)[:, None]  # fifth neighbours are 5, 4, 3, 3, 3, 4 and 5 away, and 4 is typical
    realism = fit_realism(line, np.zeros(7, np.int64))
    assert realism.ratios == pytest.approx(np.array([5, 4, 3, 3, 3, 4, 5]) / 4)
    beside_the_last, far = realism.measure(np.array([[6 + 1e-6], [10.0]]), 0)
    assert beside_the_last == pytest.approx(4 / 4, abs=1e-5)  # the last one is the first of its five
    assert far == pytest.approx(8 / 4)


@pytest.mark.parametrize("lesions", [1, 2, 4])
def test_a_class_of_few_lesions_has_a_finite_realism(lesions):
    chosen = np.concatenate([np.flatnonzero(TARGETS == 0)[:lesions], np.flatnonzero(TARGETS == 1)])
    realism = fit_realism(texture_features(IMAGES[chosen]), TARGETS[chosen])
    assert np.isfinite(realism.measure(texture_features(FRESH[:5]), 0)).all()
    assert (realism.typical > 0).all()


@pytest.mark.parametrize("lesions", [1, 8])
@pytest.mark.parametrize("farther", [0.01, 1, 1000])
def test_a_class_of_one_lesion_or_of_equal_ones_is_measured_in_what_is_typical_of_the_others(lesions, farther):
    rng = np.random.default_rng(0)
    for _ in range(20):  # some distances of a lesion to itself are rounded to 0, others are not
        alone = np.repeat(farther * rng.normal(size=(1, 60)), lesions, axis=0)
        features = np.concatenate([rng.normal(size=(40, 60)), alone])
        typical = fit_realism(features, np.repeat([0, 1], [40, lesions])).typical
        assert typical[1] == typical[0]


def test_a_class_of_lesions_that_hardly_differ_is_measured_in_its_own_distances():
    spread, narrow = np.random.default_rng(0).normal(size=(2, 40, 60))
    typical = fit_realism(np.concatenate([spread, 1e-4 * narrow]), np.repeat([0, 1], 40)).typical
    assert typical[1] == pytest.approx(1e-4 * typical[0], rel=0.2)


def test_every_beginning_of_the_covering_order_covers_within_twice_the_best_radius():
    points = np.random.default_rng(0).normal(size=(12, 2))
    rows, gaps = covering_order(points, 12)
    distances = euclidean_distances(points)
    assert sorted(rows) == list(range(12))
    assert (np.diff(gaps) <= 1e-9).all()
    pairs = [(i, j) for i in range(12) for j in range(i)]
    best = min(np.minimum(distances[i], distances[j]).max() for i, j in pairs)
    assert distances[rows[:2]].min(0).max() <= 2 * best


def test_a_covering_order_of_equal_points_ends():
    rows, _ = covering_order(np.ones((5, 3)), 4)
    assert len(set(rows)) == 4
