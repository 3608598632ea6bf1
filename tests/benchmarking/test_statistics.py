import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from augmentor.benchmarking.statistics import (
    Comparison,
    confusion,
    from_confusion,
    holm,
    intervals,
    measure,
    pair,
    sentence,
)

LABELS = ("classic+gan", "svm", "sensitivity")


def random_predictions(rng, n=90, classes=3):
    probabilities = rng.dirichlet(np.ones(classes), n)
    return rng.integers(0, classes, n), probabilities


def test_measures_agree_with_scikit_learn():
    truth, probabilities = random_predictions(np.random.default_rng(0))
    found = measure(truth, probabilities)
    assert found["sensitivity"] == pytest.approx(balanced_accuracy_score(truth, probabilities.argmax(1)))
    assert found["accuracy"] == pytest.approx((truth == probabilities.argmax(1)).mean())
    assert found["auc"] == pytest.approx(roc_auc_score(truth, probabilities, multi_class="ovr"))


def test_specificity_of_two_classes_is_the_mean_of_both_sensitivities():
    truth, called = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    found = from_confusion(confusion(truth, called, 2))
    assert found["sensitivity"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["specificity"] == pytest.approx(found["sensitivity"])


def test_a_perfect_classifier_scores_one_everywhere():
    truth = np.array([0, 1, 2, 0])
    assert measure(truth, np.eye(3)[truth]) == dict.fromkeys(measure(truth, np.eye(3)[truth]), 1.0)


def make_rows(rng, patients=30, per_patient=4, clustered=False):
    truth = rng.integers(0, 2, patients * per_patient)
    right = rng.random(patients) < 0.8 if clustered else None
    hit = np.repeat(right, per_patient) if right is not None else rng.random(len(truth)) < 0.8
    called = np.where(hit, truth, 1 - truth)
    names = np.array(["a", "b"])
    return pd.DataFrame(
        {
            "fold": "1",
            "seed": 0,
            "patient": np.repeat(np.arange(patients), per_patient).astype(str),
            "label": names[truth],
            "predicted": names[called],
            "p_a": (called == 0) * 0.8 + 0.1,
            "p_b": (called == 1) * 0.8 + 0.1,
        }
    )


def test_intervals_hold_the_estimate_and_widen_where_a_patients_lesions_stand_together():
    independent = intervals(make_rows(np.random.default_rng(1)), ["a", "b"])
    clustered = intervals(make_rows(np.random.default_rng(1), clustered=True), ["a", "b"])
    for estimate, low, high in independent.values():
        assert low <= estimate <= high
    assert np.ptp(clustered["accuracy"][1:]) > 1.3 * np.ptp(independent["accuracy"][1:])


def test_a_patient_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(24):
        _, low, high = intervals(make_rows(rng, clustered=True), ["a", "b"])["accuracy"]
        hits += low <= 0.8 <= high
    assert hits >= 20


def concluded(arm, baseline, share=0.5):
    return holm([pair(np.asarray(arm), np.asarray(baseline), share, LABELS)])[0]


def test_the_corrected_test_is_wider_than_the_plain_one_and_equals_it_without_overlap():
    rng = np.random.default_rng(3)
    arm, baseline = rng.normal(0.8, 0.03, 9), rng.normal(0.78, 0.03, 9)
    plain = stats.ttest_rel(arm, baseline)
    assert concluded(arm, baseline, 0.0).p == pytest.approx(plain.pvalue)
    corrected = concluded(arm, baseline)
    assert corrected.p > plain.pvalue
    assert corrected.low < corrected.difference < corrected.high


@pytest.mark.parametrize(
    ("arm", "baseline"),
    [([0.9], [0.5]), ([0.9, 0.8], [0.5, 0.5]), ([0.6, 0.7, 0.8], [0.5, 0.6, 0.7]), ([0.5] * 4, [0.5] * 4)],
)
def test_without_a_spread_to_judge_by_there_is_a_difference_and_no_verdict(arm, baseline):
    one = concluded(arm, baseline)
    assert one.difference == pytest.approx(np.mean(arm) - np.mean(baseline))
    assert (one.low, one.high, one.p, one.detectable, one.verdict) == (None, None, None, None, "none")


def test_a_clear_gain_a_clear_harm_and_no_difference_are_told_apart():
    rng = np.random.default_rng(4)
    base = rng.normal(0.7, 0.02, 9)
    for shift, verdict in ((0.1, "gain"), (-0.1, "harm"), (0.0, "none")):
        assert concluded(base + shift + rng.normal(0, 0.01, 9), base).verdict == verdict


def test_holm_never_lowers_p_and_agrees_with_its_intervals():
    rng = np.random.default_rng(6)
    base = rng.normal(0.7, 0.02, 6)
    arms = [base + shift + rng.normal(0, 0.02, 6) for shift in (0.08, 0.05, 0.03, 0.0)]
    family = [pair(arm, base, 0.3, (f"arm{i}", "svm", "auc")) for i, arm in enumerate(arms)]
    after = holm(family)
    assert [c.arm for c in after] == ["arm0", "arm1", "arm2", "arm3"]
    assert all(c.p >= one.p for c, one in zip(after, family, strict=True))
    for c in after:
        if c.verdict != "none":
            assert c.low * c.high > 0
    raw, corrected = ([c.p for c in cs] for cs in (family, after))
    assert np.argsort(raw).tolist() == np.argsort(corrected, kind="stable").tolist()


def test_under_the_null_a_verdict_comes_rarely_in_a_whole_family():
    rng, claims = np.random.default_rng(5), 0
    for _ in range(400):
        family = [pair(0.7 + rng.normal(0, 0.02, 9), np.full(9, 0.7), 0.5, LABELS) for _ in range(4)]
        claims += any(c.verdict != "none" for c in holm(family))
    assert claims / 400 <= 0.05


def test_the_verdict_is_a_sentence_with_its_design():
    told = sentence([concluded([0.8, 0.7, 0.75], [0.79, 0.72, 0.75])], 3, 1)
    assert told.startswith("No gain shown")
    assert "could not have been seen" in told
    assert "3 folds x 1 seed" in told
    assert "too few folds" in sentence([concluded([0.8], [0.7])], 1, 1)
    gain = Comparison(*LABELS, 0.031, 0.006, 0.055, 0.02, "gain", 0.02)
    told = "raised macro sensitivity of svm by 3.1 points (95 % CI +0.6 to +5.5, corrected p = 0.02)"
    assert told in sentence([gain], 5, 3)


def test_the_auc_of_folds_on_different_scales_is_that_of_each_fold():
    rng = np.random.default_rng(7)
    rows = [make_rows(rng).assign(fold=name) for name in ("1", "2")]
    alone = np.mean([intervals(part, ["a", "b"])["auc"][0] for part in rows])
    rows[1][["p_a", "p_b"]] = rows[1][["p_a", "p_b"]] ** 5  # the same order on another scale
    assert intervals(pd.concat(rows, ignore_index=True), ["a", "b"])["auc"][0] == pytest.approx(alone)
