"""The paper's curves: how the gain depends on the number of lesions."""

from __future__ import annotations

from pathlib import Path

from augmentor.benchmarking.arms import BASELINE, CURVE_ARM
from augmentor.report.blocks import Beside, Block, Picture, Section, named
from augmentor.report.drawing.curves import Curve, curve_plot, real_curve, synthetic_curve
from augmentor.report.drawing.pictures import single
from augmentor.report.numbers import in_points, words
from augmentor.report.sources import Benchmark, Sources, read_cells


def curves(sources: Sources, out: Path) -> Section | None:
    blocks = [block for benchmark in sources.benchmarks for block in named(benchmark.name, _of(benchmark, out))]
    return Section("How the gain depends on the number of lesions", blocks) if blocks else None


def _of(benchmark: Benchmark, out: Path) -> list[Block]:
    """The curves that were asked for; curve_cells.csv is there where they have cells beside the compared ones."""
    summary = benchmark.summary
    found = summary["curves"]
    if not any(found.values()):
        return []
    file, classifier = benchmark.folder / "curve_cells.csv", summary["recipe"]["benchmark"]["classifiers"][0]
    cells = read_cells(file) if file.exists() else benchmark.results.assign(per_class=float("nan"))
    cells = cells[cells["classifier"] == classifier]
    synthetic, real = synthetic_curve(found["synthetic"], cells), real_curve(found["real"], cells)
    drawn = (
        _picture(
            benchmark, out, synthetic, "curve-synthetic", f"Below a number: how many times the real. {classifier}."
        ),
        _picture(benchmark, out, real, "curve-real", f"Each number has a GAN of its own. {classifier}."),
    )
    pictures = [picture for picture in drawn if picture]
    return [Beside(pictures)] if pictures else []


def _picture(benchmark: Benchmark, out: Path, curve: Curve, name: str, about: str) -> Picture | None:
    """`about` ends the caption. None where the curve has no points."""
    if curve.points.empty:
        return None
    metric = benchmark.summary["metric"]
    told = "; ".join(
        f"{point['tick'].replace(chr(10), ', ')}: {in_points(round(point['difference'], 3))}"
        for point in curve.points.to_dict("records")
    )
    gained = f"{words(metric)} of {CURVE_ARM} minus that of {BASELINE}"
    return single(
        curve_plot(curve, metric),
        benchmark.figure(out, name),
        curve.points.drop(columns="tick"),
        alt=f"Curve: {gained.lower()} in points, against {curve.lesions.lower()}. {told}.",
        caption=f"{gained}, in percentage points, against the {curve.lesions.lower()} of a training set. A bar is the "
        f"95\N{NO-BREAK SPACE}% interval; one that crosses the dashed line leaves the sign open. {about}",
    )
