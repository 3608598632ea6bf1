"""The synthetic lesions that are nearest to a training lesion, each beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.report.blocks import Block, Lesions, Part, Section, Text, Tiles
from augmentor.report.figures import save
from augmentor.report.numbers import number
from augmentor.report.sources import Fit, Sources
from augmentor.report.tiles import Pixels, cut_rows, draw_tiles, make_tile, mosaic, read_tile

SHOWN = 10

Pair = tuple[Pixels | None, Pixels | None]  # synthetic, real


def pairs(sources: Sources, out: Path) -> Section | None:
    blocks: list[Block] = []
    for fit in sources.evaluated:
        if nearest := (fit.evaluation.get("copies") or [])[:SHOWN]:
            found = _of(fit, nearest, out)
            blocks += [Part(fit.name, found)] if fit.name else found
    return Section("The closest pairs of a synthetic and a real lesion", blocks) if blocks else None


def _of(fit: Fit, nearest: list[dict[str, Any]], out: Path) -> list[Block]:
    shown = _pictures(fit, nearest)
    pictured = any(tile is not None for pair in shown for tile in pair)
    if pictured:
        columns = [[pair[0] for pair in shown], [pair[1] for pair in shown]]
        numbers = pd.DataFrame(nearest).rename_axis("column").reset_index()
        save(mosaic(columns), fit.figure(out, "pairs"), numbers.assign(column=numbers["column"] + 1))
    groups = [_group(place, copy, pair) for place, (copy, pair) in enumerate(zip(nearest, shown, strict=True), 1)]
    told = (
        "Of all synthetic lesions that were judged, those nearest to a training lesion, synthetic left and real right. "
        "The number is their distance, divided by the one at which lesions of different patients typically come "
        "nearest: a copy has 0, also if it was mirrored, turned, shifted or brightened."
    )
    missing = sum(pair[1] is None for pair in shown)
    absent = f" {missing} of the real lesions are not on this machine." if missing else ""
    return [Text(told), Lesions(groups, f"The {len(nearest)} closest pairs.{absent}")]


def _group(place: int, copy: dict[str, Any], pair: Pair) -> Tiles:
    ratio = number(copy.get("ratio"), ".2f")
    names = (_name(copy), f"training lesion {Path(copy['nearest']).name}")
    tiles = [
        make_tile(pixels, f"pair {place}, {name}")
        for name, pixels in zip(names, pair, strict=True)
        if pixels is not None
    ]
    label = f", {copy['label']}" if copy.get("label") else ""
    return Tiles(f"{place}. {ratio}{label}: {Path(copy['nearest']).name}", tiles)


def _name(copy: dict[str, Any]) -> str:
    return f"synthetic lesion {Path(copy['path']).name if 'path' in copy else copy['seed']}"


def _pictures(fit: Fit, nearest: list[dict[str, Any]]) -> Sequence[Pair]:
    kept = fit.folder / "evaluation" / "pairs.png"
    if kept.is_file():
        return list(zip(*cut_rows(kept, 2), strict=True))[: len(nearest)]
    if not fit.summary:
        return [(None, None)] * len(nearest)
    real = [read_tile(copy["nearest"], fit.run) for copy in nearest]
    return list(zip(_synthetic(fit, nearest), real, strict=True))


def _synthetic(fit: Fit, nearest: list[dict[str, Any]]) -> list[Pixels | None]:
    """From the files that the evaluation kept, or drawn again by their seeds."""
    if all("seed" in copy and "path" not in copy for copy in nearest):
        return [*draw_tiles(fit.run, [copy["label"] for copy in nearest], [copy["seed"] for copy in nearest])]
    homes = (fit.folder / "evaluation", fit.folder, Path())
    files = [next((home / copy["path"] for home in homes if (home / copy["path"]).is_file()), None) for copy in nearest]
    return [read_tile(str(file), fit.run) if file else None for file in files]
