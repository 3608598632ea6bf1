"""Lesions as they are, pixel by pixel: cut from the grid of a snapshot, read from a file, or drawn again by seed."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from augmentor.data.images import Intensity, file_format, intensity_of, read_image, storage, to_square
from augmentor.errors import DataError
from augmentor.evaluation.gallery import to_pixels
from augmentor.model.checkpoint import load_checkpoint
from augmentor.report.blocks import Tile
from augmentor.sampling import draw
from augmentor.training.run import Run

REAL, SYNTHETIC, GAP = 4, 8, 4  # lesions of a row of a snapshot's grid, and the pixels between both kinds
GREY = 128

Pixels = np.ndarray  # (S, S) or (S, S, 3) uint8


class Row(NamedTuple):
    """A row of a snapshot's grid: a class's lesions."""

    real: list[Pixels]
    synthetic: list[Pixels]


def cut_grid(file: Path) -> list[Row]:
    """The grid that a snapshot leaves, a row a class; places that had no real lesion are left out."""
    picture = np.asarray(Image.open(file))
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
    picture = np.asarray(Image.open(file))
    size = picture.shape[0] // rows
    lines = [picture[top : top + size] for top in range(0, rows * size, size)]
    return [[line[:, left : left + size] for left in range(0, line.shape[1], size)] for line in lines]


def read_tile(file: str, run: Run) -> Pixels | None:
    """A lesion image as the run's network sees it; None where this machine does not have it."""
    card = json.loads(run.chosen_checkpoint.with_suffix(".json").read_text(encoding="utf-8"))
    try:
        pixels = read_image(file).pixels
    except DataError:
        return None
    stored = storage(Intensity(**card["intensity"]), file_format(file))
    mapping = intensity_of(0, 255, pixels.dtype) if pixels.dtype == np.uint8 else stored
    return to_pixels(mapping.to_network(to_square(pixels, card["model"]["size"])))


def draw_tiles(run: Run, labels: Sequence[str], seeds: Sequence[int]) -> list[Pixels]:
    """The lesions of these classes and seeds, by the run's chosen snapshot."""
    generator, card = load_checkpoint(run.chosen_checkpoint)
    targets = [card.classes.index(label) for label in labels]
    return [to_pixels(lesion.image) for lesion in draw(generator, card, targets, seeds)]


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
