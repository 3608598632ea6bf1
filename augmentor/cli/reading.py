"""`read make`, `read score`: a blind reading in the browser, and what it shows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from augmentor.cli.console import PLAIN, err, out
from augmentor.cli.options import (
    Columns,
    OwnSeed,
    Pattern,
    RunFolder,
    Screen,
    names_of,
    read_data,
    recipe_with,
    require_real,
)
from augmentor.errors import UsageError
from augmentor.progress import TerminalProgress

read = typer.Typer(
    name="read",
    help="Let people say which lesions are real: `make` writes their pages, `score` reads their answers.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_NAME = 6  # letters of a reader's name on a line, at least
_BESIDE = 3  # what a column has beside its text: a line and a space on either side


@read.command()
def make(
    readers: Annotated[str, typer.Option(help="Names with commas between; each gets a page.", show_default=False)],
    run: RunFolder = None,
    real: Annotated[
        str | None,
        typer.Option(
            help="Real lesions of patients that the run was not trained on, as for `augmentor check`. Default: the "
            "run's held-out ones.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[int, typer.Option("--n", help="Lesions to read: half real, half synthetic.")] = 60,
    out_folder: Annotated[Path, typer.Option("--out", help="A new folder.")] = Path("reading"),
    seed: OwnSeed = 0,
    screen: Screen = None,
    columns: Columns = None,
    patient_pattern: Pattern = None,
) -> None:
    """Write a page for each reader, who says of each lesion whether it is real, and which class it is.

    The pages need no network and don't hold the key, which is `key.json`: send the pages alone.

    Example: `augmentor read make --readers anna,ben --n 40`
    """
    require_real(real, columns, patient_pattern)
    level = recipe_with(expand={"screen": screen}).expand.screen
    from augmentor.reading.kit import make_reading
    from augmentor.training.run import open_run

    chosen = open_run(run)
    brought = read_data(real, columns, patient_pattern, chosen.recipe) if real else None
    key = make_reading(chosen, names_of(readers), out_folder, count, brought, seed, level, TerminalProgress(err))
    pages = ", ".join(str(out_folder / f"{reader}.html") for reader in key.orders)
    out.print(f"Wrote {pages}, and {out_folder / 'key.json'}, which readers must not see.", **PLAIN)
    out.print(
        f"Put the answers-<reader>.csv that they save into {out_folder}, then: augmentor read score "
        f"{shlex.quote(str(out_folder))}",
        **PLAIN,
    )


@read.command()
def score(
    folder: Annotated[Path, typer.Argument(help="What `read make` wrote, with the readers' answers.")],
    model: Annotated[
        bool, typer.Option("--model", help="Let a classifier read too: it says how much is there to be seen.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="Where the run is, for --model. Default: where it was.", show_default=False)
    ] = None,
) -> None:
    """Say whether the readers told real from synthetic lesions, and whether they named the class of both as well.

    Leaves `score.json`, `score.csv` and `report.html` in the folder.

    Example: `augmentor read score reading/`
    """
    if run and not model:
        raise UsageError("--run is for --model, which trains a classifier on the run's lesions. Add --model.")
    from augmentor.reading.player import play
    from augmentor.reading.score import score_reading
    from augmentor.report.html import report

    if model:
        play(folder, run, TerminalProgress(err))
    show_reading(score_reading(folder))
    out.print(f"Wrote {folder / 'score.json'}, {folder / 'score.csv'} and {report([folder], folder)}", **PLAIN)


def show_reading(result: dict[str, Any]) -> None:
    """What `score_reading` returns: a row a reader, the agreement, and the verdicts."""
    from augmentor.reading.score import agreement_sentence, several_people

    told = [*result["readers"], *([result["all"]] if several_people(result) else [])]
    table = _numbers_whole([reader["reader"] for reader in told], [_numbers(reader) for reader in told])
    table.rows[len(result["readers"]) - 1].end_section = True
    out.print(table, crop=False)
    if agreement := agreement_sentence(result):
        out.print(agreement, **PLAIN)
    if result["awaited"]:
        out.print(f"No answers yet of {', '.join(result['awaited'])}.", style="yellow", **PLAIN)
    out.print(result["class_verdict"], **PLAIN)
    out.print(result["verdict"], style="bold", **PLAIN)


def _numbers_whole(names: list[str], numbers: list[list[str]]) -> Table:
    """A table that folds long names, and no number: where a terminal is too narrow for these, a line runs over it."""
    heads = ("right (95 %)", "p", "d'", "class: real", "synthetic", "seconds")
    columns = [[head, *column] for head, column in zip(heads, zip(*numbers, strict=True), strict=True)]
    room = out.width - sum(max(map(len, column)) + _BESIDE for column in columns) - _BESIDE - 1
    folded = Column("reader", overflow="fold", max_width=max(room, _NAME))
    table = Table(folded, *(Column(head, no_wrap=True) for head in heads))
    for name, row in zip(names, numbers, strict=True):
        table.add_row(escape(name), *row)
    if room < _NAME:
        table.width = out.width - room + _NAME
    return table


def _numbers(reader: dict[str, Any]) -> list[str]:
    from augmentor.benchmarking.rounding import tell_p
    from augmentor.reading.score import told_share

    kind, label = reader["kind"], reader["label"]
    return [
        told_share(kind),
        tell_p(kind["p"]).removeprefix("= "),
        f"{reader['dprime']:.2f}",
        f"{label['real']['accuracy'] * 100:.0f} %",
        f"{label['synthetic']['accuracy'] * 100:.0f} %",
        f"{reader['seconds']['median']:.3g}",
    ]
