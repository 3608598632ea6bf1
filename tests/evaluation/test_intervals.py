import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from augmentor.evaluation import intervals
from augmentor.evaluation.intervals import auc, macro_sensitivity, share, share_over_patients

RNG = np.random.default_rng(0)


def test_a_share_has_wilsons_interval():
    found = share(np.arange(100) < 5)
    assert found["value"] == 0.05
    assert (found["low"], found["high"]) == pytest.approx((0.0215, 0.1118), abs=5e-4)


def test_macro_sensitivity_is_scikit_learns_and_its_interval_holds_it():
    truth, predicted = RNG.integers(0, 3, 90), RNG.integers(0, 3, 90)
    found = macro_sensitivity(truth, predicted, np.arange(90) // 3)
    assert found["value"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert found["low"] < found["value"] < found["high"]


def test_an_auc_is_scikit_learns_and_few_patients_widen_it():
    truth = np.repeat([True, False], 60)
    patients = np.arange(120) // 6
    scores = truth + RNG.normal(0, 1, 20)[patients]
    by_patient, by_lesion = auc(truth, scores, patients), auc(truth, scores, np.arange(120))
    assert by_patient["value"] == pytest.approx(roc_auc_score(truth, scores))
    assert by_patient["high"] - by_patient["low"] > by_lesion["high"] - by_lesion["low"]


def test_each_draws_auc_is_scikit_learns_of_lesions_drawn_more_than_once(monkeypatch):
    monkeypatch.setattr(intervals, "_DRAWS", 40)
    truth, patients = np.arange(60) % 3 == 0, np.arange(60) // 2
    scores = np.round(truth + RNG.normal(0, 1, 60), 1)  # some alike
    theirs = intervals._bootstrap(lambda drawn: roc_auc_score(truth, scores, sample_weight=drawn), patients, truth)
    assert auc(truth, scores, patients) == pytest.approx(theirs)


def test_one_patient_of_a_kind_has_no_interval():
    found = auc(np.array([True, True, False, False]), np.arange(4.0), np.array([0, 0, 1, 2]))
    assert found == {"value": 0.0, "low": None, "high": None}


def test_a_share_over_few_patients_is_less_sure_than_over_many_and_over_one_not_at_all():
    hits = np.repeat(np.arange(20) % 2 == 0, 5)
    of_each, many, few, one = (np.arange(100), np.arange(100) // 5, np.arange(100) // 25, np.zeros(100, int))
    widths = []
    for groups in (of_each, many, few):
        found = share_over_patients(hits, groups)
        assert found["value"] == 0.5
        widths.append(found["high"] - found["low"])
    assert widths[0] == pytest.approx(share(hits)["high"] - share(hits)["low"], abs=0.02)
    assert widths[0] < widths[1]
    assert share_over_patients(hits, one) == {"value": 0.5, "low": None, "high": None}


def test_where_all_are_hits_a_share_over_patients_is_no_surer_than_wilson():
    hits = np.ones(30, bool)
    assert share_over_patients(hits, np.arange(30) // 3) == share(hits)
