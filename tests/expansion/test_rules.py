import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from augmentor.expansion.labels import LabelCheck
from augmentor.expansion.realism import Realism, fit_realism
from augmentor.expansion.rules import Synthetic, TextureRules, fit_texture_rules
from augmentor.model.features import texture_features
from tests.expansion.fake import training_lesions

IMAGES, TARGETS, PATIENTS = training_lesions()
FRESH, _, _ = training_lesions(60, seed=5)


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
