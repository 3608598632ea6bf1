"""The picture of fidelity."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.axes import Axes

from augmentor.report.drawing.fidelity import fidelity_plot
from tests.report.drawing.overlaps import overlapping_texts

MEASURES = ["kid", "mmd", "precision", "recall", "density", "coverage", "a_measure_of_another_version"]


def scores(classes: list[str]) -> pd.DataFrame:
    rows = [{"class": name, "measure": measure} for name in classes for measure in MEASURES]
    return pd.DataFrame(rows).assign(synthetic=0.4, augmented=0.3, floor=0.2, training=0.1)


def test_a_panel_shows_every_side_of_a_measure():
    axes = fidelity_plot(scores(["cyst", "mean"])).axes
    assert len(axes) == len(MEASURES)
    drawn = {line.get_label(): line.get_xdata().tolist() for line in axes[0].lines}
    values = {"training halves": 0.1, "floor: real lesions": 0.2, "real lesions, augmented": 0.3, "synthetic": 0.4}
    assert drawn == {name: [value] * 2 for name, value in values.items()}


def test_a_side_that_was_not_measured_is_left_out():
    axes = fidelity_plot(scores(["mean"]).drop(columns=["training", "augmented"]).assign(floor=None)).axes
    assert [line.get_label() for line in axes[0].lines] == ["floor: real lesions", "synthetic"]


@pytest.mark.parametrize("columns", [2, 3])
def test_names_neither_overlap_nor_leave_the_figure(columns):
    assert overlapping_texts(fidelity_plot(scores(["cyst", "metastasis", "mean"]), columns)) == []


@pytest.mark.parametrize("columns", [2, 3])
def test_long_class_names_leave_the_panels_their_place(columns):
    figure = fidelity_plot(scores([f"{letter}{' of the portal venous phase' * 4}" for letter in "ab"]), columns)
    assert overlapping_texts(figure) == []
    assert min(axes.get_position().width * figure.get_figwidth() for axes in figure.axes) > 0.75  # inches


def far_and_near() -> pd.DataFrame:
    """One class's synthetic lesions score a KID of 1087, all else at most 33."""
    table = scores(["cyst", "scar", "mean"])
    kid = table["measure"] == "kid"
    for side, values in {
        "synthetic": [549.0, 1087.5, 546.6],
        "augmented": [32.6, 0.9, 18.6],
        "floor": [-0.02, 0.05, -0.04],
        "training": [-0.24, 0.19, -0.03],
    }.items():
        table.loc[kid, side] = values
    return table


def share_between_floor_and_augmented(axes: Axes) -> float:
    """How much of a panel's width lies between the floor and the augmented lesions of its first class."""
    places = {
        line.get_label(): axes.transAxes.inverted().transform(line.get_transform().transform(line.get_xydata()))
        for line in axes.lines
    }
    return abs(places["real lesions, augmented"][0, 0] - places["floor: real lesions"][0, 0])


@pytest.mark.parametrize("columns", [2, 3])
def test_a_few_values_far_out_do_not_press_the_others_onto_one_spot(columns):
    figure = fidelity_plot(far_and_near(), columns)
    figure.canvas.draw()
    axes = figure.axes[0]
    assert share_between_floor_and_augmented(axes) > 0.15
    assert axes.get_xlim()[0] < -0.24
    assert axes.get_xlim()[1] > 1087.5
    assert "logarithmic" in axes.get_xlabel()
    assert not any("$" in tick.get_text() for tick in axes.get_xticklabels())
    assert overlapping_texts(figure) == []


def test_values_of_one_size_keep_a_plain_scale():
    assert {axes.get_xscale() for axes in fidelity_plot(scores(["cyst", "mean"])).axes} == {"linear"}


@pytest.mark.parametrize("value", [None, 0.0])
def test_a_kid_that_is_missing_or_zero_throughout_keeps_a_plain_scale(value):
    table = scores(["mean"]).astype({"synthetic": object})
    table.loc[table["measure"] == "kid", ["synthetic", "augmented", "floor", "training"]] = value
    assert fidelity_plot(table).axes[0].get_xscale() == "linear"
