import numpy as np
import pytest

from augmentor.evaluation.sides import Side, Sides
from augmentor.evaluation.usefulness import measure_usefulness
from augmentor.model.features import Embedder, texture_features
from tests.evaluation.made import make_sides

TEXTURE = Embedder("texture", texture_features)


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


def test_one_real_patient_can_not_be_cross_validated():
    sides = make_sides()
    one = [Side(s.images, s.labels, np.zeros(len(s), np.int64)) for s in (sides.training, sides.held_out)]
    found = measure_usefulness(Sides(sides.synthetic, *one, known=False), TEXTURE, np.zeros(120, np.int64))
    assert found.real_or_synthetic_auc["value"] is None
