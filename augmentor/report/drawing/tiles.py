"""Lesions as they are, pixel by pixel: cut from the grid of a snapshot, or from rows without gaps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from augmentor.lettering import unframed
from augmentor.report.blocks import Tile
from augmentor.training.samples import GAP, REAL, SYNTHETIC

GREY = 128

Pixels = np.ndarray  # (S, S) or (S, S, 3) uint8


class Row(NamedTuple):
    """A row of a snapshot's grid: a class's lesions."""

    real: list[Pixels]
    synthetic: list[Pixels]


def cut_grid(file: Path) -> list[Row]:
    """The grid that a snapshot leaves, a row a class; places that had no real lesion are left out."""
    picture = unframed(file)
    size = (picture.shape[1] - GAP) // (REAL + SYNTHETIC)
    rows = []
    for top in range(0, picture.shape[0] - size + 1, size):
        line = picture[top : top + size]
        real = [line[:, i * size : (i + 1) * size] for i in range(REAL)]
        start = REAL * size + GAP
        synthetic = [line[:, start + i * size : start + (i + 1) * size] for i in range(SYNTHETIC)]
        rows.append(Row([tile for tile in real if tile.min() < 255], synthetic))
    return rows


def cut_rows(file: Path, rows: int) -> list[list[Pixels]]:
    """A picture of so many rows of square lesions without gaps."""
    picture = unframed(file)
    size = picture.shape[0] // rows
    lines = [picture[top : top + size] for top in range(0, rows * size, size)]
    return [[line[:, left : left + size] for left in range(0, line.shape[1], size)] for line in lines]


def make_tile(pixels: Pixels, alt: str) -> Tile:
    return Tile(data_uri(to_png(pixels)), alt, pixels.shape[1])


def mosaic(rows: Sequence[Sequence[Pixels | None]]) -> bytes:
    """PNG with the lesions of each row beside each other; what is missing is grey. All are of one size."""
    known = next(tile for row in rows for tile in row if tile is not None)
    empty = np.full_like(known, GREY)
    columns = max(map(len, rows))
    padded = [[empty if tile is None else tile for tile in row] + [empty] * (columns - len(row)) for row in rows]
    return to_png(np.concatenate([np.concatenate(row, axis=1) for row in padded]))


def to_png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
