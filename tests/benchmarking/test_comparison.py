import numpy as np
import pandas as pd
import pytest
from scipy import stats

from augmentor.benchmarking.comparison import (
    Paired,
    compare,
    holm,
    mcnemar,
    pair,
    paired_scores,
    step_down,
)
from augmentor.benchmarking.verdict import sentence
from tests.benchmarking.compared import LABELS, concluded


def test_the_corrected_test_is_wider_than_the_plain_one_and_equals_it_without_overlap():
    rng = np.random.default_rng(3)
    arm, baseline = rng.normal(0.8, 0.03, 9), rng.normal(0.78, 0.03, 9)
    plain = stats.ttest_rel(arm, baseline)
    assert concluded(arm, baseline, 0.0).p == pytest.approx(plain.pvalue)
    corrected = concluded(arm, baseline)
    assert corrected.p > plain.pvalue
    assert corrected.low < corrected.difference < corrected.high


def test_the_corrected_test_is_that_of_nadeau_and_bengio_by_hand():
    """Differences 1, 2, 3, 4 and 5: mean 3, variance 2.5; five folds test a quarter of what they train on."""
    one = pair(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.zeros(5), 0.25, LABELS)
    assert one.difference == pytest.approx(0.3)
    assert one.error == pytest.approx(0.1 * np.sqrt((1 / 5 + 1 / 4) * 2.5))
    assert one.freedom == 4
    assert one.p == pytest.approx(2 * stats.t.sf(3 / np.sqrt(1.125), 4))
    assert concluded([0.1, 0.2, 0.3, 0.4, 0.5], np.zeros(5), 0.25).low == pytest.approx(0.3 - 2.7764451 * one.error)


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


@pytest.mark.parametrize("metric", ["brier", "ece"])
def test_an_error_that_falls_is_a_gain_and_its_difference_stays_negative(metric):
    rng = np.random.default_rng(4)
    base, names = rng.normal(0.3, 0.02, 9), ("classic+gan", "svm", metric)
    better, worse = (concluded(base + shift + rng.normal(0, 0.01, 9), base, names=names) for shift in (-0.1, 0.1))
    assert (better.verdict, worse.verdict) == ("gain", "harm")
    assert better.difference < 0 < worse.difference
    assert better.low < better.high < 0


def with_p(p):
    """A comparison whose uncorrected p is `p`."""
    return Paired(*LABELS, float(stats.t.isf(p / 2, 4)), 1.0, 4, 5)


def test_holm_is_the_step_down_procedure_by_hand():
    after = holm([with_p(p) for p in (0.04, 0.005, 0.03, 0.015)])
    assert [c.p for c in after] == pytest.approx([0.06, 0.02, 0.06, 0.045])  # 0.04 x 1 may not fall under 0.03 x 2
    assert [c.verdict for c in after] == ["none", "gain", "none", "gain"]


