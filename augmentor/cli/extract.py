"""`extract`: from scans with masks or boxes to a lesion set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from augmentor.cli.console import err, out
from augmentor.cli.options import Columns, columns_of
from augmentor.errors import UsageError
from augmentor.progress import TerminalProgress

if TYPE_CHECKING:
    from augmentor.data.lesions import Lesions


def extract(
    data: Annotated[
        str, typer.Option(help="A CSV or MONAI datalist of scans, or a folder of them.", show_default=False)
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Where the lesions go; must not hold files.")] = Path(
        "lesions"
    ),
    columns: Columns = None,
    images: Annotated[str | None, typer.Option(help="In a folder, how scans are called: `*_T1.nii.gz`.")] = None,
    masks: Annotated[str | None, typer.Option(help="In a folder, how their masks are called: `*_mask.nii.gz`.")] = None,
    patient_pattern: Annotated[
        str | None,
        typer.Option(help="Where the patient stands in a path below the folder: `<patient>/<anything>`."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="The class of all lesions, where the table has none.")] = None,
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
    margin: Annotated[float, typer.Option(help="On each side of a lesion, as a share of its diameter.")] = 0.25,
    fov: Annotated[str | None, typer.Option(help="A fixed side instead: `60mm`.")] = None,
    window: Annotated[
        str | None,
        typer.Option(help="`liver`, `lung`, `bone`, `brain`, `soft-tissue` ..., `-160,240`, or `percentile` for MR."),
    ] = None,
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
    workers: Annotated[int, typer.Option(help="Processes that share the work.", min=1)] = 1,
) -> None:
    """Cut the lesions out of CT or MR scans (NIfTI, DICOM, NRRD, pictures) by their masks or boxes.

    Patients become pseudonyms, files numbers; nothing else of a header is written.

    Example: `augmentor extract --data scans.csv --window liver --out lesions/`
    """
    from augmentor.data.extract import Settings
    from augmentor.data.extract import extract as extract_lesions
    from augmentor.data.scans import read_scans

    if per not in ("component", "value"):
        raise UsageError(f"--per {per!r} is neither component nor value.")
    settings = Settings(
        dims=dims,
        size=size,
        margin=margin,
        fov=_millimetres(fov),
        every=None if sections == "largest" else int(_numbers(sections, "--sections", 1)[0]),
        by_value=per == "value",
        values=_values_of(values),
        least=min_voxels,
        window=window,
        rescale=(1.0, 0.0) if rescale is None else (*_numbers(rescale, "--rescale", 2),),
        form=image_format,  # type: ignore[arg-type]
        strict=strict,
        by_voxel=by_voxel,
    )
    settings.check()
    scans, notes = read_scans(data, columns_of(columns), images, masks, patient_pattern, label)
    lesions = extract_lesions(scans, out_folder, settings, key_file, workers, TerminalProgress(err), notes)
    _show(lesions)


def _show(lesions: Lesions) -> None:
    for line in lesions.warnings:
        err.print(f"Warning: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    table = Table("class", "images", "patients")
    for name, row in lesions.per_class().iterrows():
        table.add_row(escape(str(name)), str(row["images"]), str(row["patients"]))
    out.print(table)
    folder = lesions.source.parent
    out.print(
        f"Wrote {folder}. Look at {folder / 'extracted.png'}   Next: augmentor check --data {folder}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _numbers(text: str, option: str, count: int) -> tuple[Any, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise UsageError(f"{option} {text!r}: give {'a number' if count == 1 else f'{count} numbers, as in 1,-1024'}.")
    return numbers


def _millimetres(text: str | None) -> float | None:
    return None if text is None else _numbers(text.removesuffix("mm").strip(), "--fov", 1)[0]


def _values_of(text: str | None) -> dict[int, str]:
    """`1=cyst,2=mass` or `2` -> {1: "cyst", 2: "mass"} or {2: ""}."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    try:
        return {int(number): name.strip() for number, _, name in pairs}
    except ValueError as error:
        raise UsageError(f"--values {text!r} is not of the form 2 or 1=cyst,2=mass.") from error
