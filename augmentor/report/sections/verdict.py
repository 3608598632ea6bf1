"""What it all comes to, in a sentence."""

from __future__ import annotations

from pathlib import Path

from augmentor.report import evaluation
from augmentor.report.blocks import Block, Section, Text
from augmentor.report.numbers import known
from augmentor.report.sources import Evaluated, Fit, Sources


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
    reached, likeness = fit.summary.get("discrimination_held_out"), fit.summary.get("mmd")
    parts = []
    if known(reached):
        parts.append(
            f"the discriminator tells held-out lesions from synthetic ones with an AUC of {reached:.2f} (0.5 is"
        )
        parts[-1] += " the equilibrium)"
    if known(likeness):
        floor = (fit.summary.get("floor") or {}).get("mmd")
        beside = f", training lesions reach {floor:.3f}" if known(floor) else ""
        parts.append(f"their distance to held-out lesions is {likeness:.3f} (MMD; lower is nearer{beside})")
    told = " and ".join(parts)
    question = "Whether these lesions help a classifier is not measured here; augmentor benchmark asks that."
    return f"{told[0].upper()}{told[1:]}. {question}" if told else question