def test_corrected_ps_stay_in_their_order_and_under_1():
    """By hand: 4 x 0.01, 3 x 0.02, 2 x 0.03 (no smaller than the one before), 0.9."""
    assert step_down([0.03, 0.01, 0.9, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert step_down([0.02, 0.021]).tolist() == pytest.approx([0.04, 0.04])
    assert step_down([0.7, 0.6]).tolist() == [1, 1]


def test_holm_counts_a_comparison_that_could_not_be_judged_and_gives_it_no_verdict():
    silent = Paired(*LABELS, 0.5, None, 1, 2)
    after = holm([silent, with_p(0.02)])
    assert after[0].p is None
    assert after[1].p == pytest.approx(0.04)


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


@pytest.mark.parametrize(("share", "simulations"), [(0.0, 2000), (0.5, 400)])
def test_under_the_null_a_verdict_comes_at_most_as_rarely_as_it_says_in_a_whole_family(share, simulations):
    """With share 0 and independent differences the rate is all but 5 %; the correction for overlap lowers it."""
    rng, claims = np.random.default_rng(5), 0
    for differences in rng.normal(0, 0.02, (simulations, 4, 9)):
        claims += any(c.verdict != "none" for c in holm([pair(d, np.zeros(9), share, LABELS) for d in differences]))
    margin = 3 * np.sqrt(0.05 * 0.95 / simulations) if share == 0 else 0.0
    assert claims / simulations <= 0.05 + margin
    if share == 0:
        assert claims / simulations >= 0.05 - margin


@pytest.mark.parametrize("family", [1, 4, 15])
@pytest.mark.parametrize("pairs", [3, 5, 15])
def test_a_true_difference_as_large_as_the_detectable_one_is_shown_in_four_of_five_designs(pairs, family):
    rng = np.random.default_rng(16)
    spread = stats.zscore(np.arange(pairs), ddof=1)  # a sample whose standard deviation is that of the population, 1
    detectable = holm([pair(spread + 1, np.zeros(pairs), 0.0, LABELS)] * family)[0].detectable
    drawn = rng.normal(detectable, 1, (20_000, pairs))
    p = stats.ttest_1samp(drawn, 0, axis=1).pvalue
    shown = (p * family < 0.05) & (drawn.mean(1) > 0)
    assert shown.mean() == pytest.approx(0.8, abs=0.015)


def score_table(failed=()):
    """Two arms, three folds, two seeds; the arm is better by 0.1, 0.2, 0.3 in folds 1, 2, 3, by 0.02 more in seed 1."""
    cells = [
        {"arm": arm, "classifier": "svm", "fold": fold, "seed": seed, "auc": 0.5 + gain * (int(fold) / 10 + seed / 50)}
        for arm, gain in (("classic", 0), ("gan", 1), ("other", 5))
        for seed in range(2)
        for fold in ("1", "2", "3")
    ]
    table = pd.DataFrame(cells)
    table = pd.concat([table, table.assign(classifier="cnn", auc=0.9)], ignore_index=True)
    spoiled = table[["arm", "fold", "seed"]].apply(tuple, axis=1).isin(failed)
    return table, spoiled


def differences(table, repeated):
    """repeated: all seeds test on the same three sets of lesions."""
    sets = table["fold"] if repeated else table["fold"] + ", " + table["seed"].astype(str)
    shuffled = table.assign(test_set=sets).sample(frac=1, random_state=0)
    arm, baseline = paired_scores(shuffled, "gan", "classic", "svm", "auc")
    return arm - baseline


def test_seeds_on_the_same_folds_are_no_further_patients():
    table, _ = score_table()
    assert differences(table, repeated=True) == pytest.approx([0.11, 0.21, 0.31])
    assert differences(table, repeated=False) == pytest.approx([0.1, 0.12, 0.2, 0.22, 0.3, 0.32])


@pytest.mark.parametrize("how", ["absent", "NaN"])
def test_a_cell_that_failed_leaves_its_counterpart_out_too(how):
    table, failed = score_table([("gan", "1", 1), ("classic", "3", 0), ("other", "2", 0)])
    table = table[~failed] if how == "absent" else table.assign(auc=table["auc"].mask(failed))
    assert differences(table, repeated=True) == pytest.approx([0.1, 0.21, 0.32])
    assert differences(table, repeated=False) == pytest.approx([0.1, 0.2, 0.22, 0.32])


def test_an_arm_that_failed_everywhere_has_no_scores_and_no_verdict():
    table, _ = score_table()
    table = table.assign(test_set=table["fold"])
    scores = paired_scores(table[table["arm"] != "gan"], "gan", "classic", "svm", "auc")
    assert [s.shape for s in scores] == [(0,), (0,)]
    one = holm([pair(*scores, 0.5, LABELS)])[0]
    assert np.isnan(one.difference)
    assert one.verdict == "none"
    assert "not measured" in sentence([one], 3, 2, 6)


def test_a_family_is_every_arm_and_classifier_that_ran_beside_its_baseline():
    table, _ = score_table()
    table = table[~((table["arm"] == "other") & (table["classifier"] == "cnn"))].assign(test_set=table["fold"])
    found = compare(table, ["gan", "other"], ["svm", "cnn", "forest"], "auc", 0.5)
    assert [(c.arm, c.classifier, c.metric) for c in found] == [
        ("gan", "svm", "auc"),
        ("gan", "cnn", "auc"),
        ("other", "svm", "auc"),
    ]
    alone = compare(table, ["gan"], ["svm"], "auc", 0.5)[0]
    assert found[0].difference == alone.difference == pytest.approx(0.21)
    assert found[0].p > alone.p


def test_a_classifier_whose_baseline_is_not_there_does_not_enlarge_the_family():
    table, _ = score_table()
    table = table.assign(test_set=table["fold"])
    there = table[~((table["arm"] == "classic") & (table["classifier"] == "cnn"))]
    assert compare(there, ["gan"], ["svm", "cnn"], "auc", 0.5) == compare(table, ["gan"], ["svm"], "auc", 0.5)


def called(right, seed=0):
    """Predictions of lesions 0, 1, ..., right where `right` says so."""
    labels = pd.DataFrame({"seed": seed, "path": [f"{i}.png" for i in range(len(right))], "label": "a"})
    return labels.assign(predicted=np.where(right, "a", "b"))


def test_mcnemar_is_the_sign_test_on_lesions_that_one_arm_alone_called_right():
    arm, baseline = [1] * 10 + [0] * 2 + [1] * 20 + [0] * 5, [0] * 10 + [1] * 2 + [1] * 20 + [0] * 5
    found = mcnemar(called(arm), called(baseline).sample(frac=1, random_state=0))
    assert (found.only_arm_right, found.only_baseline_right) == (10, 2)
    assert found.p == pytest.approx(2 * sum(stats.binom.pmf(k, 12, 0.5) for k in range(3)))
    assert mcnemar(called(arm), called(arm)).p == 1.0


def test_mcnemar_counts_a_lesion_once_however_often_it_was_tested():
    votes = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]  # a row a seed, a column a lesion
    arm = pd.concat([called(row, seed) for seed, row in enumerate(votes)])
    baseline = pd.concat([called([0, 0, 0, 1], seed) for seed in range(3)])
    found = mcnemar(arm, baseline)
    assert (found.only_arm_right, found.only_baseline_right) == (2, 1)


def test_mcnemar_calls_a_lesion_right_in_more_than_half_of_its_answers_and_not_in_half():
    wrong = called([0], 0)
    by_seed = pd.concat([called([1], 0), called([0], 1)])
    assert mcnemar(by_seed, pd.concat([wrong, called([0], 1)])).only_arm_right == 0
    assert mcnemar(pd.concat([called([1], 0), called([0], 0)]), wrong).only_arm_right == 0
    assert mcnemar(called([1], 0), wrong).only_arm_right == 1


def test_mcnemar_compares_only_what_both_arms_predicted():
    arm = pd.concat([called([1, 1], 0), called([0, 0], 1)])
    assert mcnemar(arm, called([0, 1], 0)).only_arm_right == 1
    assert mcnemar(arm.query("path == '9.png'"), called([0, 1], 0)).p == 1.0
