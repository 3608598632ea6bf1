"""What readers said who were shown real and synthetic lesions without being told which is which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.reading.key import KINDS
from augmentor.reading.score import agreement_sentence, several_people, told_share
from augmentor.report.blocks import Block, Notes, Picture, Section, Text, TextTable, named
from augmentor.report.drawing import dots
from augmentor.report.drawing.pictures import single
from augmentor.report.numbers import number, probability
from augmentor.report.sources import Reading, Sources

_FORM = ".1f"  # of a share in percent


def reading(sources: Sources, out: Path) -> Section | None:
    blocks = [block for one in sources.readings for block in named(one.name, _of(one, out))]
    return Section("Blind reading", blocks) if blocks else None


def _of(one: Reading, out: Path) -> list[Block]:
    score = one.score
    readers = [*score["readers"], *([score["all"]] if several_people(score) else [])]
    blocks: list[Block] = [Text(score["verdict"]), Text(score["class_verdict"]), *_whose(score)]
    blocks.append(_picture(one, out, readers))
    blocks += [_readers_table(readers), _classes_table(score)]
    if agreement := agreement_sentence(score):
        blocks.append(Text(agreement))
    if score["awaited"]:
        blocks.append(Notes([f"No answers yet of {', '.join(score['awaited'])}."]))
    return blocks


def _whose(score: dict[str, Any]) -> list[Block]:
    """Which lesions were shown: of what run, and by what screen; nothing where the score does not say."""
    made = score.get("made") or {}
    if not {"run", "checkpoint", "seed", "screen"} <= made.keys():
        return []
    run = f"run {Path(made['run']).name}, checkpoint {made['checkpoint']}"
    return [Text(f"Synthetic lesions of {run}, seed {made['seed']}, screen {made['screen']}.")]


def _picture(one: Reading, out: Path, readers: list[dict[str, Any]]) -> Picture:
    rows = [{"reader": reader["reader"], **reader["kind"]} for reader in readers]
    told = ", ".join(f"{row['reader']} {number(row['accuracy'], '.0%')}" for row in rows)
    return single(
        dots.readers_plot(rows),
        one.figure(out, "reading"),
        pd.DataFrame(rows),
        alt=f"Dot plot: share of lesions that each reader told right as real or synthetic: {told}; chance is 50 %.",
        caption="How often each reader told real from synthetic lesions right, with the 95\N{NO-BREAK SPACE}% "
        "interval; the dashed line is chance.",
    )


def _readers_table(readers: list[dict[str, Any]]) -> TextTable:
    rows = [
        [
            reader["reader"],
            f"{reader['kind']['right']} of {reader['kind']['n']}",
            told_share(reader["kind"], _FORM),
            probability(reader["kind"]["p"]),
            number(reader["dprime"], ".2f"),
            number(reader["auc"], ".2f"),
            *(told_share(reader["label"][kind], _FORM) for kind in KINDS),
            probability(reader["label"]["p"]),
            f"{reader['seconds']['median']:.3g} s",
        ]
        for reader in readers
    ]
    heads = ["Reader", "Right", "Real or synthetic told right", "p against chance", "d'", "AUC by confidence"]
    heads += [f"Class told right, {kind}" for kind in KINDS] + ["p of that difference", "Time a lesion"]
    caption = "By reader, with 95 % intervals; d' is 0 for a guesser, and the time is the median."
    return TextTable(caption, heads, {"": rows})


def _classes_table(score: dict[str, Any]) -> TextTable:
    rows = [
        [name, told_share(found["kind"], _FORM), *(told_share(found[kind], _FORM) for kind in KINDS)]
        for name, found in score["all"]["classes"].items()
    ]
    heads = ["Class", "Real or synthetic told right", *(f"Class told right, {kind}" for kind in KINDS)]
    return TextTable("By class, over all readers, with 95 % intervals.", heads, {"": rows})
