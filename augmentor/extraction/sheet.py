"""A contact sheet of what was cut, to look at before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from scipy import ndimage

_CELL, _GAP, _COLUMNS, _MOST = 96, 4, 10, 60
_OUTLINE = (255, 176, 0)


def write_sheet(folder: Path, rows: Sequence[dict[str, Any]], file: Path) -> None:
    """At most 60 lesions, evenly from all of `rows` (path, mask), the mask's edge drawn in; volumes by their middle."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(_MOST, len(rows))).astype(int))
    cells = [_cell(folder, rows[i]) for i in chosen]
    columns = min(_COLUMNS, len(cells))
    high = -(-len(cells) // columns)
    pitch = _CELL + _GAP
    sheet = np.zeros((high * pitch + _GAP, columns * pitch + _GAP, 3), np.uint8)
    for number, cell in enumerate(cells):
        top, left = (_GAP + pitch * n for n in divmod(number, columns))
        sheet[top : top + _CELL, left : left + _CELL] = cell
    Image.fromarray(sheet).save(file, compress_level=3)


def _cell(folder: Path, row: dict[str, Any]) -> np.ndarray:
    plane = _plane(folder / row["path"]).astype(np.float32)
    low, high = plane.min(), plane.max()
    grey = ((plane - low) / (high - low or 1) * 255).astype(np.uint8)
    colours = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
    cell = np.asarray(Image.fromarray(colours).resize((_CELL, _CELL), Image.Resampling.BILINEAR)).copy()
    if row["mask"]:
        inside = Image.fromarray(_plane(folder / row["mask"]) > 0).resize((_CELL, _CELL), Image.Resampling.NEAREST)
        cell[np.asarray(inside) ^ ndimage.binary_erosion(np.asarray(inside))] = _OUTLINE
    return cell


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
