"""`report`: one page from several folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augmentor.cli.console import PLAIN, err, out
from augmentor.cli.show import show_results


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Folders of `fit`, `expand`, `evaluate`, `benchmark`, `read score`, `run` or `demo`.",
            show_default=False,
        ),
    ],
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Default: the folder itself, or `report` for several.")
    ] = None,
) -> None:
    """Join runs, evaluations, benchmarks, enlarged sets and readings into one self-contained page, `report.html`.

    Example: `augmentor report runs/latest lesions-x3 benchmark`
    """
    from augmentor.report.html import report as report_on
    from augmentor.report.sources import find_sources

    page = report_on(folders, out_folder or (folders[0] if len(folders) == 1 else Path("report")))
    sources = find_sources(folders)
    for line in sources.left_out:
        err.print(f"Warning: {line}", style="yellow", **PLAIN)
    for benchmark in sources.benchmarks:
        if benchmark.name:
            out.print(benchmark.name, **PLAIN)
        show_results(benchmark.summary, page)
    if not sources.benchmarks:
        out.print(f"Report: {page}", **PLAIN)
