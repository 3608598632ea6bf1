"""How near synthetic lesions are to held-out ones, beside what real lesions score."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augmentor.report import evaluation
from augmentor.report.blocks import Block, Folded, Notes, Picture, Section, Text, TextTable, named
from augmentor.report.drawing.fidelity import fidelity_plot
from augmentor.report.drawing.pictures import chart
from augmentor.report.evaluation import MEANINGS, NAMES
from augmentor.report.numbers import bounded, number, words
from augmentor.report.sources import Evaluated, Judged, Sources

IN_THE_SET = "to be taken out of the set: `copies` in evaluation.json begins with them"

MASKS = {
    "synthetic": "Synthetic lesions",
    "real": "Held-out real ones: the floor",
    "swapped": "Synthetic masks on the images of other synthetic lesions: what knows nothing of its image",
}


def fidelity(sources: Sources, out: Path) -> Section | None:
    blocks = [block for fit in sources.evaluated for block in named(fit.name, _of(fit, out))]
    return Section("Fidelity beside its floor", blocks) if blocks else None


def _of(fit: Evaluated, out: Path) -> list[Block]:
    scores = evaluation.scores(fit.evaluation)
    blocks: list[Block] = []
    if not scores.empty:
        told = "The floor is what real lesions score: no generator can be expected to do better."
        if "augmented" in scores:
            told += (
                " The same lesions augmented (turned, mirrored, shifted, zoomed) are what to beat: they cost nothing."
            )
        if "training" in scores:
            told += " Training halves have the same patients, so that nothing comes nearer; they have no interval."
        blocks.append(Text(f"{told} With few held-out lesions all of it is rough."))
    for space in dict.fromkeys(scores.get("space", [])):
        blocks += _space(fit, out, str(space), scores[scores["space"] == space].drop(columns="space"))
    if whole := evaluation.whole(fit.evaluation):
        blocks.append(_whole_table(fit, whole))
    if masks := fit.evaluation.get("masks"):
        rows = [[told, number(masks.get(side), ".2f")] for side, told in MASKS.items()]
        caption = (
            "Do masks lie where their images show a lesion? Dice with what a segmenter of the training lesions finds"
        )
        blocks.append(TextTable(caption, ["Masks of", "Dice, mean over classes"], {"": rows}))
    if notes := fit.evaluation.get("notes"):
        blocks.append(Notes(notes))
    return blocks


def _space(fit: Evaluated, out: Path, space: str, scores: pd.DataFrame) -> list[Block]:
    mean = scores[scores["class"] == "mean"]
    blocks: list[Block] = [_picture(fit, out, space, scores)]
    if len(mean):
        blocks.append(_table(f"{words(space)} features, mean over classes", {"": mean}))
    by_class = {str(label): rows for label, rows in scores.groupby("class", sort=False) if label != "mean"}
    if by_class:
        blocks.append(Folded(f"{words(space)} features, each class", [_table(f"{words(space)} features", by_class)]))
    return blocks


def _picture(fit: Evaluated, out: Path, space: str, scores: pd.DataFrame) -> Picture:
    sides = ", ".join(name for side, name in NAMES.items() if side in scores)
    measures = ", ".join(words(measure) for measure in dict.fromkeys(scores["measure"]))
    return chart(
        lambda columns: fidelity_plot(scores, columns),
        fit.figure(out, f"fidelity-{space}"),
        scores,
        alt=f"Dot plots of {measures} in {space} features, a row a class: {sides}.",
        caption=f"{words(space)} features: each measure against held-out lesions, with a scale of its own. Synthetic "
        "lesions are as good as real ones where the two marks meet.",
        columns=(3, 2),
    )


def _table(caption: str, groups: dict[str, pd.DataFrame]) -> TextTable:
    sides = [side for side in NAMES if side in next(iter(groups.values()))]
    heads = ["Measure", *(NAMES[side].capitalize() for side in sides), "Better"]
    rows = {
        title: [
            [
                words(row["measure"]),
                *(
                    bounded({"value": row[side]} | {e: row.get(f"{side}_{e}") for e in ("low", "high")})
                    for side in sides
                ),
                evaluation.BETTER.get(row["measure"], ""),
            ]
            for row in table.to_dict("records")
        ]
        for title, table in groups.items()
    }
    return TextTable(caption, heads, rows)


def _whole_table(fit: Evaluated, whole: dict[str, dict[str, float | None]]) -> TextTable:
    fate = IN_THE_SET if isinstance(fit, Judged) else "which expand refuses"
    meanings = {name: told.format(real=fit.compared_with, fate=fate) for name, told in MEANINGS.items()}
    rows = [[meanings.get(name, words(name)), bounded(found)] for name, found in whole.items()]
    return TextTable(
        "The synthetic lesions as a whole, with 95 % intervals where they were measured", ["What", "Value"], {"": rows}
    )
