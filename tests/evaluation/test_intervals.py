import warnings

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

    def theirs(drawn):
        return np.array([roc_auc_score(truth, scores, sample_weight=weights) for weights in drawn.T])

    assert auc(truth, scores, patients) == pytest.approx(intervals._bootstrap(theirs, patients, truth))


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


def clustered(rng, patients, classes, per=6):
    """Hits at 70 % of lesions, as alike within a patient as draws of a beta distribution; patients have one class."""
    owner = np.repeat(np.arange(patients), per)
    hits = rng.random(len(owner)) < rng.beta(2.1, 0.9, patients)[owner]
    truth = owner % classes
    return truth, np.where(hits, truth, -1), owner


def test_an_interval_of_few_patients_covers_the_truth_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(intervals, "_DRAWS", 150)
    rng = np.random.default_rng(1)
    found = [macro_sensitivity(*clustered(rng, 9, 3)) for _ in range(80)]
    assert np.mean([f["low"] <= 0.7 <= f["high"] for f in found]) >= 0.93
    found = []
    for _ in range(80):
        owner = np.repeat(np.arange(8), 5)
        scores = np.repeat(rng.normal(size=8), 5) + rng.normal(size=40)
        found.append(auc(owner < 4, scores, owner))
    assert np.mean([f["low"] <= 0.5 <= f["high"] for f in found]) >= 0.93
    assert all(0 <= f["low"] <= f["value"] <= f["high"] <= 1 for f in found)


def test_many_patients_are_no_less_sure_than_percentiles():
    assert intervals._stretch(500) == pytest.approx(1, abs=0.01)
    assert intervals._stretch(5) == pytest.approx(2.776 / 1.96 * (5 / 4) ** 0.5, abs=0.001)


def test_draws_without_a_class_say_nothing_of_a_mean_over_classes():
    truth = np.repeat([0, 1, 2], [150, 150, 15])
    patients = np.arange(315) // 5  # the last three have all of class 2
    rng = np.random.default_rng(2)
    predicted = np.where(rng.random(315) < np.array([0.95, 0.95, 0.2])[truth], truth, (truth + 1) % 2)
    found = intervals._bootstrap(lambda weights: weighted_sensitivity(truth, predicted, weights), patients, fewest=3)
    assert macro_sensitivity(truth, predicted, patients) == pytest.approx(found)
    assert found["value"] == pytest.approx(balanced_accuracy_score(truth, predicted))


def weighted_sensitivity(truth, predicted, weights):
    """By scikit-learn, and unknown for draws that lack a class."""
    whole = np.array([len(set(truth[drawn > 0])) == len(set(truth)) for drawn in weights.T])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of absent classes
        found = [balanced_accuracy_score(truth, predicted, sample_weight=drawn) for drawn in weights.T]
    return np.where(whole, found, np.nan)


def test_a_class_of_one_patient_leaves_a_mean_over_classes_without_bounds():
    truth, patients = np.repeat([0, 1], 20), np.repeat([0, 1, 2, 3], [10, 9, 1, 20])
    found = macro_sensitivity(truth, np.zeros(40, int), patients)
    assert found == {"value": 0.5, "low": None, "high": None}


def test_bounds_are_untold_where_hardly_any_draw_has_all_classes():
    truth, patients = np.repeat(np.arange(20), 2), np.arange(40)
    found = macro_sensitivity(truth, truth, patients)
    assert found == {"value": 1.0, "low": None, "high": None}


@pytest.mark.parametrize("measure", ["auc", "macro_sensitivity"])
def test_perfection_seen_in_few_patients_is_not_taken_for_certain(measure):
    truth, patients = np.repeat([True, False], 15), np.arange(30) // 5
    found = auc(truth, truth + 0.0, patients) if measure == "auc" else macro_sensitivity(truth, truth, patients)
    assert found["value"] == found["high"] == 1
    assert found["low"] < (0.7 if measure == "auc" else 0.9)
