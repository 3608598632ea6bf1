"""Two curves of the gain over classic augmentation: against how many synthetic lesions, and how many real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from augmentor.benchmarking.arms import BASELINE, CURVE_ARM
from augmentor.report.drawing.figures import BLACK, BLUE, NARROW, STYLE
from augmentor.report.numbers import in_points, words

_LETTER = 0.022  # of the axis, that a letter of a tick takes in a figure as wide as a phone


class Curve(NamedTuple):
    """What is drawn along x; `points` has the columns lesions, tick, difference, low, high, from left to right."""

    lesions: str
    points: pd.DataFrame


def synthetic_curve(points: list[dict[str, Any]], cells: pd.DataFrame) -> Curve:
    """The points of summary.json at the mean number of synthetic lesions that their cells were given.

    cells: a row a cell with arm, per_class, factor, n_synthetic. Points without lesions have no place and are dropped.
    """
    arm = cells[(cells["arm"] == CURVE_ARM) & cells["per_class"].isna()]
    counts = arm.groupby(arm["factor"].round(6))["n_synthetic"].mean()
    rows = [point | {"lesions": counts.get(round(1 + point["synthetic"], 6), np.nan)} for point in points]
    return _curve("Synthetic lesions", rows, lambda point: f"\N{MULTIPLICATION SIGN}{point['synthetic']:g}")


def real_curve(points: list[dict[str, Any]], cells: pd.DataFrame) -> Curve:
    """The points of summary.json at the mean number of real lesions that classic augmentation was trained on there.

    cells: a row a cell with arm, per_class (NaN for all lesions), n_real.
    """
    arm = cells[cells["arm"] == BASELINE]
    counts = arm.groupby(arm["per_class"].fillna(0))["n_real"].mean()
    rows = [point | {"lesions": counts.get(point["real"] or 0, np.nan)} for point in points]
    return _curve("Real lesions", rows, lambda point: f"{point['real']:g} a class" if point["real"] else "all")


@matplotlib.rc_context(STYLE)
def curve_plot(curve: Curve, metric: str) -> Figure:
    """The gain in points with its intervals, against the number of lesions (logarithmic), and a line at zero."""
    figure = Figure(figsize=(NARROW, 3.4), layout="constrained")
    axes = figure.add_subplot()
    points = curve.points
    shown = points.dropna(subset=["low", "high"])
    axes.axhline(0, color=BLACK, linestyle="--", linewidth=1)
    axes.vlines(shown["lesions"], shown["low"], shown["high"], color=BLUE, linewidth=2)
    axes.plot(points["lesions"], points["difference"], color=BLUE, marker="o", markersize=6, linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    _label_ticks(axes, points)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(in_points)
    axes.set(xlabel=f"{curve.lesions}, logarithmic", ylabel=f"{words(metric)} minus {BASELINE}, points")
    return figure


def _curve(lesions: str, rows: list[dict[str, Any]], tick: Callable[[dict[str, Any]], str]) -> Curve:
    """In the order of x; an interval that was not measured becomes NaN."""
    placed = [row for row in rows if row["lesions"] > 0 and row["difference"] is not None]
    points = pd.DataFrame([row | {"tick": f"{row['lesions']:.0f}\n{tick(row)}"} for row in placed])
    if points.empty:
        return Curve(lesions, points)
    numbers = ["difference", "low", "high"]
    return Curve(lesions, points.astype(dict.fromkeys(numbers, float)).sort_values("lesions", ignore_index=True))


def _label_ticks(axes: Axes, points: pd.DataFrame) -> None:
    """A label at every point, its words in narrow lines, from the right, where it leaves the next one room."""
    ticks = [tick.replace(" a class", "\na class") for tick in points["tick"]]
    places = np.log10(points["lesions"].to_numpy(float))
    span = max(np.ptp(places) * 1.24, 1e-9)
    labels, room = [], np.inf
    for place, tick in zip(reversed(places), reversed(ticks), strict=True):
        half = max(map(len, tick.split("\n"))) * _LETTER * span / 2
        fits = place + half < room
        labels.append(tick if fits else "")
        room = place - half if fits else room
    axes.set_xticks(points["lesions"], labels[::-1])
    axes.xaxis.set_minor_locator(NullLocator())
