"""The picture of fidelity."""

from __future__ import annotations

import pandas as pd
import pytest

from augmentor.report.fidelity import fidelity_plot
from tests.report.overlaps import overlapping_texts

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
