"""`extract`: from scans with masks or boxes to a lesion set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from augmentor.cli.console import PLAIN, err, out
from augmentor.cli.options import Fov, Window, columns_of, number, recipe_with
from augmentor.errors import UsageError
from augmentor.progress import TerminalProgress

if TYPE_CHECKING:
    from augmentor.extraction.extract import Extraction


def extract(
    data: Annotated[
        str, typer.Option(help="A CSV or MONAI datalist of scans, or a folder of them.", show_default=False)
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Where the lesions go; must not hold files.")] = Path(
        "lesions"
    ),
    columns: Annotated[
        str | None,
        typer.Option(help="Ours=theirs, for a CSV: `image=ct,mask=seg`, or a box: `box=xmin+ymin+xmax+ymax`."),
    ] = None,
    images: Annotated[str | None, typer.Option(help="In a folder, how scans are called: `*_T1.nii.gz`.")] = None,
    masks: Annotated[str | None, typer.Option(help="In a folder, how their masks are called: `*_mask.nii.gz`.")] = None,
    patient_pattern: Annotated[
        str | None,
        typer.Option(help="Where the patient stands in a path below the folder: `<patient>/<anything>`."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="The class of all lesions for which no other is known.")] = None,
    label_pattern: Annotated[
        str | None, typer.Option(help="Where the class stands in a path below the folder: `<label>/<anything>`.")
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(help="The mask's numbers that are lesions: `2`, or with their classes `1=cyst,2=mass`."),
    ] = None,
    per: Annotated[
        str, typer.Option(help="A lesion is one connected `component`, or all of one `value`.")
    ] = "component",
    dims: Annotated[int, typer.Option(help="2: sections; 3: cubes.")] = 2,
    sections: Annotated[str, typer.Option(help="In 2-D: the `largest` of a lesion, or every k-th (`3`).")] = "largest",
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 64,
    margin: Annotated[
        float, typer.Option(parser=number, help="On each side of a lesion, as a share of its diameter.")
    ] = 0.25,
    fov: Fov = None,
    window: Window = None,
    rescale: Annotated[
        str | None, typer.Option(help="SLOPE,INTERCEPT from stored values to HU; `1,-32768` for DeepLesion's PNGs.")
    ] = None,
    min_voxels: Annotated[int, typer.Option(help="Leave out lesions of fewer voxels.")] = 10,
    image_format: Annotated[
        str | None, typer.Option("--format", help="`png` (16 bit), `nifti` or `npy`. Default: png if windowed and 2-D.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what would only be warned of.")] = False,
    by_voxel: Annotated[
        bool, typer.Option("--by-voxel", help="Masks lie on their images' voxels, whatever the headers say.")
    ] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="Secret that gives patients the same pseudonyms next time; made if missing.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the work. Default: one a core, if there is much.", min=1)
    ] = None,
) -> None:
    """Cut the lesions out of CT or MR scans (NIfTI, DICOM, NRRD, pictures) by their masks or boxes.

    Patients become pseudonyms, files numbers; nothing else of a header is written.

    Example: `augmentor extract --data scans.csv --window liver --out lesions/`
    """
    from augmentor.data.windows import parse_window
    from augmentor.extraction.extract import extract as extract_lesions
    from augmentor.extraction.sources import read_scans

    cut: dict[str, Any] = {"dims": dims, "size": size, "margin": margin, "fov": fov, "every": _every(sections)}
    cut |= {"per": per, "values": _values_of(values), "min_voxels": min_voxels, "window": window}
    cut |= {"rescale": rescale and _numbers(rescale, "--rescale", 2), "format": image_format}
    section = recipe_with(extract=cut | {"strict": strict, "by_voxel": by_voxel}).extract
    parse_window(section.window)  # a bad option is told before the scans are looked for
    scans, notes = read_scans(data, columns_of(columns), images, masks, patient_pattern, label, label_pattern)
    _show(extract_lesions(scans, out_folder, section, key_file, workers, TerminalProgress(err), notes))


def _show(extraction: Extraction) -> None:
    lesions = extraction.lesions
    for line in extraction.doubts:
        err.print(f"Warning: {line}", style="yellow", **PLAIN)
    table = Table("class", "images", "patients")
    for name, row in lesions.per_class().iterrows():
        table.add_row(escape(str(name)), str(row["images"]), str(row["patients"]))
    out.print(table)
    folder = lesions.source.parent
    out.print(
        f"Wrote {folder}. Look at {folder / 'extracted.png'}   Next: augmentor check --data {shlex.quote(str(folder))}",
        **PLAIN,
    )


def _numbers(text: str, option: str, count: int) -> tuple[Any, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise UsageError(f"{option} {text!r}: give {'a number' if count == 1 else f'{count} numbers, as in 1,-1024'}.")
    return numbers


def _every(sections: str) -> int | None:
    if sections == "largest":
        return None
    (every,) = _numbers(sections, "--sections", 1)
    if not every.is_integer():
        raise UsageError(f"--sections {sections!r}: give largest, or a whole number: 3 takes every third section.")
    return int(every)


def _values_of(text: str | None) -> dict[int, str]:
    """`1=cyst,2=mass` or `2` -> {1: "cyst", 2: "mass"} or {2: ""}; the recipe says which numbers may be lesions."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    try:
        return {int(number): name.strip() for number, _, name in pairs}
    except ValueError as error:
        raise UsageError(f"--values {text!r} is not of the form 2 or 1=cyst,2=mass.") from error
