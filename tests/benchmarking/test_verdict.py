"""What the sentence says, and that it says nothing that its numbers do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from augmentor.benchmarking.comparison import (
    Comparison,
    compare,
    holm,
    pair,
)
from augmentor.benchmarking.verdict import sentence
from tests.benchmarking.compared import LABELS, concluded


def test_no_verdict_is_a_sentence_with_the_least_effect_and_its_design():
    one = concluded([0.8, 0.7, 0.75], [0.79, 0.72, 0.75])
    told = sentence([one], 3, 1, 3)
    assert told == (
        f"No gain shown: an effect under {100 * one.detectable:.1f} points would have been missed in more than one "
        "of five such benchmarks; this limit is not a measured gain. (Macro sensitivity, difference in points: "
        "classic+gan with svm -0.3; 3 folds x 1 seed.)"
    )
    assert "too few folds" in sentence([concluded([0.8], [0.7])], 1, 1, 1)
    assert sentence([], 3, 1, 3) == "No arm with synthetic lesions could be compared with classic augmentation."


def silent(detectable):
    return Comparison(*LABELS, -0.03, -0.9, 0.8, 1.0, "none", detectable, 3, 3)


def test_no_effect_is_told_that_the_metric_could_not_show():
    """A share moves by 100 points at most."""
    beyond = sentence([silent(1.7), silent(1.1)], 3, 1, 3)
    missed = "would have been missed in more than one of five such benchmarks"
    assert f"No gain shown: even the largest effect that there can be {missed}." in beyond
    noisy = sentence([silent(1.7), silent(0.3)], 3, 1, 3)
    assert f"an effect under 30.0 points (100.0 in the noisiest comparison) {missed};" in noisy
    within = sentence([silent(1.0)], 3, 1, 3)
    assert f"an effect under 100.0 points {missed};" in within


@pytest.mark.parametrize("share", [0.95, 0.75, 0.5])
def test_an_effect_under_the_limit_is_missed_more_often_than_in_one_of_five_but_not_always(share):
    """Power of the test at a share of the limit that the sentence names, from benchmarks with that true effect."""
    spread = np.array([-1.0, 0.5, -0.5, 1.0, 0.2, -0.2])
    limit = holm([pair(spread / spread.std(ddof=1), np.zeros(6), 0.0, LABELS)])[0].detectable
    drawn = np.random.default_rng(0).normal(share * limit, 1, (400, 6))
    missed = np.mean([holm([pair(one, np.zeros(6), 0.0, LABELS)])[0].verdict == "none" for one in drawn])
    assert 0.2 < missed < 0.9


def test_seeds_that_test_the_same_patients_again_are_told_by_the_sentence():
    arm, baseline = np.array([0.8, 0.7, 0.75, 0.7, 0.7, 0.8]), np.full(6, 0.75)
    repeated, one = concluded(arm[:5], baseline[:5], cells=6), concluded(arm, baseline)
    assert "3 folds x 2 seeds, 5 different test sets.)" in sentence([repeated], 3, 2, 5)
    assert "3 folds x 2 seeds.)" in sentence([one], 3, 2, 6)


GAIN = Comparison(*LABELS, 0.031, 0.006, 0.055, 0.02, "gain", 0.02, 15, 15)
HARM = Comparison("gan-only", "cnn", "sensitivity", -0.08, -0.12, -0.04, 0.0002, "harm", 0.03, 15, 15)


def test_a_gain_is_a_sentence_with_its_interval():
    assert sentence([GAIN], 5, 3, 15) == (
        "Synthetic lesions raised macro sensitivity by 3.1 points "
        "(95 % CI 0.6 to 5.5, corrected p = 0.02, 5 folds x 3 seeds) in classic+gan with svm."
    )


@pytest.mark.parametrize(
    ("low", "high", "p", "told"),
    [
        (0.0002, 0.062, 0.0497, "95 % CI 0.02 to 6.2, corrected p = 0.0497"),
        (0.006, 0.055, 0.04999, "95 % CI 0.6 to 5.5, corrected p = 0.04999"),
        (-0.062, -0.00002, 0.001, "95 % CI 0.002 to 6.2, corrected p = 0.001"),
        (0.01, 0.05, 0.0, "95 % CI 1.0 to 5.0, corrected p < 0.001"),
    ],
)
def test_rounding_does_not_let_the_verdict_contradict_its_numbers(low, high, p, told):
    assert told in sentence([replace(GAIN, difference=(low + high) / 2, low=low, high=high, p=p)], 5, 3, 15)


def test_a_harm_is_called_one():
    assert sentence([HARM], 5, 3, 15) == (
        "Synthetic lesions harmed: they lowered macro sensitivity by 8.0 points "
        "(95 % CI 4.0 to 12.0, corrected p < 0.001, 5 folds x 3 seeds) in gan-only with cnn."
    )


def test_the_largest_harm_is_told_first():
    small = replace(HARM, difference=-0.05, low=-0.09, high=-0.01)
    for harms in ([small, HARM], [HARM, small]):
        told = sentence(harms, 5, 3, 15)
        assert told.index("by 8.0 points") < told.index("by 5.0 points")


def quiet(i):
    return Comparison(f"arm{i}", "cnn", "sensitivity", i / 100 - 0.05, -0.1, 0.1, 1.0, "none", 0.04 + i / 1000, 15, 15)


def test_of_many_comparisons_gains_and_harms_are_named_and_the_rest_is_summed_up():
    larger = Comparison("classic+acgan", "cnn", "sensitivity", 0.05, 0.01, 0.09, 0.03, "gain", 0.02, 15, 15)
    told = sentence([quiet(0), GAIN, *(quiet(i) for i in range(1, 12)), HARM, larger], 5, 3, 15)
    assert told.index("5.0 points") < told.index("3.1 points") < told.index("harmed")
    assert "in classic+gan with svm" in told
    assert "in gan-only with cnn" in told
    assert told.endswith(
        "No other gain shown: an effect under 4.0 points (5.1 in the noisiest comparison) would have been missed "
        "in more than one of five such benchmarks; this limit is not a measured gain. (Macro sensitivity, difference "
        "in points, 12 comparisons: -5.0 to +6.0, best arm11 with cnn; 5 folds x 3 seeds.)"
    )
    assert len(told) < 800


def test_the_best_of_many_is_the_largest_difference_wherever_it_stands():
    family = [replace(quiet(i), difference=i / 100) for i in (1, 2, 0, -2)]
    assert "-2.0 to +2.0, best arm2 with cnn" in sentence(family, 5, 1, 5)


def test_an_interval_leaves_out_zero_exactly_where_there_is_a_verdict():
    rng, seen = np.random.default_rng(21), set()
    for _ in range(200):
        gains = rng.choice([0.0, 0.02, 0.05], 5)
        family = [pair(rng.normal(gain, 0.03, 9), np.zeros(9), 0.1, LABELS) for gain in gains]
        for one in holm(family):
            assert (one.verdict != "none") == (one.low > 0 or one.high < 0)
            seen.add(one.verdict)
    assert {"gain", "none"} <= seen


def test_what_could_not_have_been_seen_is_told_at_the_level_of_the_whole_family():
    """Three comparisons with the same spread: none is a verdict, so a true effect in any would have had to be the
    smallest p of three."""
    spread = np.array([-1.0, 0.0, 1.0]) / 100
    silent = holm([pair(spread + shift, np.zeros(3), 0.5, LABELS) for shift in (0.001, 0.002, 0.003)])
    assert len({round(one.detectable, 9) for one in silent}) == 1
    assert silent[0].detectable > concluded(spread, np.zeros(3)).detectable


def test_arms_that_never_differed_are_told_as_that():
    same = concluded([0.7, 0.8, 0.75], [0.7, 0.8, 0.75])
    assert "both arms scored the same in every fold" in sentence([same], 3, 1, 3)
    shifted = concluded([0.75, 0.85, 0.8], [0.7, 0.8, 0.75])
    assert "every fold differed by the same" in sentence([shifted], 3, 1, 3)


def test_arms_of_which_one_alone_never_differed_are_not_told_as_if_none_had():
    same, shifted = (concluded(np.array([0.7, 0.8, 0.75]) + shift, [0.7, 0.8, 0.75]) for shift in (0, 0.05))
    told = sentence([same, shifted], 3, 1, 3)
    assert "every fold differed by the same" in told
    assert "both arms scored the same" not in told


def test_two_folds_are_not_too_few_where_the_seeds_test_other_lesions():
    one = concluded([0.8, 0.7, 0.75, 0.7], [0.79, 0.72, 0.75, 0.71])
    told = sentence([one], 2, 2, 4)
    assert "would have been missed in more than one of five such benchmarks" in told
    assert "too few folds" not in told


BASELINE = {(fold, seed): 0.7 + 0.02 * int(fold) for fold in "123" for seed in (0, 1)}
GAINS = {("1", 0): 0.1, ("1", 1): 0.102, ("2", 0): 0.1, ("2", 1): 0.104, ("3", 0): 0.101, ("3", 1): 0.1}


def told_of(*classifiers, seeds=2, test_sets=6):
    """The verdict on three folds; classifiers: of each, cell (fold, seed) -> gain of the arm over the baseline, without
    the cells that failed. test_sets 3: each seed tests on the same lesions."""
    rows = [
        {"arm": arm, "classifier": f"clf{i}", "fold": fold, "seed": seed, LABELS[2]: BASELINE[fold, seed] + gain}
        | {"test_set": fold if test_sets == 3 else f"{fold}, {seed}"}
        for i, gains in enumerate(classifiers)
        for arm, cells in (("classic", {cell: 0.0 for cell in BASELINE if cell[1] < seeds}), ("gan", gains))
        for (fold, seed), gain in cells.items()
    ]
    names = [f"clf{i}" for i in range(len(classifiers))]
    return sentence(compare(pd.DataFrame(rows), ["gan"], names, LABELS[2], 0.5), 3, seeds, test_sets)


def without(gains, *failed):
    return {cell: gain for cell, gain in gains.items() if cell not in failed}


def test_a_gan_that_failed_leaves_too_few_folds_and_no_claim_about_every_fold():
    told = told_of({("1", 0): 0.1, ("2", 0): 0.01}, seeds=1, test_sets=3)
    assert "after the cells that failed, too few folds are left" in told
    assert "every fold" not in told
    assert told.endswith("gan with clf0 +5.5; 2 of 3 cells.)")


def test_a_verdict_tells_the_cells_that_it_rests_on_and_not_those_that_were_planned():
    whole, part = told_of(GAINS), told_of(without(GAINS, ("1", 0), ("3", 1)))
    assert "3 folds x 2 seeds)" in whole
    assert "4 of 6 cells)" in part
    assert "folds x" not in part
    both = told_of(GAINS, without(GAINS, ("1", 0)))
    assert "3 folds x 2 seeds)" in both
    assert "5 of 6 cells)" in both


def test_seeds_on_the_same_folds_count_once_where_cells_failed_too():
    told = told_of({("1", 0): 0.1, ("1", 1): 0.1, ("2", 0): 0.2}, test_sets=3)
    assert "3 of 6 cells, 2 different test sets.)" in told
    assert "too few folds are left" in told
    seedless = told_of(without(GAINS, ("1", 1), ("2", 1), ("3", 1)), test_sets=3)
    assert "3 of 6 cells" in seedless
    assert "different test sets" not in seedless


def test_a_classifier_without_a_shared_cell_is_not_measured_and_the_others_are_told():
    noisy = {("1", 0): 0.1, ("2", 0): -0.2, ("3", 0): 0.01}
    told = told_of(noisy, {}, {("1", 0): 0.1}, seeds=1, test_sets=3)
    assert "nan" not in told
    assert "would have been missed in more than one of five such benchmarks; 1 comparison has too few folds" in told
    assert "1 to 3 of 3 cells" in told
    rows = concluded(*[np.array([])] * 2, cells=0)
    several = sentence([rows, *(concluded([0.8, 0.7, 0.75], [0.79, 0.72, 0.75]) for _ in range(4))], 3, 1, 3)
    assert "nan" not in several
    assert "4 comparisons: -0.3 to -0.3" in several
    few = sentence([rows, concluded([0.8, 0.7, 0.75], [0.79, 0.72, 0.75])], 3, 1, 3)
    assert "classic+gan with svm not measured, classic+gan with svm -0.3; 0 to 3 of 3 cells.)" in few
