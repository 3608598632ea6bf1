"""A contact sheet of what was cut, to look at before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from augmentor.data.formats import stem
from augmentor.data.windows import DEEPEST, Window
from augmentor.lettering import fitting, font_of
from augmentor.measures import spread_rows

_CELL, _GAP, _COLUMNS, _MOST = 96, 4, 10, 60
_HEAD, _CAPTION, _SMALL = 24, 14, 11  # pixels: above a class, below a lesion, letters
_OUTLINE, _WORDS = (255, 176, 0), (230, 230, 230)


def write_sheet(folder: Path, rows: Sequence[dict[str, Any]], file: Path, window: Window | None = None) -> None:
    """At most 60 lesions, evenly from all of `rows` (path, label, mask), class by class, each over the name of its
    file, the mask's edge drawn in; volumes by their middle. With a window all are shown on its one scale of greys, so
    that a wrong one is seen; without one each on its own."""
    chosen = [rows[i] for i in spread_rows(len(rows), _MOST)]
    classes = [(label, list(of)) for label, of in groupby(sorted(chosen, key=_label), key=_label)]
    columns, counts = min(_COLUMNS, max(len(of) for _, of in classes)), Counter(map(_label, rows))
    parts = [_of_class(folder, f"{c}: {len(of)} of {counts[c]}", of, columns, window) for c, of in classes]
    sheet = Image.new("RGB", (parts[0].width, sum(part.height for part in parts) + _GAP))
    for number, part in enumerate(parts):
        sheet.paste(part, (0, sum(above.height for above in parts[:number])))
    sheet.save(file, compress_level=3)


def _of_class(folder: Path, head: str, rows: list[dict[str, Any]], columns: int, window: Window | None) -> Image.Image:
    pitch, line, font = _CELL + _GAP, _CELL + _GAP + _CAPTION, font_of(_CAPTION)
    part = Image.new("RGB", (columns * pitch + _GAP, _HEAD + -(-len(rows) // columns) * line))
    draw = ImageDraw.Draw(part)
    draw.text((_GAP, _HEAD / 2), fitting(head, part.width - 2 * _GAP, font), _WORDS, font, anchor="lm")
    for number, row in enumerate(rows):
        left, top = _GAP + number % columns * pitch, _HEAD + number // columns * line
        part.paste(Image.fromarray(_cell(folder, row, window)), (left, top))
        name = fitting(stem(Path(row["path"]).name), _CELL, font_of(_SMALL))
        draw.text((left, top + _CELL + _CAPTION / 2), name, _WORDS, font_of(_SMALL), anchor="lm")
    return part


def _label(row: dict[str, Any]) -> str:
    return str(row["label"])


def _cell(folder: Path, row: dict[str, Any], window: Window | None) -> np.ndarray:
    plane = _plane(folder / row["path"])
    low, high = _limits(plane, window)
    grey = (np.clip((plane.astype(np.float32) - low) / (high - low or 1), 0, 1) * 255).astype(np.uint8)
    colours = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
    cell = np.asarray(Image.fromarray(colours).resize((_CELL, _CELL), Image.Resampling.BILINEAR)).copy()
    if row["mask"]:
        inside = Image.fromarray(_plane(folder / row["mask"]) > 0).resize((_CELL, _CELL), Image.Resampling.NEAREST)
        cell[np.asarray(inside) ^ ndimage.binary_erosion(np.asarray(inside))] = _OUTLINE
    return cell


def _limits(plane: np.ndarray, window: Window | None) -> tuple[float, float]:
    """What is black and what is white. A window is spread over all that a 16-bit PNG holds; other files hold values."""
    if window is None:
        return float(plane.min()), float(plane.max())
    return (0.0, DEEPEST) if plane.dtype == np.uint16 else window.range


def _plane(file: Path) -> np.ndarray:
    """(rows, columns[, 3]) of an image that `extract` wrote."""
    if file.name.endswith(".npy"):
        return np.load(file)
    if not file.name.endswith(".nii.gz"):
        return np.asarray(Image.open(file))
    volume: Any = nibabel.load(file)
    middle = volume.shape[2] // 2
    section = np.asarray(volume.dataobj[..., middle]).T
    return section if volume.shape[2] == 1 else section[::-1, ::-1]  # towards R, A -> as readers see it
