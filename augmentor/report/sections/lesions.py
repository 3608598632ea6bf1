"""Real beside synthetic lesions, a class at a time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augmentor.report.blocks import Block, LesionGroups, Part, Section, Text, Tile, Tiles
from augmentor.report.drawing.figures import save
from augmentor.report.drawing.tiles import Pixels, Row, cut_grid, make_tile, mosaic
from augmentor.report.sources import Fit, Sources

MAX_BYTES = 1_500_000  # of all lesions of a page, which must stay small enough to send
FEWEST = 2  # of each kind, however large they are


def lesions(sources: Sources, out: Path) -> Section | None:
    shown = [fit for fit in sources.shown if fit.grid and fit.has_lesions]
    parts: list[Block] = [part for fit in shown for part in _of(fit, out, MAX_BYTES // len(shown))]
    if not parts:
        return None
    told = (
        "Each lesion at its true size in pixels, enlarged without smoothing. The real ones are training lesions: this "
        "page holds pictures of patients, so treat it like the data."
    )
    return Section("Real beside synthetic lesions", [Text(told), *parts])


def _of(fit: Fit, out: Path, limit: int) -> list[Part]:
    assert fit.grid
    rows = dict(zip(fit.run.training.classes, cut_grid(fit.grid), strict=False))
    numbers = pd.DataFrame(
        [
            {"row": place, "column": column, "class": label, "origin": origin, "number": number}
            for place, (label, row) in enumerate(rows.items(), 1)
            for column, (origin, number) in enumerate(_places(row), 1)
        ]
    )
    save(mosaic([[*row.real, *row.synthetic] for row in rows.values()]), fit.figure(out, "lesions"), numbers)
    made = f"of snapshot {fit.grid.stem}, not screened"
    return [Part(fit.titled(label), [_lesions(label, row, made, limit // len(rows))]) for label, row in rows.items()]


def _places(row: Row) -> list[tuple[str, int]]:
    kinds = (("real", row.real), ("synthetic", row.synthetic))
    return [(origin, number) for origin, tiles in kinds for number in range(1, len(tiles) + 1)]


def _lesions(label: str, row: Row, made: str, limit: int) -> LesionGroups:
    """As many lesions as take at most `limit` bytes, real and synthetic ones in turn."""
    groups = [Tiles("real", _tiles(row.real)), Tiles("synthetic", _tiles(row.synthetic))]
    while sum(map(_bytes, groups)) > limit and max(len(group.tiles) for group in groups) > FEWEST:
        longest = max(groups, key=lambda group: len(group.tiles))
        longest.tiles.pop()
    counted = [_counted(label, group) for group in groups]
    return LesionGroups(counted, f"{label}: real training lesions, and synthetic ones {made}.")


def _tiles(lesions: list[Pixels]) -> list[Tile]:
    return [make_tile(pixels, "") for pixels in lesions]


def _counted(label: str, group: Tiles) -> Tiles:
    """Each lesion named by its place among those that are shown."""
    told = f"{group.title} {label}"
    tiles = [tile._replace(alt=f"{told}, {n} of {len(group.tiles)}") for n, tile in enumerate(group.tiles, 1)]
    return group._replace(tiles=tiles)


def _bytes(group: Tiles) -> int:
    return sum(map(_size, group.tiles))


def _size(tile: Tile) -> int:
    return len(tile.source)
