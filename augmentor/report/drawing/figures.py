"""How every figure of a report looks, and how it is written. No function keeps global state."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from PIL import Image

from augmentor.files import write_atomically, write_table

BLACK, ORANGE, BLUE, VERMILLION, GREY = "#000000", "#E69F00", "#0072B2", "#D55E00", "#767676"  # Okabe & Ito 2008, grey

NARROW = 4.4  # inches, as wide as a phone at this size of letters
MAX_PNG_BYTES = 150_000
LONGEST = 22  # letters of a class beside an axis

Layout = Literal["constrained", "compressed"]

HAN = (  # fonts with the letters that DejaVu Sans lacks, of which a machine has some or none
    *(f"Noto Sans CJK {kind}" for kind in ("SC", "TC", "JP", "KR")),
    *(f"Noto Sans {kind}" for kind in ("SC", "TC", "JP", "KR")),
    *(f"Source Han Sans {kind}" for kind in ("SC", "TC", "JP", "KR")),
    *("Microsoft YaHei", "Microsoft JhengHei", "Yu Gothic", "Malgun Gothic"),
)


def installed(families: Iterable[str]) -> list[str]:
    """Those that are there both regular and bold: matplotlib warns of every other one, whether it is needed or not."""
    there = {(font.name, font.weight) for font in fontManager.ttflist}
    return [name for name in families if {(name, 400), (name, 700)} <= there]


STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans", *installed(HAN)],  # each letter from the first that has it
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


def save(drawn: bytes, path: Path, numbers: pd.DataFrame) -> None:
    """Write the PNG and, beside it under the same name, the numbers that it shows as CSV; each is there whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, drawn)
    write_table(path.with_suffix(".csv"), numbers)


@matplotlib.rc_context(STYLE)
def png(figure: Figure) -> bytes:
    """The figure at the highest resolution that stays under `MAX_PNG_BYTES`."""
    for dpi in (180, 120, 80, 50):
        drawn, small = io.BytesIO(), io.BytesIO()
        unpacked = {"compress_level": 0}  # it is read again at once
        figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.05, pil_kwargs=unpacked)
        Image.open(drawn).convert("RGB").quantize(128).save(small, format="png", optimize=True)
        if small.tell() < MAX_PNG_BYTES:
            break
    return small.getvalue()


def wrapped(name: str, width: int) -> str:
    """A long name on several lines, broken after `+`, `_` and `-` rather than within a word."""
    lines = textwrap.wrap(re.sub(r"([+_])", r"\1 ", name), width)
    return re.sub(r"([+_]) ", r"\1", "\n".join(lines))


def shortened(name: str, width: int) -> str:
    """A long name on one line without its middle: names that begin or end differently stay apart."""
    if len(name) <= width:
        return name
    end = width // 2
    return f"{name[: width - 1 - end].rstrip()}\N{HORIZONTAL ELLIPSIS}{name[-end:].lstrip()}"


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
