"""How the training of each GAN went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.report import numbers
from augmentor.report.blocks import Beside, Block, Folded, Picture, Section, Text, TextTable
from augmentor.report.drawing.pictures import single
from augmentor.report.drawing.training import DISCRIMINATION, training_plot
from augmentor.report.sources import Fit, Sources

MAX_DRAWN = 6  # on one page, which must stay small enough to send


def training(sources: Sources, out: Path) -> Section | None:
    every = [*sources.fits, *(gan for benchmark in sources.benchmarks for gan in benchmark.gans)]
    measured = [fit for fit in every if not fit.metrics.empty]
    drawn = [_picture(fit, out) for fit in measured[:MAX_DRAWN]]
    own = min(len(sources.fits), len(drawn)) or 1
    blocks: list[Block] = [Beside(drawn[:own])] if drawn else []
    if rest := drawn[own:]:
        blocks.append(Folded(f"Curves of {len(rest)} more", [Beside(rest)]))
    if undrawn := len(every) - len(drawn):
        blocks.append(Text(f"Not drawn: {undrawn} of the GANs; metrics.jsonl in each one's folder holds its numbers."))
    title = "The GANs that were trained"
    fits = (fits_table(b.summary["fits"], b.titled(title)) for b in sources.benchmarks)
    blocks += [table for table in fits if table]
    return Section("Training of the GANs", blocks) if blocks else None


def _picture(fit: Fit, out: Path) -> Picture:
    name = fit.name or fit.folder.name
    return single(
        training_plot(fit.metrics),
        fit.figure(out, "training"),
        fit.metrics,
        alt=f"Training curves of {name}: how well the discriminator tells real from synthetic, and both losses."
        f"{_last(fit)}",
        caption=f"{name}. Above: how well the discriminator tells real from synthetic; 0.5 is the equilibrium. "
        f"{_signs(fit)} Below: the losses.",
    )


def _signs(fit: Fit) -> str:
    """What says that training lesions are learned by heart: their curve only where there is another to compare."""
    judged = fit.metrics.get("discrimination_held_out", pd.Series(dtype=float)).notna().any()
    above = "their curve is far above that of held-out lesions, or where " if judged else ""
    return f"It learns the training lesions by heart where {above}there are more near-copies of them than at the start."


def _last(fit: Fit) -> str:
    """The last measures, in words."""
    metrics = fit.metrics.reindex(columns=list(DISCRIMINATION)).astype(float)
    last = {name: values.dropna() for name, values in metrics.items()}
    told = [f"{DISCRIMINATION[str(name)]} {values.iloc[-1]:.2f}" for name, values in last.items() if len(values)]
    return f" At the end the AUC is {', '.join(told)}." if told else ""


def fits_table(fits: list[dict[str, Any]], caption: str) -> TextTable | None:
    """A GAN that failed has its error where the others have their discrimination."""
    if not fits:
        return None
    rows = [
        [
            fit["run"],
            str(fit["fold"]),
            str(fit["seed"]),
            numbers.per_class(fit),
            numbers.number(fit.get("kimg"), ".1f"),
            numbers.duration(fit.get("seconds")),
            f"failed: {numbers.first_line(fit['error'])}"
            if fit.get("error")
            else numbers.number(fit.get("discrimination"), ".2f"),
        ]
        for fit in fits
    ]
    heads = ["Run", "Fold", "Seed", "Real lesions a class", "Thousand images shown", "Time", "Discrimination"]
    return TextTable(caption, heads, {"": rows})
