import numpy as np
import pytest
from sklearn.metrics.pairwise import euclidean_distances

from augmentor.expansion.rules import Synthetic, covering_order, fit_realism, fit_texture_rules
from augmentor.model.features import texture_features
from tests.expansion.fake import training_lesions

IMAGES, TARGETS, PATIENTS = training_lesions()
FRESH, FRESH_TARGETS, _ = training_lesions(60, seed=5)


def test_the_realism_of_unseen_real_lesions_is_about_one():
    realism = fit_realism(texture_features(IMAGES), TARGETS)
    measured = realism.measure(texture_features(FRESH[FRESH_TARGETS == 1]), 1)
    assert 0.8 <= np.median(measured) <= 1.25


def test_realism_is_leave_one_out_on_the_training_side():
    realism = fit_realism(texture_features(IMAGES), TARGETS)
    assert np.median(realism.ratios) == pytest.approx(1, abs=0.02)
    assert (realism.measure(texture_features(IMAGES[TARGETS == 0]), 0) <= realism.ratios[TARGETS == 0] + 1e-9).all()


@pytest.mark.parametrize("lesions", [1, 2, 4])
def test_a_class_of_few_lesions_has_a_finite_realism(lesions):
    chosen = np.concatenate([np.flatnonzero(TARGETS == 0)[:lesions], np.flatnonzero(TARGETS == 1)])
    realism = fit_realism(texture_features(IMAGES[chosen]), TARGETS[chosen])
    assert np.isfinite(realism.measure(texture_features(FRESH[:5]), 0)).all()
    assert (realism.typical > 0).all()


def test_strict_limits_are_tighter_than_light_ones():
    light, strict = (fit_texture_rules(IMAGES, TARGETS, PATIENTS, level) for level in ("light", "strict"))
    assert strict.farthest < light.farthest
    assert light.least <= 0.25 < strict.least == 0.5


def test_a_lesion_that_is_not_of_numbers_does_not_pass():
    broken = Synthetic("a", 0, np.full_like(FRESH[0], np.nan))
    with np.errstate(invalid="ignore"):
        fit_texture_rules(IMAGES, TARGETS, PATIENTS, "label").judge([broken], np.zeros(1, np.int64), 0)
    assert broken.rule == "label"


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
