"""Which classes are mistaken for which."""

from __future__ import annotations

from pathlib import Path

from augmentor.report.blocks import Picture, Section, named
from augmentor.report.drawing.confusion import confusion_classifiers, confusion_plot, confusion_shares
from augmentor.report.drawing.pictures import chart, described
from augmentor.report.sources import Benchmark, Sources, read_cells


def confusion(sources: Sources, out: Path) -> Section | None:
    predicted = (benchmark for benchmark in sources.benchmarks if (benchmark.folder / "predictions.csv").exists())
    blocks = [block for benchmark in predicted for block in named(benchmark.name, [_picture(benchmark, out)])]
    return Section("Which classes are mistaken for which", blocks) if blocks else None


def _picture(benchmark: Benchmark, out: Path) -> Picture:
    predictions = read_cells(benchmark.folder / "predictions.csv")
    drawn = confusion_classifiers(predictions)
    left_out = predictions["classifier"].nunique() - len(drawn)
    caption = "Of the images of each true class (row), how many percent were given each class (column)."
    if left_out:
        caption += f" Classifier {drawn[0]} only; the CSV beside the picture also holds the other {left_out}."
    shares = confusion_shares(predictions)
    return chart(
        lambda columns: confusion_plot(predictions, columns),
        benchmark.figure(out, "confusion"),
        shares,
        alt=f"Confusion matrices of {described(shares[shares['classifier'].isin(drawn)])}.",
        caption=caption,
        columns=(4, 2),
    )
