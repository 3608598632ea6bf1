from inspect import signature
from typing import get_args

import pandas as pd
import pytest

from augmentor.benchmarking.simulation import Study, describe, simulate
from augmentor.cli import trial
from augmentor.cli.options import Steps
from augmentor.recipe import BenchmarkSection

TINY = {"patients": 9, "per_class": 9, "size": 16, "folds": 3, "seeds": 1, "classifiers": ("logistic",)}


def test_a_study_has_a_row_a_simulation_and_classifier_and_repeats_itself():
    table = simulate(Study(**(TINY | {"classifiers": ("logistic", "svm")})), 2)
    assert table.groupby("simulation")["classifier"].apply(list).tolist() == [["logistic", "svm"]] * 2
    assert set(table["arm"]) == {"resampled"}
    again = simulate(Study(**(TINY | {"classifiers": ("logistic", "svm")})), 2)
    pd.testing.assert_frame_equal(table, again)


def test_perfect_lesions_of_other_patients_truly_help():
    table = simulate(Study(perfect=8.0, **TINY), 4)
    assert set(table["arm"]) == {"classic+gan"}
    assert table["truth"].mean() > 0.02


def test_wrong_labels_make_perfect_lesions_help_more_and_are_not_tested():
    right, wrong = (simulate(Study(perfect=4.0, mislabelled=share, **TINY), 4) for share in (0.0, 2 / 3))
    assert wrong["truth"].mean() > right["truth"].mean() + 0.05
    assert wrong["difference"].mean() > 0.05  # tested against the lesions' own labels, as the truth is


def test_the_second_opinion_is_told_beside_the_verdict():
    table = simulate(Study(**TINY), 3)
    assert table["mcnemar"].between(0, 1).all()


def test_a_network_is_simulated_with_the_steps_of_the_study():
    few, more = (simulate(Study(**(TINY | {"classifiers": ("cnn",), "steps": steps})), 1) for steps in (1, 3))
    assert set(few["classifier"]) == {"cnn"}
    assert few["truth"].tolist() != more["truth"].tolist()


def test_the_command_line_and_the_recipe_train_classifiers_alike():
    assert BenchmarkSection().steps == Study().steps
    for command in (trial.benchmark, trial.calibrate, trial.screens):
        assert signature(command).parameters["steps"].default is None  # the recipe's own
    assert f"Default: {Study().steps}." in get_args(Steps)[1].help


def test_a_benchmark_speaks_once_whatever_the_number_of_its_classifiers():
    rows = [
        {"simulation": 0, "verdict": "gain"},
        {"simulation": 0, "verdict": "none"},
        {"simulation": 1, "verdict": "none"},
        {"simulation": 1, "verdict": "none"},
    ]
    values = {"mcnemar": 0.04, "truth": 0.0, "difference": 0.0, "detectable": 0.1, "low": -0.1, "high": 0.1}
    found = describe(pd.DataFrame([r | values for r in rows]))
    assert found["said"] == found["gain"] == 0.5
    assert found["harm"] == 0
    assert found["mcnemar"] == 1
    assert found["covered"] == 1
    assert found["simulations"] == 2


@pytest.mark.slow
def test_the_verdict_is_silent_where_the_arms_are_the_same():
    """The null study in small; docs/results/calibration.md has it with 200 benchmarks."""
    table = simulate(Study(), 12, workers=2)
    assert describe(table)["said"] <= 2 / 12  # more has a chance of 2 % where the true rate is 5 %
