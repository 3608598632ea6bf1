"""What it all comes to, in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augmentor.report import evaluation
from augmentor.report.blocks import Block, Section, Text
from augmentor.report.numbers import known
from augmentor.report.sources import Evaluated, Fit, Sources

MMD = "MMD; lower is nearer"
NOBODY_JUDGED = (
    "No patients were held out, so that nothing tells how near these lesions come to other patients' lesions; fit with "
    "--holdout 0.2 to know it."
)
NOTHING_SEEN = "About 0 or below means that no difference was seen."


def verdict(sources: Sources, _: Path) -> Section | None:
    """The verdict of each benchmark; without one, how near the lesions of each run are. Then every alarm."""
    said: list[Block] = [Text(b.summary["verdict"], "verdict", b.name) for b in sources.benchmarks]
    if not said:
        said = [Text(_of_fit(fit), "verdict", fit.name) for fit in sources.evaluated if isinstance(fit, Fit)]
    judged = [source for source in sources.together if isinstance(source, Evaluated)]
    said += [Text(told, "alarm", one.name) for one in judged if (told := evaluation.alarm(one.evaluation))]
    return Section("", said) if said else None


def _of_fit(fit: Fit) -> str:
    if not fit.summary:
        return "This fit has not ended; no snapshot is chosen yet."
    question = "Whether these lesions help a classifier is not measured here; augmentor benchmark asks that."
    distance = _distance(fit) or _distance_in_training(fit.summary)
    return " ".join(filter(None, (distance, _discrimination(fit) or NOBODY_JUDGED, question)))


def _distance(fit: Fit) -> str:
    """The MMD of every space of evaluation.json, beside what training lesions reach; "" where none was measured."""
    spaces, floors = (fit.evaluation.get(side) or {} for side in ("spaces", "floor"))
    told = []
    for space, by_class in spaces.items():
        mmd, floor = ((of.get("mean") or {}).get("mmd") for of in (by_class, floors.get(space) or {}))
        if known(mmd):
            beside = f" (training lesions: {floor:.3f})" if known(floor) else ""
            told.append(f"{mmd:.3f} in {space} features{beside}")
    listed = f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else "".join(told)
    return f"The distance of synthetic lesions to held-out ones ({MMD}) is {listed}. {NOTHING_SEEN}" if told else ""


def _distance_in_training(summary: dict[str, Any]) -> str:
    """What training itself measured. It chose the snapshot, so that it flatters it."""
    mmd, floor = summary.get("mmd"), (summary.get("floor") or {}).get("mmd")
    if not known(mmd):
        return ""
    beside = f"; training lesions reach {floor:.3f}" if known(floor) else ""
    distance = f"The distance of synthetic lesions to held-out ones ({MMD}) is {mmd:.3f}"
    return f"{distance} by the measure that chose the snapshot (texture features){beside}. {NOTHING_SEEN}"


def _discrimination(fit: Fit) -> str:
    reached = fit.summary.get("discrimination_held_out")
    if not known(reached):
        return ""
    told = f"tells held-out lesions from synthetic ones with an AUC of {reached:.2f} (0.5 is the equilibrium)"
    return f"The discriminator {told}."
