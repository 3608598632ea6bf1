"""The picture of fidelity: every measure of synthetic lesions beside what real ones score."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from augmentor.report.drawing.figures import BLACK, BLUE, LONGEST, NARROW, ORANGE, STYLE, VERMILLION, shortened, wrapped
from augmentor.report.evaluation import BETTER, NAMES
from augmentor.report.numbers import words

UNBOUNDED = ("kid", "fid")  # one class may score a thousand times what the others do
FAR = 30.0  # times the median: from here on most marks of a panel would lie on one spot

MARKS: dict[str, dict[str, Any]] = {  # differ in shape as well as in colour; the synthetic ones lie uppermost
    "training": {"marker": "^", "color": ORANGE, "markeredgecolor": "black", "markersize": 7},
    "augmented": {"marker": "s", "markerfacecolor": "none", "color": BLACK, "markersize": 8},
    "floor": {"marker": "D", "markerfacecolor": "none", "color": BLUE, "markersize": 8},
    "synthetic": {"marker": "o", "color": VERMILLION, "markersize": 5},
}


@matplotlib.rc_context(STYLE)
def fidelity_plot(scores: pd.DataFrame, columns: int = 3) -> Figure:
    """A panel a measure, each with a scale of its own; a row a class, the mean at the bottom.

    scores: the rows of one space, with class, measure and at least one of synthetic, augmented, floor, training.
    """
    measures, classes = (list(dict.fromkeys(scores[name])) for name in ("measure", "class"))
    labels = [shortened(str(label), LONGEST) for label in classes]
    columns = min(columns, len(measures))
    width = NARROW if columns < 3 else 1.6 + 2.2 * columns
    lines = -(-len(measures) // columns)
    figure = Figure(figsize=(width, lines * (0.24 * len(classes) + 0.75) + 0.4), layout="constrained")
    for place, measure in enumerate(measures):
        axes = figure.add_subplot(lines, columns, place + 1)
        rows = scores[scores["measure"] == measure].set_index("class").reindex(classes)
        for side, mark in MARKS.items():
            if side in rows:
                axes.plot(rows[side].astype(float), range(len(classes)), linestyle="", label=NAMES[side], **mark)
        better = f" ({BETTER[measure]} is better)" if measure in BETTER else ""
        axes.set_title(wrapped(f"{words(measure)}{better}", 28 if columns > 2 else 18), fontsize=9)
        axes.set_yticks(range(len(classes)), labels if place % columns == 0 else [])
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.margins(x=0.15)
        if measure in UNBOUNDED:
            _make_room(axes)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=2, fontsize=9, columnspacing=1, handletextpad=0.2)
    return figure


def _make_room(axes: Axes) -> None:
    """A logarithmic scale beyond the typical value where a few are so large that all others would lie on one spot."""
    values = np.concatenate([np.asarray(line.get_xdata(), float) for line in axes.lines])
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or sizes.max() < FAR * np.median(sizes):
        return
    linear = int(np.ceil(np.log10(np.median(sizes))))  # up to this power of ten the scale is a plain one
    decades = range(linear, int(np.floor(np.log10(sizes.max()))) + 1)
    marked = [10.0**power for power in decades[:: -(-len(decades) // 3)]]
    axes.set_xscale("symlog", linthresh=10.0**linear)
    ticks = [-size for size in marked if -size > np.nanmin(values)] + [0.0] + marked
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(f"logarithmic beyond {10.0**linear:g}", fontsize=8)
