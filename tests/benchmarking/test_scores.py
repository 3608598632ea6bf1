import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from augmentor.benchmarking.scores import LOWER_IS_BETTER, METRICS, auc, confusion, from_confusion, measure


def random_predictions(rng, n=90, classes=3):
    probabilities = rng.dirichlet(np.ones(classes), n)
    return rng.integers(0, classes, n), probabilities


def test_measures_agree_with_scikit_learn():
    truth, probabilities = random_predictions(np.random.default_rng(0))
    found = measure(truth, probabilities)
    assert found["sensitivity"] == pytest.approx(balanced_accuracy_score(truth, probabilities.argmax(1)))
    assert found["accuracy"] == pytest.approx((truth == probabilities.argmax(1)).mean())
    assert found["auc"] == pytest.approx(roc_auc_score(truth, probabilities, multi_class="ovr"))


def test_the_auc_of_many_weights_agrees_with_scikit_learn_one_by_one_and_in_ties():
    rng = np.random.default_rng(8)
    truth, probabilities = random_predictions(rng)
    probabilities = probabilities.round(1)
    weights = rng.integers(0, 4, (len(truth), 5))
    for found, column in zip(auc(truth, probabilities, weights), weights.T, strict=True):
        areas = [roc_auc_score(truth == c, probabilities[:, c], sample_weight=column) for c in range(3)]
        assert found == pytest.approx(np.mean(areas))


def test_the_auc_leaves_absent_classes_out_and_is_unknown_for_one_class_alone():
    truth, probabilities = random_predictions(np.random.default_rng(9))
    once, two = np.ones((len(truth), 1)), truth < 2
    areas = [roc_auc_score(truth[two] == c, probabilities[two, c]) for c in (0, 1)]
    assert auc(truth[two], probabilities[two], once[two])[0] == pytest.approx(np.mean(areas))
    assert auc(truth, probabilities, once * two[:, None])[0] == pytest.approx(np.mean(areas))
    assert np.isnan(measure(np.zeros(5, int), probabilities[:5])["auc"])


def test_specificity_of_two_classes_is_the_mean_of_both_sensitivities():
    truth, called = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    found = from_confusion(confusion(truth, called, 2))
    assert found["sensitivity"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["specificity"] == pytest.approx(found["sensitivity"])


def test_a_perfect_classifier_scores_best_everywhere():
    truth = np.array([0, 1, 2, 0])
    assert measure(truth, np.eye(3)[truth]) == {m: 0.0 if m in LOWER_IS_BETTER else 1.0 for m in METRICS}


def test_brier_is_two_for_the_surely_wrong_and_two_thirds_for_no_opinion_on_three_classes():
    truth = np.array([0, 1, 2, 0])
    assert measure(truth, np.eye(3)[(truth + 1) % 3])["brier"] == 2.0
    assert measure(truth, np.full((4, 3), 1 / 3))["brier"] == pytest.approx(2 / 3)
    assert measure(np.array([0]), np.array([[0.5, 0.3, 0.2]]))["brier"] == pytest.approx(0.5**2 + 0.3**2 + 0.2**2)


def test_the_calibration_error_is_the_gap_of_confidence_and_hits_over_ten_bins():
    truth, probabilities = random_predictions(np.random.default_rng(10), n=300)
    sure, hit = probabilities.max(1), probabilities.argmax(1) == truth
    bins = [(sure >= low / 10) & (sure < (low + 1) / 10) for low in range(10)]
    gaps = [b.mean() * abs(sure[b].mean() - hit[b].mean()) for b in bins if b.any()]
    assert measure(truth, probabilities)["ece"] == pytest.approx(sum(gaps))


def test_the_calibration_error_of_true_chances_vanishes_with_many_lesions_and_grows_with_overconfidence():
    rng = np.random.default_rng(11)
    chances = rng.dirichlet(np.ones(3), 50_000)
    truth = (chances.cumsum(1) < rng.random((len(chances), 1))).sum(1).clip(0, 2)
    sharper = chances**3 / (chances**3).sum(1, keepdims=True)
    assert measure(truth, chances)["ece"] < 0.01
    assert measure(truth, sharper)["ece"] > 0.1
    assert measure(truth, chances)["brier"] < measure(truth, sharper)["brier"]
