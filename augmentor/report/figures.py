"""The pictures of a report. A function draws one `Figure` and keeps no global state."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from augmentor.benchmarking.arms import BASELINE as REFERENCE

BLACK, ORANGE, BLUE, VERMILLION, GREY = "#000000", "#E69F00", "#0072B2", "#D55E00", "#767676"  # Okabe & Ito 2008, grey

NARROW = 4.4  # inches, as wide as a phone at this size of letters
MAX_PNG_BYTES = 150_000
MAX_CONFUSION_PANELS = 12
NAMES = {"auc": "AUC", "brier": "Brier score", "ece": "Calibration error"}

Layout = Literal["constrained", "compressed"]

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called "a$b"
}


@matplotlib.rc_context(STYLE)
def arms_plot(arms: pd.DataFrame, metric: str, columns: int = 3) -> Figure:
    """One panel a classifier, one row an arm: the mean of `metric` and its interval, with classic as a dashed line.

    `arms` has the columns arm, classifier, metric, mean, low, high, as fractions; numbers may be missing.
    """
    rows = arms[arms["metric"] == metric].rename(columns={"mean": "value"})
    classic = rows[rows["arm"] == REFERENCE].set_index("classifier")["value"].astype(float)
    figure = _interval_panels(rows, classic.to_dict(), columns)
    figure.axes[0].xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %"))
    dashed = f"; dashed: {REFERENCE}" if len(classic) else ""
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
    figure.supxlabel(f"{metric} minus {REFERENCE}, points, 95 % interval", fontsize=10)
    return figure


@matplotlib.rc_context(STYLE)
def confusion_plot(predictions: pd.DataFrame, columns: int = 4) -> Figure:
    """One confusion matrix an arm and classifier, in percent of each true class, over all folds and seeds.

    Only the first classifier is drawn where there would be more than `MAX_CONFUSION_PANELS` matrices.
    """
    shares = confusion_shares(predictions)
    shares = shares[shares["classifier"].isin(confusion_classifiers(predictions))]
    classes = list(dict.fromkeys(shares["label"]))
    cells = list(shares.groupby(["classifier", "arm"], sort=False))
    width = NARROW
    if columns > 2:
        columns = min(columns, shares["arm"].nunique())
        width = max(NARROW, 1.0 + 2.0 * columns)
    height = -(-len(cells) // columns) * (width / (columns + 0.6) + 0.45) + 1.0
    figure, panels = panel_grid(len(cells), columns, (width, height), layout="compressed")
    for axes, ((classifier, arm), cell) in zip(panels, cells, strict=True):
        _draw_matrix(axes, cell.pivot(index="label", columns="predicted", values="share").loc[classes, classes])
        axes.set_title(f"{wrapped(str(arm), 16)}\n{wrapped(str(classifier), 16)}", fontsize=9)
    figure.supxlabel("Predicted class, percent of the true class", fontsize=10)
    figure.supylabel("True class", fontsize=10)
    return figure


@matplotlib.rc_context(STYLE)
def training_plot(metrics: pd.DataFrame) -> Figure:
    """How well the discriminator tells real from synthetic, above the two losses, by thousands of images shown.

    `metrics` holds the lines of metrics.jsonl; of those, kind, kimg, `loss_*` and `discrimination_*` are drawn.
    """
    figure = Figure(figsize=(5.0, 5.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    snapshots, steps = (metrics[metrics["kind"] == kind] for kind in ("snapshot", "step"))
    above.axhline(0.5, color=BLACK, linestyle="--", linewidth=1, label="equilibrium")
    _draw_curve(above, snapshots, "discrimination_train", color=BLUE, label="training lesions", marker="o")
    _draw_curve(above, snapshots, "discrimination_held_out", color=VERMILLION, label="held-out lesions", marker="s")
    above.set(ylim=(0, 1.03), ylabel="Discrimination (AUC)")
    _draw_curve(below, steps, "loss_d", color=BLUE, label="discriminator")
    _draw_curve(below, steps, "loss_g", color=ORANGE, label="generator")
    below.set(ylabel="Loss", xlabel="Thousand real images shown")
    for axes in (above, below):
        if axes.lines:
            axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, fontsize=9, columnspacing=1)
    return figure


def confusion_shares(predictions: pd.DataFrame) -> pd.DataFrame:
    """Every classifier, arm, true label and predicted class with its `images` and its `share` of the true class.

    The classes and their order come from the columns `p_<class>`; an image counts once a seed.
    """
    classes = [name.removeprefix("p_") for name in predictions.columns if name.startswith("p_")]
    pairs = pd.MultiIndex.from_product([classes, classes], names=["label", "predicted"])
    tables = []
    for classifier, arm in product(*(dict.fromkeys(predictions[name]) for name in ("classifier", "arm"))):
        cell = predictions[(predictions["classifier"] == classifier) & (predictions["arm"] == arm)]
        if cell.empty:
            continue
        counts = cell[["label", "predicted"]].value_counts().reindex(pairs, fill_value=0).rename("images").reset_index()
        counts["share"] = counts["images"] / counts.groupby("label")["images"].transform("sum")
        tables.append(counts.assign(classifier=classifier, arm=arm))
    order = ["classifier", "arm", "label", "predicted", "images", "share"]
    return pd.concat(tables, ignore_index=True)[order]


def confusion_classifiers(predictions: pd.DataFrame) -> list[str]:
    """The classifiers whose matrices fit into one picture: all of them, or the first."""
    names = list(dict.fromkeys(predictions["classifier"]))
    return names if len(names) * predictions["arm"].nunique() <= MAX_CONFUSION_PANELS else names[:1]


def in_points(share: float, _: float | None = None) -> str:
    """A difference of fractions as a tick in points."""
    return signed(round(100 * share, 6), "g")


def save(figure: Figure, path: Path, numbers: pd.DataFrame) -> None:
    """Write the PNG and, beside it under the same name, the numbers that it shows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure))
    numbers.to_csv(path.with_suffix(".csv"), index=False)


