"""Which classes are mistaken for which."""

from __future__ import annotations

from pathlib import Path

from augmentor.report import confusion as drawing
from augmentor.report.blocks import Block, Part, Picture, Section
from augmentor.report.pictures import chart, described
from augmentor.report.sources import Benchmark, Sources, read_cells


def confusion(sources: Sources, out: Path) -> Section | None:
    blocks: list[Block] = []
    for benchmark in sources.benchmarks:
        if (benchmark.folder / "predictions.csv").exists():
            picture = _picture(benchmark, out)
            blocks.append(Part(benchmark.name, [picture]) if benchmark.name else picture)
    return Section("Which classes are mistaken for which", blocks) if blocks else None


def _picture(benchmark: Benchmark, out: Path) -> Picture:
    predictions = read_cells(benchmark.folder / "predictions.csv")
    drawn = drawing.confusion_classifiers(predictions)
    left_out = predictions["classifier"].nunique() - len(drawn)
    caption = "Of the images of each true class (row), how many percent were given each class (column)."
    if left_out:
        caption += f" Classifier {drawn[0]} only; the CSV beside the picture also holds the other {left_out}."
    shares = drawing.confusion_shares(predictions)
    return chart(
        lambda columns: drawing.confusion_plot(predictions, columns),
        benchmark.figure(out, "confusion"),
        shares,
        alt=f"Confusion matrices of {described(shares[shares['classifier'].isin(drawn)])}.",
        caption=caption,
        columns=(4, 2),
    )
