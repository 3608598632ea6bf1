"""Which synthetic lesions were refused, and why."""

from __future__ import annotations

from pathlib import Path

from augmentor.expansion.rules import REASONS
from augmentor.report.blocks import Block, Notes, Section, Text, TextTable
from augmentor.report.sources import Enlarged, Sources


def refused(sources: Sources, _: Path) -> Section | None:
    blocks: list[Block] = []
    for enlarged in sources.enlarged:
        if enlarged.screen:
            blocks += _of(enlarged)
    return Section("What was refused, and why", blocks) if blocks else None


def _of(enlarged: Enlarged) -> list[Block]:
    screen = enlarged.screen
    rules = [rule for rule in REASONS if any(rule in found for found in screen["refused"].values())]
    rows = [
        [label, *(str(screen[what].get(label, 0)) for what in ("drawn", "kept"))]
        + [str(found.get(rule, 0)) for rule in rules]
        for label, found in screen["refused"].items()
    ]
    total = [str(sum(int(row[i]) for row in rows)) for i in range(1, 3 + len(rules))]
    heads = ["Class", "Drawn", "Written", *(REASONS[rule].capitalize() for rule in rules)]
    limits = "; ".join(f"{name.replace('_', ' ')} {limit:.3f}" for name, limit in screen["limits"].items())
    warned: list[Block] = [Notes([screen["warning"]])] if screen.get("warning") else []
    return [
        *warned,
        Text(f"Screen: {screen['level']}. Limits: {limits}. One lesion counts for the first rule that refused it."),
        TextTable(
            enlarged.titled("Synthetic lesions that were drawn, and what became of them"),
            heads,
            {"": [*rows, ["all", *total]]},
        ),
    ]
