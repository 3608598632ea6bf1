"""`check`: what is in a lesion set."""

from __future__ import annotations

import json

import typer

from augmentor.cli.console import err
from augmentor.cli.options import (
    AsJson,
    Columns,
    Data,
    Fov,
    Pattern,
    PerClass,
    Window,
    data_section,
    read_data,
    recipe_with,
)
from augmentor.cli.show import show_inspection
from augmentor.progress import TerminalProgress


def check(
    data: Data,
    columns: Columns = None,
    patient_pattern: Pattern = None,
    max_per_class: PerClass = None,
    window: Window = None,
    fov: Fov = None,
    as_json: AsJson = False,
) -> None:
    """Say what is in a lesion set and everything that is wrong with it.

    Exit code 2 if it can't be fitted, with every reason.

    Example: `augmentor check --data index.csv --columns path=roi,patient=run`
    """
    from augmentor.data.check import inspect
    from augmentor.data.preparing import shrinking

    section = data_section(data, columns, patient_pattern, max_per_class)
    recipe = recipe_with(data=section, extract={"window": window, "fov": fov})
    lesions = read_data(data, columns, patient_pattern, recipe)
    progress = TerminalProgress(err)
    with progress.task("Reading", len(lesions)) as update:
        found = inspect(lesions, update, per_class=max_per_class)
    found.warnings += shrinking(found, recipe)
    content = found.as_dict()
    if as_json:
        print(json.dumps(content, indent=1))
    else:
        show_inspection(content)
    if found.problems:
        raise typer.Exit(2)
