"""A figure on a page: drawn, kept as PNG with its numbers as CSV, and put into the page with its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from augmentor.report.blocks import Picture
from augmentor.report.drawing import figures
from augmentor.report.drawing.tiles import data_uri


def chart(
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
    picture = single(plot(wide), path, numbers, alt=alt, caption=caption)
    return picture._replace(narrow=data_uri(figures.png(plot(narrow))))


def single(figure: Figure, path: Path, numbers: pd.DataFrame, *, alt: str, caption: str) -> Picture:
    """A figure that is narrow enough for every page."""
    drawn = figures.png(figure)
    figures.save(drawn, path, numbers)
    alt = f"{alt} The file figures/{path.stem}.csv holds the numbers."
    return Picture(data_uri(drawn), alt, caption, figure.get_figwidth())


def described(rows: pd.DataFrame) -> str:
    arms, classifiers = (", ".join(dict.fromkeys(rows[name])) for name in ("arm", "classifier"))
    return f"the arms {arms} with the classifiers {classifiers}"
