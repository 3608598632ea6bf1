import numpy as np
import pytest
from scipy.stats import binom, fisher_exact
from sklearn.metrics import cohen_kappa_score

from augmentor.reading.statistics import against_chance, detectable, dprime, kappa, permuted, proportion


def answers(right, n):
    return np.arange(n) < right


def test_an_interval_of_one_reader_is_clopper_and_pearsons():
    found = proportion(answers(45, 60), np.arange(60))
    assert (found["right"], found["n"], found["accuracy"]) == (45, 60, 0.75)
    # Each bound is the accuracy at which what was seen, or further from it, has a chance of 2.5 %.
    assert binom.sf(44, 60, found["low"]) == pytest.approx(0.025)
    assert binom.cdf(45, 60, found["high"]) == pytest.approx(0.025)


@pytest.mark.parametrize(("right", "bounds"), [(0, (0, 0.30850)), (10, (0.69150, 1))])
def test_bounds_stay_between_nought_and_one(right, bounds):
    found = proportion(answers(right, 10), np.arange(10))
    assert (found["low"], found["high"]) == pytest.approx(bounds, abs=1e-4)


def test_no_answers_have_no_accuracy():
    assert proportion(np.array([], bool), np.array([]))["accuracy"] is None


def test_readers_who_agree_count_as_one_and_others_as_several():
    rng = np.random.default_rng(0)
    one = rng.random(60) < 0.7
    lesions = np.tile(np.arange(60), 3)
    single = proportion(one, np.arange(60))
    same = proportion(np.tile(one, 3), lesions)
    other = proportion(rng.random(180) < 0.7, lesions)
    widths = [found["high"] - found["low"] for found in (single, same, other)]
    assert widths[1] == pytest.approx(widths[0], rel=0.02)
    assert widths[2] < 0.75 * widths[0]


@pytest.mark.parametrize("readers", [2, 4])
def test_one_answer_more_does_not_make_an_interval_jump(readers):
    """Half of the readers are right on every lesion, which varies least of all; then one more is, on one lesion."""
    lesions = np.repeat(np.arange(30), readers)
    right = np.tile(np.arange(readers) < readers // 2, 30)
    more = right.copy()
    more[readers - 1] = True
    even, odd = proportion(right, lesions), proportion(more, lesions)
    assert odd["high"] - odd["low"] == pytest.approx(even["high"] - even["low"], rel=0.02)
    for extreme in (np.zeros(60, bool), np.ones(60, bool)):  # where nothing tells readers apart, lesions count
        found = proportion(extreme, np.repeat(np.arange(30), 2))
        assert found["high"] - found["low"] == pytest.approx(1 - 0.025 ** (1 / 30))


def test_a_coin_is_rejected_as_often_as_it_should_be():
    drawn = np.random.default_rng(0).random((500, 60)) < 0.5
    assert np.mean([against_chance(right) < 0.05 for right in drawn]) < 0.05


def test_what_is_detectable_is_found_four_times_in_five():
    share = detectable(60)
    drawn = np.random.default_rng(0).random((1000, 60)) < share
    assert np.mean([against_chance(right) < 0.05 for right in drawn]) == pytest.approx(0.8, abs=0.04)
    assert detectable(5) is None
    assert detectable(600) < share


def test_dprime_of_known_rates():
    synthetic = np.repeat([True, False], 50)
    called = np.concatenate([answers(42, 50), answers(8, 50)])
    found = dprime(called, synthetic)
    assert found["dprime"] == pytest.approx(2 * 0.9661, abs=0.01)  # z of 42.5 / 51
    assert found["criterion"] == pytest.approx(0, abs=1e-9)


def test_a_reader_without_an_error_has_a_finite_dprime_and_a_yes_sayer_none():
    synthetic = np.repeat([True, False], 30)
    assert 3 < dprime(synthetic, synthetic)["dprime"] < 6
    always = dprime(np.ones(60, bool), synthetic)
    assert always["dprime"] == pytest.approx(0)
    assert always["criterion"] < -1


def test_a_difference_of_kinds_is_found_as_fishers_test_finds_it():
    synthetic = np.repeat([False, True], 30)
    right = np.concatenate([answers(24, 30), answers(12, 30)])
    difference, p = permuted(right, synthetic, np.zeros(60), 0)
    exact = fisher_exact([[24, 6], [12, 18]]).pvalue
    assert difference == pytest.approx(0.4)
    assert p == pytest.approx(exact, abs=0.002)


def test_a_hard_class_is_no_difference_of_kinds():
    """Nine of ten easy lesions are synthetic, nine of ten hard ones real: within a class the kinds are alike."""
    strata = np.repeat(["easy", "hard"], 40)
    synthetic = np.concatenate([answers(36, 40), answers(4, 40)])
    right = strata == "easy"
    assert permuted(right, synthetic, strata, 0)[1] == 1
    assert permuted(right, synthetic, np.zeros(80), 0)[1] < 0.01


def test_kinds_that_do_not_differ_are_rejected_as_often_as_they_should_be():
    rng = np.random.default_rng(1)
    strata, synthetic = np.repeat([0, 1], 30), np.tile([True, False], 30)
    ps = [permuted(rng.binomial(3, 0.6, 60) / 3, synthetic, strata, seed)[1] for seed in range(100)]
    assert np.mean(np.array(ps) < 0.05) <= 0.11


def test_kappa_of_two_readers_is_cohens():
    rng = np.random.default_rng(0)
    one, other = rng.integers(3, size=(2, 50))
    assert kappa(np.stack([one, other], 1)) == pytest.approx(cohen_kappa_score(one, other))
    assert kappa(np.stack([one, one], 1)) == pytest.approx(1)


def test_kappa_of_more_readers_is_fleiss():
    """The table of Fleiss 1971 as it is printed in textbooks: 10 subjects, 14 raters, 5 categories, 0.210."""
    counts = [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
    assert kappa(np.array([np.repeat(range(5), row) for row in counts])) == pytest.approx(0.210, abs=5e-4)


def test_kappa_is_undefined_for_one_reader_and_for_one_answer():
    assert kappa(np.array([[0], [1]])) is None
    assert kappa(np.zeros((10, 3))) is None
