import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from augmentor.benchmarking import statistics
from augmentor.benchmarking.scores import METRICS
from augmentor.benchmarking.statistics import (
    class_intervals,
    differences,
    intervals,
    patient_weights,
)


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
    assert tuple(independent) == METRICS
    for estimate, low, high in independent.values():
        assert low <= estimate <= high
    for metric in ("accuracy", "brier"):
        assert np.ptp(clustered[metric][1:]) > 1.3 * np.ptp(independent[metric][1:])


def test_a_patient_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(24):
        _, low, high = intervals(make_rows(rng, clustered=True), ["a", "b"])["accuracy"]
        hits += low <= 0.8 <= high
    assert hits >= 20


def test_the_interval_of_the_accuracy_of_independent_patients_is_the_binomials():
    accuracy, low, high = intervals(make_rows(np.random.default_rng(3), patients=400, per_patient=1), ["a", "b"])[
        "accuracy"
    ]
    reach = 1.96 * np.sqrt(accuracy * (1 - accuracy) / 400)
    assert accuracy - low == pytest.approx(reach, rel=0.1)
    assert high - accuracy == pytest.approx(reach, rel=0.1)


def test_the_interval_of_the_auc_is_that_of_rows_repeated_as_often_as_their_patients_are_drawn(monkeypatch):
    monkeypatch.setattr(statistics, "_DRAWS", 200)
    rng = np.random.default_rng(4)
    rows = make_rows(rng, patients=12)
    scores = rng.random(len(rows))
    rows = rows.assign(p_a=1 - scores, p_b=scores)
    weights, number = patient_weights(rows["patient"].to_numpy(), 200, 0)
    repeated = [np.repeat(np.arange(len(rows)), draw[number]) for draw in weights]
    areas = [roc_auc_score(rows["label"].iloc[chosen] == "b", scores[chosen]) for chosen in repeated]
    assert intervals(rows, ["a", "b"])["auc"][1:] == pytest.approx(np.percentile(areas, [2.5, 97.5]))


def two_arms(rng, gain=0.0):
    """What is hard for one arm is hard for the other; the first mends a share `gain` of what the other calls wrong."""
    baseline = make_rows(rng, clustered=True)
    mended = (baseline["predicted"] != baseline["label"]) & (rng.random(len(baseline)) < gain)
    return baseline.assign(predicted=baseline["label"].where(mended, baseline["predicted"])), baseline


def test_a_difference_is_that_of_the_arms_own_estimates_and_nought_for_an_arm_and_itself():
    arm, baseline = two_arms(np.random.default_rng(20), gain=0.5)
    found, ours, theirs = differences(arm, baseline, ["a", "b"]), *(intervals(x, ["a", "b"]) for x in (arm, baseline))
    assert tuple(found) == METRICS
    for metric, (difference, low, high) in found.items():
        assert difference == pytest.approx(ours[metric][0] - theirs[metric][0])
        assert low <= high
    assert set(differences(arm, arm, ["a", "b"]).values()) == {(0.0, 0.0, 0.0)}


def test_an_interval_of_a_difference_is_narrower_than_the_arms_own_and_covers_the_truth():
    rng, hits = np.random.default_rng(21), 0
    for _ in range(24):
        arm, baseline = two_arms(rng, gain=0.5)
        _, low, high = differences(arm, baseline, ["a", "b"])["accuracy"]
        assert high - low < np.ptp(intervals(baseline, ["a", "b"])["accuracy"][1:])
        hits += low <= 0.1 <= high  # a half of the fifth that is called wrong
    assert hits >= 20


def test_only_cells_that_both_arms_have_are_compared():
    arm, baseline = two_arms(np.random.default_rng(22), gain=0.5)
    more = arm.assign(seed=7, predicted="a")
    whole, found = (differences(a, baseline, ["a", "b"]) for a in (arm, pd.concat([arm, more])))
    assert found == whole
    assert differences(more, baseline, ["a", "b"]) == {}


def overconfident_rows(rng, patients=60, per_patient=3):
    """Two classes; chances are true, what the rows hold is 0.1 surer."""
    sure = np.repeat(rng.uniform(0.6, 0.85, patients), per_patient)
    truth = rng.integers(0, 2, len(sure))
    called = np.where(rng.random(len(sure)) < sure, truth, 1 - truth)
    stated = np.where(called == 0, sure + 0.1, 1 - sure - 0.1)
    names = np.array(["a", "b"])
    columns = {"fold": "1", "seed": 0, "patient": np.repeat(np.arange(patients), per_patient).astype(str)}
    columns |= {"label": names[truth], "predicted": names[called], "p_a": stated, "p_b": 1 - stated}
    return pd.DataFrame(columns)


def test_the_interval_of_the_calibration_error_covers_it_though_noise_in_bins_adds_to_it():
    rng, hits = np.random.default_rng(12), 0
    for _ in range(40):
        estimate, low, high = intervals(overconfident_rows(rng), ["a", "b"])["ece"]
        assert 0 <= low <= estimate <= high
        hits += low <= 0.1 <= high
    assert hits >= 35


def test_intervals_of_classes_have_the_macro_values_as_their_means_and_hold_their_estimates():
    rows = make_rows(np.random.default_rng(13))
    found = pd.DataFrame(class_intervals(rows, ["a", "b"]))
    assert found.columns.tolist() == ["class", "metric", "mean", "low", "high"]
    assert found[["class", "metric"]].to_numpy().tolist() == [
        [name, metric] for name in ("a", "b") for metric in ("sensitivity", "specificity")
    ]
    macro = found.groupby("metric")["mean"].mean()
    pooled = intervals(rows, ["a", "b"])
    assert macro["sensitivity"] == pytest.approx(pooled["sensitivity"][0])
    assert macro["specificity"] == pytest.approx(pooled["specificity"][0])
    assert ((found["low"] < found["mean"]) & (found["mean"] < found["high"])).all()


