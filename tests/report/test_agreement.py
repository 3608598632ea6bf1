"""The page of a real, small benchmark says what its results.csv and predictions.csv say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from augmentor.benchmarking.benchmark import benchmark
from augmentor.report.html import report
from tests.lesion_sets import tiny_recipe, write_set
from tests.report.page import Page


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    recipe = tiny_recipe(benchmark={"arms": ["real", "classic"], "classifiers": ["logistic"], "folds": 3})
    return benchmark(write_set(folder / "lesions", classes=3), recipe, folder / "benchmark").folder


@pytest.fixture(scope="module")
def page(out) -> Page:
    return Page(report([out], out))


def test_a_difference_is_the_mean_over_the_folds_of_results_csv(page, out):
    scores = pd.read_csv(out / "results.csv").pivot_table(index="arm", values=["sensitivity", "auc"])
    differences = (100 * (scores.loc["real"] - scores.loc["classic"])).round(1)
    told = {
        row[2].split(" ")[0].replace("\N{MINUS SIGN}", "-") for row in page.rows("Arm", "Difference (95 % interval)")
    }
    assert {f"{value:+.1f}" if value else "0.0" for value in differences} <= told


def test_the_accuracy_of_an_arm_is_that_of_predictions_csv(page, out):
    predictions = pd.read_csv(out / "predictions.csv")
    right = predictions["label"] == predictions["predicted"]
    told = {
        row[1]: row[5].split(" (")[0] for row in page.rows("Arm", "Sensitivity", "Specificity", "Balanced accuracy")
    }
    assert told == {arm: f"{100 * share:.1f} %" for arm, share in right.groupby(predictions["arm"]).mean().items()}
