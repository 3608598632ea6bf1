"""The curves: where their points stand, and that their labels leave each other room."""

from __future__ import annotations

import pandas as pd
import pytest

from augmentor.report.drawing import curves, figures
from tests.report.drawing.overlaps import overlapping_texts

GAIN = {"difference": 0.02, "low": -0.01, "high": 0.05}


def cells(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"arm": curves.CURVE_ARM, "per_class": float("nan"), "factor": 3.0} | columns)


def test_a_point_stands_at_the_mean_of_its_cells_lesions():
    arms = cells(factor=[2.0, 3.0, 3.0], n_synthetic=[50, 100, 90])
    points = [{"synthetic": 2.0, **GAIN}, {"synthetic": 1.0, **GAIN}]
    curve = curves.synthetic_curve(points, arms)
    assert curve.points["lesions"].tolist() == [50, 95]
    assert curve.points["tick"].tolist() == ["50\n\N{MULTIPLICATION SIGN}1", "95\n\N{MULTIPLICATION SIGN}2"]


def test_cells_of_fewer_real_lesions_or_another_arm_do_not_count_for_the_synthetic_curve():
    arms = cells(arm=[curves.CURVE_ARM, curves.CURVE_ARM, "gan-only"], n_synthetic=[100, 20, 300])
    arms["per_class"] = [float("nan"), 10, float("nan")]
    assert curves.synthetic_curve([{"synthetic": 2.0, **GAIN}], arms).points["lesions"].tolist() == [100]


def test_the_real_curve_ends_with_all_lesions():
    arms = cells(arm=["classic"] * 3, n_real=[120, 30, 60])
    arms["per_class"] = [float("nan"), 10, 20]
    points = [{"real": None, **GAIN}, {"real": 10, **GAIN}, {"real": 20, **GAIN}]
    curve = curves.real_curve(points, arms)
    assert curve.points["tick"].tolist() == ["30\n10 a class", "60\n20 a class", "120\nall"]


def test_points_without_lesions_or_without_a_difference_are_dropped():
    arms = cells(factor=[1.0, 3.0], n_synthetic=[0, 100])
    unknown = {"synthetic": 2.0, "difference": None, "low": None, "high": None}
    points = [{"synthetic": 0.0, **GAIN}, {"synthetic": 9.0, **GAIN}, unknown]
    assert curves.synthetic_curve(points, arms).points.empty
    assert curves.synthetic_curve([], arms).points.empty


def test_the_plot_has_a_line_at_zero_the_gains_and_their_intervals():
    arms = cells(factor=[2.0, 3.0], n_synthetic=[50, 100])
    unsure = {"synthetic": 2.0, "difference": 0.03, "low": None, "high": None}
    curve = curves.synthetic_curve([{"synthetic": 1.0, **GAIN}, unsure], arms)
    (axes,) = curves.curve_plot(curve, "sensitivity").axes
    zero, gains = axes.lines
    assert zero.get_ydata() == [0, 0]
    assert gains.get_xdata().tolist() == [50, 100]
    assert gains.get_ydata().tolist() == [0.02, 0.03]
    (bar,) = axes.collections[0].get_segments()
    assert bar.tolist() == [[50, -0.01], [50, 0.05]]
    assert axes.get_xscale() == "log"
    assert axes.yaxis.get_major_formatter()(-0.05) == "\N{MINUS SIGN}5"


@pytest.mark.parametrize("counts", [[40], [5, 10, 20, 40, 80, 160], [100, 101, 102, 5000], [1, 20000], [7, 8, 9, 10]])
def test_labels_neither_overlap_nor_leave_the_figure_and_the_last_point_has_one(counts):
    arms = cells(arm=["classic"] * len(counts), n_real=[3 * count for count in counts], per_class=counts)
    curve = curves.real_curve([{"real": count, **GAIN} for count in counts], arms)
    figure = curves.curve_plot(curve, "sensitivity")
    assert overlapping_texts(figure) == []
    assert figure.axes[0].get_xticklabels()[-1].get_text().endswith(f"{counts[-1]}\na class")
    assert figures.png(figure)
