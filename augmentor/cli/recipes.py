"""`demo`, `run`: several steps in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from augmentor.cli.console import PLAIN, err, out, typed_command
from augmentor.cli.options import OwnSeed
from augmentor.cli.show import show_counts, show_drawn, show_evaluation, show_fit, show_inspection, show_results
from augmentor.errors import UsageError
from augmentor.progress import TerminalProgress

_FEW = 20  # lesions a class that a quick run judges


def demo(
    out_folder: Annotated[
        Path, typer.Option("--out", help="A new or empty folder, or an earlier demo to go on with.")
    ] = Path("demo"),
    seed: OwnSeed = 0,
    dims: Annotated[int, typer.Option(help="2: images. 3: volumes with masks.", min=2, max=3)] = 2,
) -> None:
    """Phantom lesions, then everything: fit, expand, evaluate, benchmark, report. Five to eleven minutes on two cores.

    Example: `augmentor demo --out demo`
    """
    from augmentor.pipeline import demo_recipe

    _run(demo_recipe(out_folder, seed, dims))


def run(
    recipe: Annotated[
        Path, typer.Argument(help="A TOML file; the project's own are in pipelines/.", show_default=False)
    ],
    out_folder: Annotated[Path | None, typer.Option("--out", help="Instead of the recipe's own.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few lesions, steps and images: does it run? No figure means anything.")
    ] = False,
) -> None:
    """Do the steps of a recipe. If it was interrupted, the same command continues it.

    Example: `augmentor run pipelines/cheng.toml`
    """
    from augmentor.data.windows import parse_window
    from augmentor.recipe import load_recipe, make_quick, make_recipe

    loaded = make_quick(load_recipe(recipe)) if quick else load_recipe(recipe)
    if out_folder:
        loaded = make_recipe(loaded.model_dump(exclude_unset=True) | {"out": str(out_folder)}, str(recipe))
    try:
        parse_window(loaded.extract.window)  # which is told before the scans are looked for
    except UsageError as error:
        raise UsageError(f"{recipe}: extract.window: {error}") from error
    _run(loaded, quick)


def _run(recipe: Any, quick: bool = False) -> None:
    from augmentor.evaluation.evaluate import JUDGED
    from augmentor.pipeline import run_recipe

    outcome = run_recipe(recipe, TerminalProgress(err), typed_command(), _FEW if quick else JUDGED)
    if outcome.drawn:
        show_drawn(outcome.drawn, outcome.drawn_before, alone=recipe.steps == ("phantom",))
    if outcome.inspection:
        show_inspection(outcome.inspection.as_dict())
    if outcome.run and outcome.report:
        show_fit(outcome.run, outcome.report)
    if outcome.expanded:
        show_counts(outcome.expanded)
    if outcome.evaluation:
        show_evaluation(outcome.evaluation, outcome.judged)
    if outcome.results and outcome.report:
        show_results(outcome.results.summary, outcome.report)
    elif outcome.report and not outcome.run:
        out.print(f"Report: {outcome.report}", **PLAIN)
    if outcome.shortfall:
        raise outcome.shortfall
