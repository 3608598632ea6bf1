from functools import lru_cache

import numpy as np
import pytest

from augmentor.expansion import labels
from augmentor.expansion.labels import LabelCheck, fit_label_check
from augmentor.model.features import texture_features
from tests.expansion.fake import training_lesions

IMAGES, TARGETS, PATIENTS = training_lesions()
FEATURES = texture_features(IMAGES)


@lru_cache
def whole_check() -> LabelCheck:
    """Of all lesions, fitted once."""
    return fit_label_check(IMAGES, FEATURES, TARGETS, PATIENTS)


def test_unseen_lesions_agree_with_their_class():
    images, targets, _ = training_lesions(seed=5)
    nearest = np.arange(len(images)) % len(IMAGES)
    chances = whole_check().probabilities(texture_features(images), nearest)
    assert chances.sum(1) == pytest.approx(1)
    assert (chances.argmax(1) == targets).mean() > 0.9


def test_no_patient_is_on_both_sides_of_a_member():
    for parts in whole_check().parts:
        assert all(len(np.unique(parts[patient == PATIENTS])) == 1 for patient in PATIENTS)
        assert len(np.unique(parts)) == 3


def test_a_wrong_label_is_not_confirmed_by_the_lesion_that_brought_it():
    wrong = TARGETS.copy()
    wrong[:2] = 1  # both lesions of the first patient
    check = fit_label_check(IMAGES, FEATURES, wrong, PATIENTS)
    assert (check.own[:2] < 0.15).all()  # of members that have seen them: 0.3


def test_a_class_of_one_patient_is_still_known_to_every_member():
    chosen = np.concatenate([np.flatnonzero(TARGETS == 0)[:2], np.flatnonzero(TARGETS == 1)])
    check = fit_label_check(IMAGES[chosen], FEATURES[chosen], TARGETS[chosen], PATIENTS[chosen])
    assert check.probabilities(FEATURES[:3], np.zeros(3, np.int64)).shape == (3, 2)


def test_one_patient_alone_can_be_judged():
    check = fit_label_check(IMAGES, FEATURES, TARGETS, np.zeros(len(IMAGES), np.int64))
    assert check.own.shape == (80,)


def test_the_check_is_the_same_every_time():
    again = fit_label_check(IMAGES, FEATURES, TARGETS, PATIENTS)
    assert (again.own == whole_check().own).all()


def test_lesions_that_are_asked_for_again_are_fitted_once_and_others_anew(monkeypatch):
    asked = []
    monkeypatch.setattr(labels, "fit_label_check", lambda *given: asked.append(given) or len(asked))
    monkeypatch.setattr(labels, "_LAST", {})
    given = (IMAGES, FEATURES, TARGETS, PATIENTS)
    others = [
        (-IMAGES, FEATURES, TARGETS, PATIENTS),
        (IMAGES, FEATURES, 1 - TARGETS, PATIENTS),
        (IMAGES, FEATURES, TARGETS, PATIENTS // 2),
    ]
    asked_for = [given, given, *(each for other in others for each in (other, given))]
    assert [labels.label_check_of(*each) for each in asked_for] == [1, 1, 2, 3, 4, 5, 6, 7]
    assert labels.label_check_of(*given[:3], PATIENTS.astype(str)) == 8  # in another order of patients
    assert labels.label_check_of(IMAGES.copy(), *given[1:3], PATIENTS.astype(str)) == 8
    assert len(labels._LAST) == 1


@pytest.mark.parametrize("classes", [2, 3])
def test_a_member_answers_as_the_soft_vote_of_its_two_classifiers(classes):
    targets = np.arange(len(FEATURES)) % classes
    for members in fit_label_check(IMAGES, FEATURES, targets, np.arange(len(targets))).members:
        for member in members:
            logistic = member.logistic.predict_proba(member.scaler.transform(FEATURES))
            expected = (logistic + member.forest.predict_proba(FEATURES)) / 2
            np.testing.assert_allclose(member.probabilities(FEATURES), expected, atol=1e-12)
