from dataclasses import replace

import numpy as np
import pytest

from augmentor.evaluation import usefulness
from augmentor.evaluation.sides import Side, Sides
from augmentor.evaluation.usefulness import measure_usefulness
from augmentor.model.features import FeatureSpace, texture_features
from tests.evaluation.made import make_sides

TEXTURE = FeatureSpace("texture", texture_features)
PIXELS = FeatureSpace("pixels", lambda images: images.reshape(len(images), -1))


def measure(sides):
    return measure_usefulness(sides, TEXTURE, np.arange(len(sides.synthetic)) % 40)


def test_lesions_like_the_real_ones_teach_as_much_and_are_not_told_from_them():
    found = measure(make_sides())
    assert found.tstr["value"] > 0.9
    assert found.trts["value"] > 0.9
    assert found.tstr["value"] == pytest.approx(found.trtr["value"], abs=0.08)
    assert found.real_or_synthetic_auc["value"] == pytest.approx(0.5, abs=0.12)


def test_wrong_labels_teach_nothing_and_are_not_recognised():
    sides = make_sides()
    labels = np.where(sides.synthetic.labels == "plain", "striped", "plain")
    found = measure(Sides(Side(sides.synthetic.images, labels, sides.synthetic.groups), sides.training, sides.held_out))
    assert found.tstr["value"] < 0.1
    assert found.trts["value"] < 0.1
    assert found.trtr["value"] > 0.9


def test_lesions_with_a_mark_are_told_from_real_ones():
    sides = make_sides()
    marked = sides.synthetic.images.copy()
    marked[:, :, ::2, ::2] += 0.1
    found = measure(Sides(Side(marked, sides.synthetic.labels, sides.synthetic.groups), sides.training, sides.held_out))
    assert found.real_or_synthetic_auc["low"] > 0.9


@pytest.fixture
def few_draws(monkeypatch):
    """Where only the value counts, its interval is told fast."""
    monkeypatch.setattr("augmentor.evaluation.intervals._DRAWS", 10)


@pytest.mark.usefixtures("few_draws")
def test_a_classifier_that_knows_a_real_lesion_is_not_asked_about_its_slight_warp():
    training, held_out, aside = np.random.default_rng(0).normal(size=(3, 80, 1, 8, 8))
    labels, groups = np.repeat(["plain", "striped"], 40), np.arange(80) // 2
    real, unseen = Side(training, labels, groups), Side(held_out, labels, groups)
    sides = Sides(Side(0.99 * training + 0.14 * aside, labels, np.arange(80)), real, unseen)  # of the same distribution
    grouped, torn = (
        measure_usefulness(sides, PIXELS, nearest).real_or_synthetic_auc["value"]
        for nearest in (groups, 1000 + np.arange(80))
    )
    assert grouped == pytest.approx(0.5, abs=0.1)
    assert torn < 0.35


@pytest.mark.usefixtures("few_draws")
def test_a_patients_number_on_one_side_says_nothing_of_the_other():
    sides = make_sides()
    renumbered = replace(sides, held_out=replace(sides.held_out, groups=sides.held_out.groups + 500))
    assert measure(renumbered) == measure(sides)


def test_one_real_patient_can_not_be_cross_validated():
    sides = make_sides()
    one = [Side(s.images, s.labels, np.zeros(len(s), np.int64)) for s in (sides.training, sides.held_out)]
    found = measure_usefulness(Sides(sides.synthetic, *one, known=False), TEXTURE, np.zeros(120, np.int64))
    assert found.real_or_synthetic_auc["value"] is None


def told_apart(monkeypatch, sides):
    """Which lesions are real, and the groups, of which the AUC of real and synthetic lesions is taken."""
    asked = []
    monkeypatch.setattr(usefulness, "auc", lambda *given: asked.append(given) or usefulness.UNKNOWN)
    measure_usefulness(sides, PIXELS, np.arange(len(sides.synthetic)) % 40)
    ((truth, _, groups),) = asked
    return truth, groups


def test_as_many_synthetic_lesions_are_told_apart_as_there_are_real_ones(monkeypatch):
    sides = make_sides(per_class=120)
    truth, _ = told_apart(monkeypatch, sides)
    assert len(sides.synthetic) > truth.sum() == (~truth).sum() == len(sides.training) + len(sides.held_out)


def test_a_patients_lesions_stay_together_in_the_interval_of_what_is_told_apart(monkeypatch):
    truth, groups = told_apart(monkeypatch, make_sides())
    assert np.unique(np.unique(groups[truth], return_counts=True)[1]).tolist() == [2]
    assert not set(groups[truth]) & set(groups[~truth])
