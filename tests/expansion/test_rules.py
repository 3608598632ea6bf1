import numpy as np
import pytest
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from augmentor.expansion.labels import LabelCheck
from augmentor.expansion.rules import Realism, Synthetic, TextureRules, covering_order, fit_realism, fit_texture_rules
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


def test_strict_limits_are_tighter_than_light_ones():
    light, strict = (fit_texture_rules(IMAGES, TARGETS, PATIENTS, level) for level in ("light", "strict"))
    assert strict.farthest < light.farthest
    assert light.least <= 0.25 < strict.least == 0.5


def test_the_limits_are_percentiles_of_what_training_lesions_reach():
    hundred = np.arange(101) / 100
    realism = Realism(StandardScaler(), [], np.ones(2), 2 * hundred)
    for own, level, least, farthest in (
        (hundred, "light", 0.01, 1.98 * 1.1),
        (hundred, "strict", 0.5, 1.9),
        (np.full(101, 0.9), "light", 0.25, 1.98 * 1.1),  # classes that are told apart: half of chance
    ):
        rules = TextureRules(LabelCheck(np.empty(0), [], 2, own), realism, level)
        assert (rules.least, rules.farthest) == pytest.approx((least, farthest))


class _Undecided:
    """A member for three classes that is never sure."""

    def probabilities(self, features):
        return np.tile([0.40, 0.35, 0.25], (len(features), 1))


@pytest.mark.parametrize(("level", "refused"), [("light", [0, 0, 0]), ("strict", [0, 1, 1])])
def test_a_strict_screen_refuses_a_lesion_that_another_class_has_more_of(level, refused):
    """Beyond chance, which is a third, is the second class too."""
    labels = LabelCheck(np.zeros((1, 80), np.int64), [[_Undecided()]], 3, np.ones(80))
    realism = fit_realism(texture_features(IMAGES), np.arange(80) % 3)
    rules = TextureRules(labels, realism, level)
    for target, expected in enumerate(refused):
        lesion = Synthetic("a", 0, IMAGES[target])
        rules.judge([lesion], np.zeros(1, np.int64), target)
        assert lesion.rule == ("label" if expected else None)


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
