"""The options that several commands share, and what their texts mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from augmentor.cli.console import err
from augmentor.errors import UsageError, with_point
from augmentor.progress import TerminalProgress

_TYPED = ("COMMANDLINE", "ENVIRONMENT")
LARGEST_SEED = 2**20 - 1  # the recipe's, which takes half a second to import


def number(text: str) -> float:
    """Parses an option that takes one."""
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a valid number.{with_point(text)}") from error


Data = Annotated[
    str,
    typer.Option(
        help="Folder by class (`lesions/<class>/<image>`), CSV, MONAI datalist JSON, or MedMNIST npz. From a table of "
        "scans with masks or boxes the lesions are cut first, as `augmentor extract` does.",
        show_default=False,
    ),
]
Columns = Annotated[
    str | None, typer.Option(help="Ours=theirs, for a CSV: `path=roi,label=label,patient=run,fold=fold`.")
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="Where the patient stands in a file name: `<patient>_<anything>`, or a regular expression. With a slash, "
        "in the path below the data: `<class>/<patient>/<anything>`."
    ),
]
PerClass = Annotated[int | None, typer.Option(help="Take at most this many lesions of each class.")]
Seed = Annotated[
    int, typer.Option(help="Same seed and length in images (--kimg), same result.", min=0, max=LARGEST_SEED)
]
OwnSeed = Annotated[int, typer.Option(help="Another seed, other lesions.", min=0, max=LARGEST_SEED)]
RunFolder = Annotated[Path | None, typer.Option(help="A run folder. Default: `runs/latest`.", show_default=False)]
Device = Annotated[
    str, typer.Option(help="Where to compute: `auto` (a GPU where there is one), `cpu`, `cuda` or `mps`.")
]
Screen = Annotated[
    str | None,
    typer.Option(
        help="`off` (near-copies only), `light` (default: also what is clearly of another class or like no real "
        "lesion) or `strict` (also what adds least variety). `label`, `realism`, `diversity`: one rule alone.",
        show_default=False,
    ),
]
Folds = Annotated[int | None, typer.Option(help="Folds by patient. Default: the data's own, or 3.")]
Factor = Annotated[
    float, typer.Option(parser=number, help="Enlarge training sets to this many times their real lesions.")
]
Workers = Annotated[int, typer.Option(help="Processes that share the work.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Steps = Annotated[int | None, typer.Option(help="Optimiser steps of a network, in every arm. Default: 900.")]
Minutes = Annotated[
    float | None,
    typer.Option(
        parser=number,
        help="How long to train each GAN, judging it not counted. Default: 5, without --kimg.",
        show_default=False,
    ),
]
Kimg = Annotated[
    float | None,
    typer.Option(
        parser=number,
        help="How many thousand images to train each GAN on. With --minutes too, the first of the two to be reached "
        "ends it.",
        show_default=False,
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        help="For scans: the intensities to keep. `liver`, `lung`, `bone`, `brain`, `soft-tissue` ... or `-160,240` "
        "for CT, `percentile` for MR.",
        show_default=False,
    ),
]
Fov = Annotated[
    str | None,
    typer.Option(help="For scans: a fixed side, `60mm`, instead of one by each lesion's size.", show_default=False),
]
Size = Annotated[
    int, typer.Option(help="Side of the images that the networks see, in pixels: 16 to 256, a multiple of 4.")
]
OwnSize = Annotated[
    int | None,
    typer.Option(
        help="Side to which all lesions are brought, and at which they are made, a multiple of 4: of images 16 to 256 "
        "pixels, of volumes 16 to 64 voxels. Default: 64, or less where every image is far smaller.",
        show_default=False,
    ),
]
SpatialDims = Annotated[int, typer.Option(help="2: images. 3: volumes, with --size from 16 to 64.")]
WithMask = Annotated[
    bool, typer.Option("--with-mask", help="Make each lesion's mask together with its image (column `mask`).")
]
ConditionOn = Annotated[
    str | None,
    typer.Option(
        help="`size`: lesions made for a region's side in mm (column `roi_side_mm`, or the files' spacing), so that "
        "small and large ones differ. `cgan` alone.",
        show_default=False,
    ),
]


def typed(context: typer.Context) -> set[str]:
    """The options that were given on the command line, by their long names."""
    sources = {option: context.get_parameter_source(option.name or "") for option in context.command.params}
    return {max(option.opts, key=len) for option, source in sources.items() if source and source.name in _TYPED}


def read_data(data: str, columns: str | None, pattern: str | None, recipe: Any) -> Any:
    """The lesions; where `data` is a table of scans, cut by the recipe's `extract` section."""
    from augmentor.extraction.sources import open_lesions

    return open_lesions(data, columns_of(columns), pattern, recipe.cutting, TerminalProgress(err))


def require_real(real: object, columns: str | None, pattern: str | None) -> None:
    """For commands that read lesions with --real alone."""
    if real is None and (columns or pattern):
        raise UsageError("--columns and --patient-pattern tell how to read --real. Give --real, or leave them out.")


def recipe_with(**sections: dict[str, Any]) -> Any:
    from augmentor.recipe import Recipe

    return Recipe().with_options(**sections)


def data_section(path: str | None, columns: str | None, pattern: str | None, most: int | None) -> dict[str, Any]:
    """The recipe's section `data`. path: --data, as it was given."""
    there = path and followed(path)
    return {"path": there, "columns": columns_of(columns), "patient_pattern": pattern, "max_per_class": most}


def followed(data: str) -> str:
    """What to record for --data: as it was given, or where its links lead, which may be others later (as that of
    runs/latest)."""
    try:
        given = Path(data).expanduser()
        return str(given.resolve()) if any(map(Path.is_symlink, (given, *given.parents))) else data
    except (OSError, RuntimeError):  # which reading tells
        return data


def columns_of(text: str | None) -> dict[str, str]:
    """`path=roi,label=label` -> {"path": "roi", "label": "label"}."""
    pairs = [part.split("=", 1) for part in (text or "").split(",") if part.strip()]
    if any(len(pair) != 2 or not pair[0].strip() or not pair[1].strip() for pair in pairs):
        raise UsageError(f"--columns {text!r} is not of the form ours=theirs,ours=theirs, as in path=roi,patient=run.")
    return {ours.strip(): theirs.strip() for ours, theirs in pairs}


def names_of(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
