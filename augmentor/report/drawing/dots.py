"""Dot plots with intervals: the arms of a benchmark, and what each gained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from augmentor.benchmarking.arms import BASELINE
from augmentor.report.drawing.figures import BLACK, BLUE, GREY, LONGEST, NARROW, STYLE, panel_grid, shortened, wrapped
from augmentor.report.numbers import in_points, words


@matplotlib.rc_context(STYLE)
def arms_plot(arms: pd.DataFrame, metric: str, columns: int = 3) -> Figure:
    """One panel a classifier, one row an arm: the mean of `metric` and its interval, with classic as a dashed line.

    `arms` has the columns arm, classifier, metric, mean, low, high, as fractions; numbers may be missing.
    """
    rows = arms[arms["metric"] == metric].rename(columns={"mean": "value"})
    classic = rows[rows["arm"] == BASELINE].set_index("classifier")["value"].astype(float)
    figure = _interval_panels(rows, classic.to_dict(), columns)
    figure.axes[0].xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))
    dashed = f"; dashed: {BASELINE}" if len(classic) else ""
    figure.supxlabel(f"{words(metric)}, 95 % interval{dashed}", fontsize=10)
    return figure


@matplotlib.rc_context(STYLE)
def difference_plot(comparisons: pd.DataFrame, columns: int = 3) -> Figure:
    """One panel a classifier, one row an arm: the difference to classic in points, with a line at zero.

    `comparisons` has the columns arm, classifier, metric (the same in every row), difference, low, high, as fractions.
    """
    rows = comparisons.rename(columns={"difference": "value"})
    figure = _interval_panels(rows, dict.fromkeys(rows["classifier"], 0.0), columns)
    figure.axes[0].xaxis.set_major_formatter(in_points)
    metric = words(rows["metric"].iloc[0])
    figure.supxlabel(f"{metric} minus {BASELINE}, points, 95 % interval", fontsize=10)
    return figure


def _interval_panels(rows: pd.DataFrame, references: Mapping[Any, float], columns: int) -> Figure:
    """One panel a classifier with a dot and an interval for each arm; `references` places the dashed lines."""
    arms, classifiers = list(dict.fromkeys(rows["arm"])), list(dict.fromkeys(rows["classifier"]))
    width = NARROW if columns == 1 else 1.8 + 2.4 * min(columns, len(classifiers))
    columns = min(columns, len(classifiers))
    height = -(-len(classifiers) // columns) * (0.27 * len(arms) + 0.6) + 0.4
    figure, panels = panel_grid(len(classifiers), columns, (width, height), layout="constrained")
    for axes, classifier in zip(panels, classifiers, strict=True):
        _draw_intervals(axes, rows[rows["classifier"] == classifier].set_index("arm").reindex(arms))
        axes.axvline(references.get(classifier, float("nan")), color=BLACK, linestyle="--", linewidth=1)
        axes.set_title(wrapped(classifier, 24))
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    panels[0].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return figure


def _draw_intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """`rows` is indexed by arm, top to bottom, with value, low and high; a missing number leaves a gap."""
    for place, (arm, row) in enumerate(rows[["value", "low", "high"]].astype(float).iterrows()):
        color = GREY if arm == BASELINE else BLUE
        axes.hlines(place, row["low"], row["high"], color=color, linewidth=2)
        axes.plot(row["value"], place, marker="D" if arm == BASELINE else "o", color=color, markersize=6)
    axes.grid(axis="y", visible=False)


@matplotlib.rc_context(STYLE)
def readers_plot(readers: list[dict[str, Any]]) -> Figure:
    """A row a reader: the share told right and its interval, with chance as a dashed line.

    A reader has the keys reader, accuracy, low and high, as fractions.
    """
    rows = pd.DataFrame(readers).rename(columns={"reader": "arm", "accuracy": "value"})
    figure = _interval_panels(rows.assign(classifier=""), {"": 0.5}, columns=1)
    (axes,) = figure.axes
    axes.set_yticks(range(len(rows)), [shortened(name, LONGEST) for name in rows["arm"]])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))
    figure.supxlabel("Told right, 95 % interval; dashed: chance", fontsize=10)
    return figure
