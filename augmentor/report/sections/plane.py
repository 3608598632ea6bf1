"""Where synthetic lesions lie among real ones."""

from __future__ import annotations

from pathlib import Path

from augmentor.report.blocks import Picture, Section, named
from augmentor.report.drawing.pictures import chart
from augmentor.report.drawing.plane import NAMES, NAMES_OF_A_FIT, plane_classes, plane_plot
from augmentor.report.sources import Benchmark, Source, Sources, read_cells


def plane(sources: Sources, out: Path) -> Section | None:
    placed = (source for source in sources.together if source.embedding.exists())
    blocks = [block for source in placed for block in named(source.name, [_picture(source, out)])]
    return Section("Where synthetic lesions lie among real ones", blocks) if blocks else None


def _picture(source: Source, out: Path) -> Picture:
    points, tested = read_cells(source.embedding), isinstance(source, Benchmark)
    names = NAMES if tested else NAMES_OF_A_FIT
    shown = plane_classes(points)
    counts = ", ".join(f"{(points['origin'] == key).sum()} {name}" for key, name in names.items())
    left_out = points["label"].nunique() - len(shown)
    more = f" The {len(shown)} largest classes; the CSV beside the picture also holds the others." if left_out else ""
    whose = "Lesions of the first fold" if tested else "Lesions of both sides"
    return chart(
        lambda columns: plane_plot(points, columns, names),
        source.figure(out, "embedding"),
        points,
        alt=f"Scatter plot of lesions on a plane by t-SNE, one panel for each class ({', '.join(shown)}): {counts}.",
        caption=f"{whose} on a plane, by t-SNE of their texture features; lesions that look alike lie "
        "together, and the axes have no unit. Grey: the other classes. Synthetic lesions should lie where the real "
        f"ones of their class lie, all over the class and not on single lesions.{more}",
        columns=(3, 2),
    )
