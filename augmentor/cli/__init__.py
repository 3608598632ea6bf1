"""The command line: parse, call one function, print. torch is imported only when a command needs it."""

from __future__ import annotations

import signal
import sys
import warnings
from io import TextIOWrapper

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
from augmentor.errors import OF_THE_DISK, AugmentorError

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
_INTERRUPTED = 130  # 128 and the number of the signal, as shells have it
COMMANDS = (extract, check, fit, expand, evaluate, benchmark, calibrate, screens, report, bench, demo, run)
for command in COMMANDS:
    app.command()(command)
app.add_typer(read)


def main() -> None:
    """Exit codes: 0 done, 1 a run failed, 2 bad usage or data, 130 interrupted."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the terminal can't show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, which takes worker processes along
    try:
        app()
    except AugmentorError as error:
        err.print(f"Error: {error}", style="red", **PLAIN)
        sys.exit(error.exit_code)
    except OSError as error:
        advice = " Free space, or choose a writable --out." if error.errno in OF_THE_DISK else ""
        told = f"{error.filename or 'disk'}: {error.strerror or error}.{advice}"
        err.print(f"Error: {told}", style="red", **PLAIN)
        sys.exit(1)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer's, for Ctrl-C
            err.print("Interrupted.", style="red")
        raise