@matplotlib.rc_context(STYLE)
def png(figure: Figure) -> bytes:
    """The figure at the highest resolution that stays under `MAX_PNG_BYTES`."""
    for dpi in (180, 120, 80, 50):
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.05)
        Image.open(drawn).convert("RGB").quantize(128).save(small, format="png", optimize=True)
        if small.tell() < MAX_PNG_BYTES:
            break
    return small.getvalue()


def words(metric: str) -> str:
    """A metric's name as a reader says it: `balanced_accuracy` is Balanced accuracy, `auc` is AUC."""
    return NAMES.get(metric, metric.replace("_", " ").capitalize())


def signed(number: float, form: str) -> str:
    """A number with its sign, zero without one, and a true minus, which aligns with the digits."""
    text = format(number, form)
    return text.replace("-", "\N{MINUS SIGN}") if float(text) < 0 else f"+{text}" if float(text) else text.lstrip("-")


def wrapped(name: str, width: int) -> str:
    """A long name on several lines, broken after `+`, `_` and `-` rather than within a word."""
    lines = textwrap.wrap(re.sub(r"([+_])", r"\1 ", name), width)
    return re.sub(r"([+_]) ", r"\1", "\n".join(lines))


def panel_grid(count: int, columns: int, size: tuple[float, float], layout: Layout) -> tuple[Figure, list[Axes]]:
    """`count` panels on common axes, row by row, labelled only at the left and where no panel stands below."""
    figure = Figure(figsize=size, layout=layout)
    panels: list[Axes] = []
    for place in range(count):
        first = panels[0] if panels else None
        axes = figure.add_subplot(-(-count // columns), columns, place + 1, sharex=first, sharey=first)
        axes.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= count, length=0)
        panels.append(axes)
    return figure, panels


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
        color = GREY if arm == REFERENCE else BLUE
        axes.hlines(place, row["low"], row["high"], color=color, linewidth=2)
        axes.plot(row["value"], place, marker="D" if arm == REFERENCE else "o", color=color, markersize=6)
    axes.grid(axis="y", visible=False)


def _draw_matrix(axes: Axes, matrix: pd.DataFrame) -> None:
    """`matrix` holds shares, true classes down and predicted classes across; a class without images stays white."""
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.set_xticks(range(len(matrix)), matrix.columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(matrix)), matrix.index)
    for (row, column), share in np.ndenumerate(matrix.to_numpy()):
        if np.isfinite(share):
            color = "white" if share > 0.5 else "black"
            size = min(10, 48 / len(matrix))
            axes.text(column, row, f"{100 * share:.0f}", color=color, fontsize=size, ha="center", va="center")


def _draw_curve(axes: Axes, rows: pd.DataFrame, column: str, *, color: str, label: str, marker: str = "") -> None:
    """A column against kimg, or nothing if it is empty; many values are drawn faintly under their running mean."""
    curve = rows.reindex(columns=["kimg", column]).astype(float).dropna()
    if curve.empty:
        return
    if len(curve) > 200:
        axes.plot(curve["kimg"], curve[column], color=color, alpha=0.2, linewidth=0.8)
        curve = curve.rolling(len(curve) // 40, center=True, min_periods=1).mean()
    axes.plot(curve["kimg"], curve[column], color=color, marker=marker, markersize=4, label=label)