def rare_rows(rare, patients=60, recognised=0.2, seed=1):
    """Three classes, of which `rare` patients have the last, which is hardly recognised; five lesions a patient."""
    rng, names = np.random.default_rng(seed), np.array(["a", "b", "c"])
    owner = np.repeat(np.arange(patients), 5)
    truth = np.where(owner < rare, 2, owner % 2)
    hit = rng.random(len(owner)) < np.where(truth == 2, recognised, 0.95)
    called = np.where(hit, truth, (truth + 1) % 2)
    columns = {"fold": "1", "seed": 0, "patient": owner.astype(str), "label": names[truth], "predicted": names[called]}
    return pd.DataFrame(columns | {f"p_{name}": 0.1 + 0.7 * (names[called] == name) for name in names})


def drawn_whole(rows, classes):
    """The draws of patients that hold every class, as rows repeated."""
    weights, number = patient_weights(rows["patient"].to_numpy(), statistics._DRAWS, 0)
    repeated = (rows.iloc[np.repeat(np.arange(len(rows)), draw[number])] for draw in weights)
    return [draw for draw in repeated if draw["label"].nunique() == len(classes)]


def test_draws_without_a_rare_class_say_nothing_of_means_over_classes(monkeypatch):
    monkeypatch.setattr(statistics, "_DRAWS", 150)
    rows, classes = rare_rows(3), ["a", "b", "c"]
    whole = drawn_whole(rows, classes)
    assert len(whole) < 0.97 * 150
    theirs = [balanced_accuracy_score(draw["label"], draw["predicted"]) for draw in whole]
    found = intervals(rows, classes)
    for metric in ("sensitivity", "balanced_accuracy"):
        assert found[metric][1:] == pytest.approx(np.percentile(theirs, [2.5, 97.5]))
    for metric in ("specificity", "auc"):
        theirs = [intervals(draw, classes)[metric][0] for draw in whole[:20]]
        assert found[metric][1] - 0.02 < np.median(theirs) < found[metric][2] + 0.02
    accuracy = [(draw["label"] == draw["predicted"]).mean() for draw in whole]
    assert found["accuracy"][1:] != pytest.approx(np.percentile(accuracy, [2.5, 97.5]), abs=1e-6)


def test_a_difference_of_arms_leaves_out_draws_without_a_rare_class_too(monkeypatch):
    monkeypatch.setattr(statistics, "_DRAWS", 150)
    arm, baseline, classes = rare_rows(3, recognised=0.6, seed=2), rare_rows(3), ["a", "b", "c"]
    theirs = [
        balanced_accuracy_score(a["label"], a["predicted"]) - balanced_accuracy_score(b["label"], b["predicted"])
        for a, b in zip(drawn_whole(arm, classes), drawn_whole(baseline, classes), strict=True)
    ]
    assert differences(arm, baseline, classes)["sensitivity"][1:] == pytest.approx(np.percentile(theirs, [2.5, 97.5]))


def test_a_class_of_one_patient_leaves_means_over_classes_without_bounds_and_other_measures_with_theirs():
    found = intervals(rare_rows(1), ["a", "b", "c"])
    for metric in ("sensitivity", "balanced_accuracy", "specificity", "auc"):
        assert np.isfinite(found[metric][0])
        assert np.isnan(found[metric][1:]).all()
    assert np.isfinite(found["accuracy"]).all()


def test_bounds_are_untold_where_hardly_any_draw_has_all_classes():
    names = np.array([f"c{i:02}" for i in range(20)])
    columns = {"fold": "1", "seed": 0, "patient": np.arange(40).astype(str), "label": np.repeat(names, 2)}
    chances = {f"p_{name}": (np.repeat(names, 2) == name) * 1.0 for name in names}
    found = intervals(pd.DataFrame(columns | {"predicted": np.repeat(names, 2)} | chances), list(names))
    assert found["sensitivity"][0] == 1
    assert np.isnan(found["sensitivity"][1:]).all()


def test_a_class_among_two_is_as_specific_as_the_other_is_sensitive():
    a, b = (
        {r["metric"]: (r["mean"], r["low"], r["high"]) for r in rows}
        for rows in np.split(np.array(class_intervals(make_rows(np.random.default_rng(14)), ["a", "b"])), 2)
    )
    assert a["sensitivity"] == b["specificity"]
    assert a["specificity"] == b["sensitivity"]


def test_a_class_that_does_not_occur_has_no_sensitivity_and_no_warning():
    rows = make_rows(np.random.default_rng(15)).assign(p_c=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        missing = class_intervals(rows, ["a", "b", "c"])[-2]
        assert np.isfinite([value for triple in intervals(rows, ["a", "b", "c"]).values() for value in triple]).all()
    assert missing["class"] == "c"
    assert np.isnan([missing["mean"], missing["low"], missing["high"]]).all()


@pytest.mark.parametrize("cell", [{"fold": "2"}, {"seed": 1}])
def test_the_auc_of_models_on_different_scales_is_that_of_each_fold_and_seed(cell):
    rng = np.random.default_rng(7)
    rows = [make_rows(rng), make_rows(rng).assign(**cell)]
    alone = np.mean([intervals(part, ["a", "b"])["auc"][0] for part in rows])
    rows[1][["p_a", "p_b"]] = rows[1][["p_a", "p_b"]] ** 5  # the same order on another scale
    assert intervals(pd.concat(rows, ignore_index=True), ["a", "b"])["auc"][0] == pytest.approx(alone)
