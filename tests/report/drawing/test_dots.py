"""The dot plots: what they draw, and that nothing is cut off or overlaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from augmentor.report.drawing import dots, figures
from tests.report.drawing.overlaps import overlapping_texts

ARMS = ["real", "classic", *(f"classic+generator-{number}" for number in range(8))]
CLASSIFIERS = ["logistic", "forest", "densenet", "efficientnet_lite", "support_vector_machine"]


@pytest.fixture(scope="module")
def arms() -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product([CLASSIFIERS, ARMS], names=["classifier", "arm"]).to_frame(index=False)
    rows["metric"], rows["mean"] = "balanced_accuracy", random.uniform(0.7, 0.9, len(rows))
    return rows.assign(low=rows["mean"] - 0.05, high=rows["mean"] + 0.05)


@pytest.mark.parametrize("columns", [1, 3])
def test_ten_long_arms_and_five_classifiers_neither_overlap_nor_leave_the_figure(arms, columns):
    figure = dots.arms_plot(arms, "balanced_accuracy", columns)
    assert len(figure.axes) == len(CLASSIFIERS)
    assert len(figure.texts) == 1
    assert overlapping_texts(figure) == []


def test_arms_plot_draws_means_intervals_and_the_classic_line(arms):
    axes = dots.arms_plot(arms, "balanced_accuracy").axes[0]
    expected = arms[arms["classifier"] == CLASSIFIERS[0]].set_index("arm").loc[ARMS]
    assert [line.get_xdata()[0] for line in axes.lines[:-1]] == expected["mean"].tolist()
    assert [bar.get_segments()[0][:, 0].tolist() for bar in axes.collections] == expected[
        ["low", "high"]
    ].values.tolist()
    assert axes.lines[-1].get_xdata() == [expected.loc["classic", "mean"]] * 2


def test_missing_numbers_leave_gaps(arms):
    empty = arms[arms["classifier"] == "logistic"].assign(low=None, high=None)
    empty.loc[3, "mean"] = None
    assert figures.png(dots.arms_plot(empty, "balanced_accuracy"))


def test_difference_plot_has_a_zero_line_and_signed_points(arms):
    comparisons = arms[arms["arm"] != "classic"].assign(difference=lambda rows: rows["mean"] - 0.8)
    figure = dots.difference_plot(comparisons.assign(low=-0.12, high=0.1))
    axes = figure.axes[0]
    assert axes.lines[-1].get_xdata() == [0, 0]
    assert axes.xaxis.get_major_formatter()(-0.05) == "\N{MINUS SIGN}5"
    assert axes.xaxis.get_major_formatter()(0.05) == "+5"


def test_readers_stand_beside_the_line_of_chance():
    rows = [{"reader": name, "accuracy": 0.6, "low": 0.5, "high": 0.7} for name in ("anna", "ben")]
    figure = dots.readers_plot(rows)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["anna", "ben"]
    assert axes.lines[-1].get_xdata() == [0.5, 0.5]
    assert overlapping_texts(figure) == []


def test_a_reader_of_forty_letters_leaves_the_axis_its_place():
    names = ["Dr_Maximiliane-Wilhelmine_von-Hohenstein", "Dr_Maximiliane-Wilhelmine_von-Hohenzollern"[:40], "ben"]
    figure = dots.readers_plot([{"reader": name, "accuracy": 0.7, "low": 0.5, "high": 0.8} for name in names])
    (axes,) = figure.axes
    assert overlapping_texts(figure) == []
    assert axes.get_position().width > 0.5
    assert len({label.get_text() for label in axes.get_yticklabels()}) == len(names)


def test_the_axis_of_every_plot_says_what_is_on_it(arms):
    readers = [{"reader": "anna", "accuracy": 0.6, "low": 0.5, "high": 0.7}]
    plots = {
        "Balanced accuracy, 95 % interval; dashed: classic": dots.arms_plot(arms, "balanced_accuracy"),
        "Told right, 95 % interval; dashed: chance": dots.readers_plot(readers),
    }
    assert {figure.get_supxlabel().lower() for figure in plots.values()} == {told.lower() for told in plots}
