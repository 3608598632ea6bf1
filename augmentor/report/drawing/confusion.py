"""Confusion matrices: which classes are mistaken for which."""

from __future__ import annotations

from itertools import product
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augmentor.report.drawing.figures import LONGEST, NARROW, STYLE, panel_grid, shortened, wrapped

MAX_PANELS = 12
_MANY = 6  # classes whose names, at a slant, would run into each other; of long names
_MANY_LONG = 4
_DARK = 0.72  # of a class: from here on white stands out more on the blue than black does, by WCAG's contrast


@matplotlib.rc_context(STYLE)
def confusion_plot(predictions: pd.DataFrame, columns: int = 4) -> Figure:
    """One confusion matrix an arm and classifier, in percent of each true class, over all folds and seeds.

    Only the first classifier is drawn where there would be more than `MAX_PANELS` matrices.
    """
    shares = confusion_shares(predictions)
    shares = shares[shares["classifier"].isin(confusion_classifiers(predictions))]
    classes = list(dict.fromkeys(shares["label"]))
    cells = list(shares.groupby(["classifier", "arm"], sort=False))
    width = NARROW
    if columns > 2:
        columns = min(columns, shares["arm"].nunique())
        width = max(NARROW, 1.0 + 2.0 * columns)
    below = 1.7 if _are_long(classes) and len(classes) >= _MANY_LONG else 1.0  # for the names
    height = -(-len(cells) // columns) * (width / (columns + 0.6) + 0.45) + below
    figure, panels = panel_grid(len(cells), columns, (width, height), layout="compressed")
    for axes, ((classifier, arm), cell) in zip(panels, cells, strict=True):
        _draw_matrix(axes, cell.pivot(index="label", columns="predicted", values="share").loc[classes, classes])
        axes.set_title(f"{wrapped(str(arm), 16)}\n{wrapped(str(classifier), 16)}", fontsize=9)
    figure.supxlabel("Predicted class, percent of the true class", fontsize=10)
    figure.supylabel("True class", fontsize=10)
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
    return names if len(names) * predictions["arm"].nunique() <= MAX_PANELS else names[:1]


def _are_long(classes: list[str]) -> bool:
    return max(map(len, classes)) > LONGEST / 2


def _draw_matrix(axes: Axes, matrix: pd.DataFrame) -> None:
    """`matrix` holds shares, true classes down and predicted classes across; a class without images stays white."""
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    labels = [shortened(str(label), LONGEST) for label in matrix.index]
    long = _are_long(labels)  # small ones leave the matrix its place, and each other theirs
    points = min(8, 52 / len(matrix)) if long else min(10, 84 / len(matrix))
    slant: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    upright = len(matrix) >= (_MANY_LONG if long else _MANY)
    axes.set_xticks(range(len(matrix)), labels, fontsize=points, **({"rotation": 90} if upright else slant))
    axes.set_yticks(range(len(matrix)), labels, fontsize=points)
    for (row, column), share in np.ndenumerate(matrix.to_numpy()):
        if np.isfinite(share):
            color = "white" if share > _DARK else "black"
            size = min(10, (42 if long else 56) / len(matrix))
            axes.text(column, row, f"{100 * share:.0f}", color=color, fontsize=size, ha="center", va="center")
