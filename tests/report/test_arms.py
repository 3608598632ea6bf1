"""The section of the arms: numbers as a reader expects them, and words for what is not there."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from augmentor.benchmarking.scores import METRICS
from augmentor.report.html import report
from augmentor.report.sections.arms import METRICS as TOLD
from augmentor.report.sections.arms import (
    arms_table,
    by_patient_table,
    choices_table,
    class_tables,
    comparison_tables,
    mcnemar_table,
)
from tests.report.fake import write_benchmark
from tests.report.page import Page, only_row

NAMES = {"arm": "auto", "classifier": "svm"}


@pytest.mark.parametrize(
    ("asked", "left", "told"),
    [
        (("real", "classic+gan"), ("real", "classic+gan"), "the arm classic was not run."),
        (("classic",), ("classic",), "classic is the only arm that was run."),
        (("real", "classic"), ("real",), "no classifier has cells of both classic and another arm that did not fail."),
        (("real", "classic"), ("classic",), "no classifier has cells of both classic and another arm"),
        (("real", "classic"), ("real", "classic"), None),
    ],
)
def test_why_nothing_was_compared_is_told_as_it_was(tmp_path, asked, left, told):
    """`left`: the arms of which not every cell failed."""
    folder = write_benchmark(tmp_path, left, ("logistic",), gans=False)
    summary = json.loads((folder / "summary.json").read_text())
    summary["recipe"]["benchmark"]["arms"] = asked
    if told:
        summary["comparisons"] = []
    (folder / "summary.json").write_text(json.dumps(summary))
    found = [text for _, text in Page(report([folder], folder)).texts if text.startswith("Nothing was compared")]
    assert len(found) == bool(told)
    assert all(text.startswith(f"Nothing was compared: {told}") for text in found)


def comparison(metric: str, **changed: object) -> dict[str, object]:
    row = {**NAMES, "metric": metric, "difference": -0.0123, "low": -0.02, "high": 0.0046}
    return row | {"p": 0.0004, "verdict": "gain", "detectable": 0.03} | changed


def test_every_metric_of_a_benchmark_has_a_column():
    assert set(TOLD) == set(METRICS)


def test_brier_score_and_calibration_error_are_numbers_and_the_others_percent():
    rows = [{**NAMES, "metric": metric, "mean": 0.25, "low": 0.2, "high": 0.3} for metric in METRICS]
    table = arms_table(pd.DataFrame(rows))
    by_head = dict(zip(table.heads, only_row(table), strict=True))
    assert by_head["Brier score"] == by_head["Calibration error"] == "0.250 (0.200 to 0.300)"
    assert by_head["AUC"] == by_head["Sensitivity"] == "25.0 % (20.0 to 30.0)"
    assert "lower is better" in table.caption


def test_a_difference_that_two_rows_do_not_give_is_explained_beside_them():
    row = {**NAMES, "metric": "sensitivity", "mean": 0.37, "low": 0.25, "high": 0.63}
    assert "difference of an arm is a mean over test sets" in arms_table(pd.DataFrame([row])).caption


def test_an_arm_that_lacks_cells_is_marked_and_the_others_are_not():
    row = {**NAMES, "metric": "auc", "mean": 0.25, "low": 0.2, "high": 0.3}
    table = arms_table(pd.DataFrame([row, row | {"arm": "classic+gan", "failed": 2}]))
    assert [cells[0] for cells in table.groups["svm"]] == ["auto", "classic+gan, 2 cells failed"]
    assert "fewer lesions" in table.caption
    assert "fewer lesions" not in arms_table(pd.DataFrame([row])).caption


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("brier", ["\N{MINUS SIGN}0.012 (\N{MINUS SIGN}0.020 to +0.005)", "< 0.001", "0.030", "gain"]),
        ("auc", ["\N{MINUS SIGN}1.2 (\N{MINUS SIGN}2.0 to +0.5)", "< 0.001", "3.0", "gain"]),
    ],
)
def test_a_difference_has_its_metrics_unit(metric, told):
    (table,) = comparison_tables(pd.DataFrame([comparison(metric)]), metric)
    assert only_row(table)[1:] == told
    assert ("lower is better" in table.caption) == (metric == "brier")


def test_intervals_are_not_told_as_surer_together_than_they_are():
    (table,) = comparison_tables(pd.DataFrame([comparison("auc")]), "auc")
    assert "p is corrected for the number of comparisons" in table.caption
    assert "level of its own test" in table.caption
    assert "together are less sure than 95 %" in table.caption


def test_no_verdict_is_not_told_as_no_effect():
    (table,) = comparison_tables(pd.DataFrame([comparison("auc", verdict="none")]), "auc")
    assert only_row(table)[-1] == "not shown to differ"


def test_class_tables_have_one_row_an_arm_in_each_class_and_say_what_is_missing():
    rows = [
        {**NAMES, "class": "cyst", "metric": "sensitivity", "mean": 0.5, "low": None, "high": None},
        {**NAMES, "class": "cyst", "metric": "specificity", "mean": 0.75, "low": 0.7, "high": 0.8},
        {**NAMES, "class": "scar", "metric": "sensitivity", "mean": None, "low": None, "high": None},
        {**NAMES, "classifier": "cnn", "class": "cyst", "metric": "specificity", "mean": 1.0, "low": 1.0, "high": 1.0},
    ]
    first, second = class_tables(rows)
    assert first.groups["cyst"] == [["auto", "50.0 %", "75.0 % (70.0 to 80.0)"]]
    assert first.groups["scar"] == [["auto", "not measured", "not measured"]]
    assert second.groups == {"cyst": [["auto", "not measured", "100.0 % (100.0 to 100.0)"]]}


def test_mcnemars_test_counts_both_ways_and_says_that_it_is_no_verdict():
    table = mcnemar_table([NAMES | {"only_arm_right": 9, "only_baseline_right": 4, "p": 0.267}])
    assert only_row(table) == ["auto", "9", "4", "0.267"]
    assert "no verdict" in table.caption


def test_the_second_opinion_by_patient_is_of_one_metric_and_says_that_it_is_no_verdict():
    rows = [NAMES | {"metric": m, "difference": 0.024, "low": -0.011, "high": 0.063} for m in ("sensitivity", "auc")]
    table = by_patient_table(rows, "sensitivity")
    assert only_row(table) == ["auto", "+2.4 (\N{MINUS SIGN}1.1 to +6.3)"]
    assert "no verdict" in table.caption
    assert by_patient_table(rows, "brier") is None


def test_none_is_told_as_no_synthetic_lesions():
    table = choices_table([{"classifier": "svm", "plan": "none", "cells": 3}])
    assert table.groups == {"svm": [["no synthetic lesions", "3"]]}


def test_parts_without_rows_have_no_table():
    assert choices_table([]) is mcnemar_table([]) is None
    assert class_tables([]) == []
