"""The command line: parse, call one function, print. torch is imported only when a command needs it."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from io import TextIOWrapper
from pathlib import Path

import typer

from augmentor.cli.console import PLAIN, err
from augmentor.cli.data import check
from augmentor.cli.extract import extract
from augmentor.cli.generator import evaluate, expand, fit
from augmentor.cli.reading import read
from augmentor.cli.recipes import demo, run
from augmentor.cli.reports import report
from augmentor.cli.speed import bench
from augmentor.cli.trial import benchmark, calibrate, screens
from augmentor.errors import INTERRUPTED, OF_A_FULL_DISK, OF_RIGHTS, AugmentorError, InterruptedFitError
from augmentor.files import exists

app = typer.Typer(
    name="augmentor",
    help=(
        "Would synthetic lesions help this classifier, and can I have them?\n\n"
        "Start with `augmentor demo`, or with your own lesions: `augmentor check --data lesions/`, then `fit`, "
        "`expand`, `evaluate` and `benchmark`."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_ON_CTRL_C = (
    "Interrupted. Nothing was left half-written. Start the same command again; what a benchmark, a recipe, `screens` "
    "or `calibrate --out` had done by then is kept."
)
_ENDED = 128 + signal.SIGTERM  # as INTERRUPTED is made
COMMANDS = (extract, check, fit, expand, evaluate, benchmark, calibrate, screens, report, bench, demo, run)
for command in COMMANDS:
    app.command()(command)
app.add_typer(read)


def main() -> None:
    """Exit codes: 0 done, 1 a run failed, 2 bad usage or data, 130 interrupted, 143 ended by SIGTERM."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the terminal can't show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_ENDED))  # an orderly end, which takes worker processes along
    try:
        app()
    except AugmentorError as error:
        failed = "" if isinstance(error, InterruptedFitError) else "Error: "
        err.print(f"{failed}{error}", style="red", **PLAIN)
        sys.exit(error.exit_code)
    except OSError as error:
        err.print(f"Error: {_told(error)}", style="red", **PLAIN)
        sys.exit(1)
    except SystemExit as end:
        if end.code in (INTERRUPTED, _ENDED):  # typer's, for Ctrl-C, and ours
            err.print(_ON_CTRL_C, style="red", **PLAIN)
        raise


def _told(error: OSError) -> str:
    """What the system refused, where, and what to do. Of a file that is not there, its folder: files and folders are
    written under names that nobody has heard of (see `files`)."""
    said = f"{error.strerror or error}."
    if not isinstance(error.filename, str | os.PathLike):
        return f"{said} Free space where the command writes to." if error.errno in OF_A_FULL_DISK else said
    file = Path(error.filename)
    place = next((there for there in (file, *file.absolute().parents) if exists(there)), file)
    if error.errno in OF_A_FULL_DISK:
        folder = place if place.is_dir() else place.parent
        return f"{folder}: {said} Free space on the disk that holds this folder, or write to another one."
    if error.errno not in OF_RIGHTS:
        return f"{file}: {said}"
    if not os.access(place, os.R_OK):
        return f"{place}: {said} Make it readable for you, or leave it out."
    return f"{place}: {said} Make it writable for you, or write to another folder."
