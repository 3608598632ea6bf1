"""The pictures of a page: each with its PNG and CSV in figures/, its caption and its text alternative."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from augmentor.report import curves, embedding, figures

MAX_SAMPLE_BYTES = 800_000


class Picture(NamedTuple):
    """What an <img> needs; `source` is a data URI, `narrow` one for a phone where that differs.

    A page shows it at most `inches` wide, so that the letters of all charts have one size.
    """

    source: str
    alt: str
    caption: str
    inches: float
    narrow: str = ""
    kind: str = "chart"


def read_cells(path: Path) -> pd.DataFrame:
    """A CSV with one row a cell or an image; names stay text, so that a class called 1 or NA survives."""
    names = dict.fromkeys(["arm", "classifier", "fold", "label", "predicted"], str)
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def arms_picture(out: Path, arms: pd.DataFrame, metric: str) -> Picture:
    rows = arms[arms["metric"] == metric]
    name = figures.words(metric)
    reference = figures.REFERENCE in set(rows["arm"])
    dashed = f"; the dashed line is {figures.REFERENCE} augmentation" if reference else ""
    return _chart(
        lambda columns: figures.arms_plot(rows, metric, columns),
        out / "figures" / "arms.png",
        rows,
        alt=f"Dot plot: {name.lower()} of {_described(rows)}, with 95 % intervals. The table below holds the numbers.",
        caption=f"{name} of every arm, on patients that neither the GAN nor the classifier has seen. A bar is the "
        f"95\N{NO-BREAK SPACE}% interval over patients{dashed}.",
    )


def difference_picture(out: Path, comparisons: pd.DataFrame, metric: str) -> Picture | None:
    """None where nothing was compared to classic, or not in this metric."""
    rows = comparisons[comparisons["metric"] == metric] if len(comparisons) else comparisons
    if rows.empty:
        return None
    name = figures.words(metric)
    return _chart(
        lambda columns: figures.difference_plot(rows, columns),
        out / "figures" / "difference.png",
        rows,
        alt=f"Dot plot: {name.lower()} minus {figures.REFERENCE} of {_described(rows)}, with 95 % intervals. "
        "The table of comparisons holds the numbers.",
        caption=f"{name} of every arm minus that of {figures.REFERENCE} augmentation, in percentage points. "
        "Right of the dashed line an arm is better; a bar that crosses it leaves the sign open. A bar is the "
        "95\N{NO-BREAK SPACE}% interval, corrected for the number of comparisons.",
    )


def confusion_picture(out: Path) -> Picture | None:
    """None where the benchmark kept no predictions."""
    if not (out / "predictions.csv").exists():
        return None
    predictions = read_cells(out / "predictions.csv")
    drawn = figures.confusion_classifiers(predictions)
    left_out = predictions["classifier"].nunique() - len(drawn)
    caption = "Of the images of each true class (row), how many percent were given each class (column)."
    if left_out:
        caption += f" Classifier {drawn[0]} only; figures/confusion.csv also holds the other {left_out}."
    shares = figures.confusion_shares(predictions)
    return _chart(
        lambda columns: figures.confusion_plot(predictions, columns),
        out / "figures" / "confusion.png",
        shares,
        alt=f"Confusion matrices of {_described(shares[shares['classifier'].isin(drawn)])}. "
        "The file figures/confusion.csv holds the numbers.",
        caption=caption,
        columns=(4, 2),
    )


def curve_picture(out: Path, curve: curves.Curve, metric: str, name: str, about: str) -> Picture | None:
    """Written to figures/NAME.png; `about` ends the caption. None where the curve has no points."""
    if curve.points.empty:
        return None
    path, figure = out / "figures" / f"{name}.png", curves.curve_plot(curve, metric)
    figures.save(figure, path, curve.points.drop(columns="tick"))
    told = "; ".join(
        f"{point['tick'].replace(chr(10), ', ')}: {figures.in_points(round(point['difference'], 3))}"
        for point in curve.points.to_dict("records")
    )
    gained = f"{figures.words(metric)} of {curves.CURVE_ARM} minus that of {figures.REFERENCE}"
    return Picture(
        _data_uri(path.read_bytes()),
        alt=f"Curve: {gained.lower()} in points, against {curve.lesions.lower()}. {told}. "
        f"The file figures/{name}.csv also holds the intervals.",
        caption=f"{gained}, in percentage points, against the {curve.lesions.lower()} of a training set. A bar is the "
        f"95\N{NO-BREAK SPACE}% interval; one that crosses the dashed line leaves the sign open. {about}",
        inches=figure.get_figwidth(),
    )


def embedding_picture(out: Path) -> Picture | None:
    """None where the benchmark fitted no GAN."""
    if not (out / "embedding.csv").exists():
        return None
    points = read_cells(out / "embedding.csv")
    shown = embedding.embedding_classes(points)
    counts = ", ".join(f"{(points['origin'] == key).sum()} {name}" for key, name in embedding.NAMES.items())
    left_out = points["label"].nunique() - len(shown)
    more = f" The {len(shown)} largest classes; figures/embedding.csv also holds the others." if left_out else ""
    return _chart(
        lambda columns: embedding.embedding_plot(points, columns),
        out / "figures" / "embedding.png",
        points,
        alt=f"Scatter plot of lesions on a plane by t-SNE, one panel for each class ({', '.join(shown)}): {counts}. "
        "The file figures/embedding.csv holds the points.",
        caption="Lesions of the first fold on a plane, by t-SNE of their texture features; lesions that look alike lie "
        "together, and the axes have no unit. Grey: the other classes. Synthetic lesions should lie where the real "
        f"ones of their class lie, all over the class and not on single lesions.{more}",
        columns=(3, 2),
    )


def training_picture(out: Path, run: Path, name: str) -> Picture | None:
    """Drawn into OUT/figures; None where the run left no metrics."""
    metrics = _read_metrics(run)
    if metrics.empty:
        return None
    figure, path = figures.training_plot(metrics), out / "figures" / f"training-{name.replace('/', '-')}.png"
    figures.save(figure, path, metrics)
    return Picture(
        _data_uri(path.read_bytes()),
        alt=f"Training curves of {name}: how well the discriminator tells real from synthetic, and both losses.",
        caption=f"{name}. Above: how well the discriminator tells real from synthetic; 0.5 is the equilibrium, and "
        "training lesions far above held-out ones mean that it learns them by heart. Below: the losses.",
        inches=figure.get_figwidth(),
    )


def sample_picture(run: Path) -> Picture | None:
    """The last sample grid of a run; None where there is none."""
    grids = sorted((run / "samples").glob("*.png"))
    if not grids:
        return None
    return Picture(
        _data_uri(_within(grids[-1].read_bytes(), MAX_SAMPLE_BYTES)),
        alt=f"Grid of lesions, one row a class: real ones at the left, synthetic ones of {run.name} at the right.",
        caption=f"One row a class: first real lesions, then synthetic ones ({run.name}, {grids[-1].stem}).",
        inches=9.0,
        kind="pixels",
    )


def _chart(
    plot: Callable[[int], Figure],
    path: Path,
    numbers: pd.DataFrame,
    *,
    alt: str,
    caption: str,
    columns: tuple[int, int] = (3, 1),
) -> Picture:
    """`plot(columns)` drawn twice: as many panels across as a page takes, which is saved, and as a phone takes."""
    wide, narrow = columns
    figure = plot(wide)
    figures.save(figure, path, numbers)
    return Picture(
        _data_uri(path.read_bytes()), alt, caption, figure.get_figwidth(), _data_uri(figures.png(plot(narrow)))
    )


def _described(rows: pd.DataFrame) -> str:
    arms, classifiers = (", ".join(dict.fromkeys(rows[name])) for name in ("arm", "classifier"))
    return f"the arms {arms} with the classifiers {classifiers}"


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _within(png: bytes, limit: int) -> bytes:
    """The picture, halved until it takes at most `limit` bytes."""
    while len(png) > limit:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(png)).reduce(2).save(buffer, format="png", optimize=True)
        png = buffer.getvalue()
    return png


def _read_metrics(run: Path) -> pd.DataFrame:
    """The lines of metrics.jsonl, an empty table where there is none; a line that a killed run left half is skipped."""
    path = run / "metrics.jsonl"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return pd.DataFrame(lines)
