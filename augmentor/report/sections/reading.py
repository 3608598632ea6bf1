"""What readers said who were shown real and synthetic lesions without being told which is which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.report import dots
from augmentor.report.blocks import Block, Part, Picture, Section, Table, Text
from augmentor.report.numbers import duration, interval, known, number, probability
from augmentor.report.pictures import single
from augmentor.report.sources import Reading, Sources


def reading(sources: Sources, out: Path) -> Section | None:
    blocks: list[Block] = []
    for one in sources.readings:
        found = _of(one, out)
        blocks += [Part(one.name, found)] if one.name and found else found
    return Section("Blind reading", blocks) if blocks else None


def _of(one: Reading, out: Path) -> list[Block]:
    readers, agreement, classes = (one.score.get(name) for name in ("readers", "agreement", "classes"))
    blocks: list[Block] = [_picture(one, out, readers), _readers_table(readers)] if readers else []
    if agreement and known(agreement.get("kappa")):
        blocks.append(Text(f"Agreement of the readers: {agreement.get('kind', '')} kappa {agreement['kappa']:.2f}."))
    if classes:
        blocks.append(_classes_table(classes))
    return blocks


def _picture(one: Reading, out: Path, readers: list[dict[str, Any]]) -> Picture:
    told = ", ".join(f"{row['reader']} {number(row['accuracy'], '.0%')}" for row in readers)
    return single(
        dots.readers_plot(readers),
        one.figure(out, "reading"),
        pd.DataFrame(readers),
        alt=f"Dot plot: share of lesions that each reader told right as real or synthetic: {told}; chance is 50 %.",
        caption="How often each reader told real from synthetic lesions right, with the 95\N{NO-BREAK SPACE}% "
        "interval; the dashed line is chance.",
    )


def _readers_table(readers: list[dict[str, Any]]) -> Table:
    rows = [
        [
            str(row["reader"]),
            str(row["n"]),
            interval({"metric": "accuracy", "mean": row["accuracy"], "low": row["low"], "high": row["high"]}),
            probability(row.get("p")),
            number(row.get("d_prime"), ".2f"),
            duration(row.get("seconds")),
        ]
        for row in readers
    ]
    heads = ["Reader", "Lesions", "Real or synthetic told right (95 % interval)", "p against chance", "d'", "Time"]
    return Table("Real or synthetic, by reader", heads, {"": rows})


def _classes_table(classes: Any) -> Table:
    """Whatever was counted for each class: a list of records, or a record under each class's name."""
    records = [{"class": name} | row for name, row in classes.items()] if isinstance(classes, dict) else classes
    heads = list(dict.fromkeys(name for row in records for name in row))
    rows = [[_told(row.get(name)) for name in heads] for row in records]
    return Table("By class", [name.replace("_", " ").capitalize() for name in heads], {"": rows})


def _told(value: Any) -> str:
    return number(value, ".3f") if isinstance(value, float) or value is None else str(value)
