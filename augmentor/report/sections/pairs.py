"""The synthetic lesions that are nearest to a training lesion, each beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.evaluation.gallery import CLOSEST, FOLDER, PAIRS
from augmentor.report.blocks import Block, LesionGroups, Section, Text, Tiles, named
from augmentor.report.drawing.figures import save
from augmentor.report.drawing.tiles import Pixels, cut_rows, make_tile, mosaic
from augmentor.report.numbers import number
from augmentor.report.sources import Evaluated, Sources

Pair = tuple[Pixels, ...]  # synthetic, real; none where the picture is not there


def pairs(sources: Sources, out: Path) -> Section | None:
    blocks = [block for fit in sources.evaluated for block in named(fit.name, _of(fit, out))]
    return Section("The closest pairs of a synthetic and a real lesion", blocks) if blocks else None


def _of(fit: Evaluated, out: Path) -> list[Block]:
    nearest = [_by_name(copy) for copy in (fit.evaluation.get("copies") or [])[:CLOSEST]]
    if not nearest:
        return []
    shown = _pictures(fit, len(nearest))
    if columns := [*zip(*shown, strict=True)]:
        numbers = pd.DataFrame(nearest).rename_axis("column").reset_index()
        save(mosaic(columns), fit.figure(out, "pairs"), numbers.assign(column=numbers["column"] + 1))
    real = fit.compared_with
    groups = [_group(place, copy, pair, real) for place, (copy, pair) in enumerate(zip(nearest, shown, strict=True), 1)]
    told = (
        f"Of all synthetic lesions that were judged, those nearest to a {real}, synthetic left and real right. "
        "The number is their distance, divided by the one at which lesions of different patients typically come "
        "nearest: a copy has 0, also if it was mirrored, turned, shifted or brightened."
    )
    return [Text(told), LesionGroups(groups, f"The {len(nearest)} closest pairs.")]


def _by_name(copy: dict[str, Any]) -> dict[str, Any]:
    """Without the folders that its files lie in: the page is sent to others."""
    return copy | {key: Path(copy[key]).name for key in ("path", "nearest") if key in copy}


def _group(place: int, copy: dict[str, Any], pair: Pair, real: str) -> Tiles:
    ratio = number(copy.get("ratio"), ".2f")
    names = (_name(copy), f"{real} {copy['nearest']}")
    tiles = [make_tile(pixels, f"pair {place}, {name}") for name, pixels in zip(names, pair, strict=False)]
    label = f", {copy['label']}" if copy.get("label") else ""
    return Tiles(f"{place}. {ratio}{label}: {copy['nearest']}", tiles)


def _name(copy: dict[str, Any]) -> str:
    return f"synthetic lesion {copy.get('path', copy.get('seed'))}"


def _pictures(fit: Evaluated, count: int) -> list[Pair]:
    """Those that the evaluation left; none where its folder is not whole."""
    kept = fit.folder / FOLDER / PAIRS
    return list(zip(*cut_rows(kept, 2), strict=True))[:count] if kept.is_file() else [()] * count
