"""Synthetic lesions on the way from one latent to another."""

from __future__ import annotations

from pathlib import Path

from augmentor.evaluation.gallery import FOLDER, INTERPOLATIONS
from augmentor.report.blocks import Block, LesionGroups, Section, Text, Tiles, named
from augmentor.report.drawing.tiles import cut_rows, make_tile
from augmentor.report.sources import Fit, Sources

TOLD = (
    "Each row leads in equal steps from one latent to another of a class. A generator that learned its lesions by "
    "heart jumps from one to the next. cgan's latents also name the two training lesions that a synthetic one starts "
    "from, so its rows jump where another one is named."
)


def interpolations(sources: Sources, _: Path) -> Section | None:
    blocks = [block for fit in sources.evaluated if isinstance(fit, Fit) for block in named(fit.name, _of(fit))]
    return Section("From one latent to another", [Text(TOLD), *blocks]) if blocks else None


def _of(fit: Fit) -> list[Block]:
    file = fit.folder / FOLDER / INTERPOLATIONS
    if not file.is_file():
        return []
    labels = sorted(fit.summary.get("classes") or {}) or ["synthetic"]
    rows = zip(labels, cut_rows(file, len(labels)), strict=True)
    groups = [
        Tiles(label, [make_tile(tile, f"{label}, step {step} on the way") for step, tile in enumerate(row, 1)])
        for label, row in rows
    ]
    return [LesionGroups(groups, "Interpolations, a row a class.")]
