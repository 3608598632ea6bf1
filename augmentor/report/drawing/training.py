"""Training curves of a GAN, with the line of equilibrium."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augmentor.report.drawing.figures import BLACK, BLUE, ORANGE, STYLE, VERMILLION

DISCRIMINATION = {"discrimination_train": "training lesions", "discrimination_held_out": "held-out lesions"}


@matplotlib.rc_context(STYLE)
def training_plot(metrics: pd.DataFrame) -> Figure:
    """How well the discriminator tells real from synthetic, and the share of near-copies, above the two losses, by
    thousands of images shown.

    `metrics` holds the lines of metrics.jsonl; of those, kind, kimg, `loss_*`, `discrimination_*` and near_copies are
    drawn.
    """
    figure = Figure(figsize=(5.0, 5.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    snapshots, steps = (metrics[metrics["kind"] == kind] for kind in ("snapshot", "step"))
    above.axhline(0.5, color=BLACK, linestyle="--", linewidth=1, label="equilibrium")
    for (name, label), color, marker in zip(DISCRIMINATION.items(), (BLUE, VERMILLION), "os", strict=True):
        _draw_curve(above, snapshots, name, color=color, label=label, marker=marker)
    _draw_curve(above, snapshots, "near_copies", color=ORANGE, label="near-copies (share)", marker="^")
    above.set(ylim=(0, 1.03), ylabel="Discrimination (AUC)")
    _draw_curve(below, steps, "loss_d", color=BLUE, label="discriminator")
    _draw_curve(below, steps, "loss_g", color=ORANGE, label="generator")
    below.set(ylabel="Loss", xlabel="Thousand real images shown")
    for axes in (above, below):
        if axes.lines:
            axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2, fontsize=9, columnspacing=1)
    return figure


def _draw_curve(axes: Axes, rows: pd.DataFrame, column: str, *, color: str, label: str, marker: str = "") -> None:
    """A column against kimg, or nothing if it is empty; many values are drawn faintly under their running mean, and a
    single one, through which no line leads, is a dot."""
    curve = rows.reindex(columns=["kimg", column]).astype(float).dropna()
    if curve.empty:
        return
    if len(curve) > 200:
        axes.plot(curve["kimg"], curve[column], color=color, alpha=0.2, linewidth=0.8)
        curve = curve.rolling(len(curve) // 40, center=True, min_periods=1).mean()
    marker = marker or ("o" if len(curve) == 1 else "")
    axes.plot(curve["kimg"], curve[column], color=color, marker=marker, markersize=4, label=label)
