"""The picture of lesions on a plane: a panel a class, with the training, test and synthetic lesions in it."""

from __future__ import annotations

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from augmentor.report.drawing.figures import BLUE, NARROW, ORANGE, STYLE, VERMILLION, panel_grid, wrapped

MAX_PANELS = 12
FAINT = "#D9D9D9"
MARKS: dict[str, dict[str, Any]] = {  # from the lowest layer to the uppermost; differ in shape as well as in colour
    "synthetic": {"color": VERMILLION, "marker": "x", "s": 14, "linewidths": 0.9},
    "train": {"facecolors": "none", "edgecolors": BLUE, "marker": "o", "s": 16, "linewidths": 1.0},
    "test": {"color": ORANGE, "edgecolors": "black", "marker": "^", "s": 20, "linewidths": 0.5},
}
NAMES = {"train": "real, training", "test": "real, test", "synthetic": "synthetic"}  # of a benchmark
NAMES_OF_A_FIT = NAMES | {"test": "real, held out"}


def plane_classes(points: pd.DataFrame) -> list[str]:
    """The classes that get a panel: all, or where they are too many the largest, in the order of the data."""
    largest = set(points["label"].value_counts().index[:MAX_PANELS])
    return [label for label in dict.fromkeys(points["label"]) if label in largest]


@matplotlib.rc_context(STYLE)
def plane_plot(points: pd.DataFrame, columns: int = 3, names: dict[str, str] = NAMES) -> Figure:
    """One panel a class on common axes, with the other classes' lesions faintly behind it.

    `points` has the columns x, y, label and origin (train, test or synthetic). names: of the origins.
    """
    classes = plane_classes(points)
    columns = min(columns, len(classes))
    width = max(NARROW, 0.3 + 2.7 * columns)
    panel = width / columns
    size = (width, -(-len(classes) // columns) * (panel + 0.2) + 0.4)
    figure, panels = panel_grid(len(classes), columns, size, layout="constrained")
    for axes, label in zip(panels, classes, strict=True):
        here = points["label"] == label
        axes.scatter(points["x"][~here], points["y"][~here], color=FAINT, s=6, linewidths=0)
        for origin, mark in MARKS.items():
            chosen = points[here & (points["origin"] == origin)]
            axes.scatter(chosen["x"], chosen["y"], label=names[origin], **mark)
        axes.set_title(wrapped(label, 24))
        axes.tick_params(labelleft=False, labelbottom=False)
        axes.grid(visible=False)
    handles, told = panels[0].get_legend_handles_labels()
    figure.legend(handles, told, loc="outside upper left", ncols=3, fontsize=9, columnspacing=1, handletextpad=0.2)
    return figure
