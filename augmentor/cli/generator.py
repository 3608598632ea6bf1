"""`fit`, `expand`, `evaluate`: the generator, its lesions, and how good they are."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from augmentor.cli.console import PLAIN, err
from augmentor.cli.options import (
    LARGEST_SEED,
    AsJson,
    Columns,
    ConditionOn,
    Device,
    Fov,
    Kimg,
    Minutes,
    OwnSize,
    Pattern,
    PerClass,
    RunFolder,
    Screen,
    Seed,
    SpatialDims,
    Window,
    WithMask,
    columns_of,
    data_section,
    number,
    read_data,
    recipe_with,
    require_real,
    typed,
)
from augmentor.cli.show import next_of_run, show_choice, show_evaluation, show_expanded, show_fit
from augmentor.errors import UsageError, with_point
from augmentor.progress import TerminalProgress

_ASKED = "cnn"  # by `expand --factor auto`


def fit(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help="As for `augmentor check`.", show_default=False)] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Run folder. Default: `runs/<time>`.")] = None,
    model: Annotated[
        str,
        typer.Option(
            help="`cgan` (default), or the paper's `dcgan` (one a class) or `acgan` (one for all). To compare with: "
            "`plain-dcgan`, the textbook's, and `monai`, MONAI's networks."
        ),
    ] = "cgan",
    size: OwnSize = None,
    spatial_dims: SpatialDims = 2,
    with_mask: WithMask = False,
    condition_on: ConditionOn = None,
    minutes: Minutes = None,
    kimg: Kimg = None,
    holdout: Annotated[
        float,
        typer.Option(
            parser=number,
            help="Share of patients that judge and are never trained on, at most 0.5; 0: none, and nobody judges.",
        ),
    ] = 0.2,
    seed: Seed = 0,
    device: Device = "auto",
    columns: Columns = None,
    patient_pattern: Pattern = None,
    max_per_class: PerClass = None,
    window: Window = None,
    fov: Fov = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run in --out (default: the newest).")
    ] = False,
) -> None:
    """Train a GAN on the training patients; the run folder holds checkpoints, pictures and a report.

    It ends before its time where more training would only copy: once its discriminator knows the training lesions by
    heart.

    Several GPUs: `torchrun --nproc-per-node 2 --no-python augmentor fit --data lesions/`.

    Volumes with masks: `augmentor fit --data lesions/ --spatial-dims 3 --size 32 --with-mask`.

    Example: `augmentor fit --data lesions/ --patient-pattern "<patient>_<anything>" --minutes 10`
    """
    recipe = recipe_with(
        data=data_section(data, columns, patient_pattern, max_per_class),
        extract={"window": window, "fov": fov},
        model={
            "name": model,
            "size": size,
            "spatial_dims": spatial_dims,
            "with_mask": with_mask,
            "condition_on": condition_on,
        },
        training={"minutes": minutes, "kimg": kimg, "holdout": holdout, "seed": seed, "device": device},
    )
    given = typed(context)
    if resume and (others := given - {"--resume", "--out", "--device"}):
        raise UsageError(
            f"--resume goes on by the recipe in the run's folder. Leave {', '.join(sorted(others))} out; --out and "
            "--device can be given."
        )
    if not resume and data is None:
        raise UsageError("--data is missing. Give a folder by class, a CSV, a datalist or an npz (or --resume).")
    from augmentor.report.html import report
    from augmentor.training.distributed import is_first
    from augmentor.training.fit import fit as fit_lesions
    from augmentor.training.fit import interrupted_when_complete, resume_fit

    progress = TerminalProgress(err)
    if resume:
        run = resume_fit(out_folder, progress, device=recipe.training.device if "--device" in given else None)
    else:
        lesions = read_data(str(data), columns, patient_pattern, recipe)
        run = fit_lesions(lesions, recipe, out_folder, progress=progress)
    if is_first():  # of the processes that torchrun started, if it did
        try:
            page = report([run.folder], run.folder)
        except KeyboardInterrupt:
            raise interrupted_when_complete(run) from None
        show_fit(run, page)


def expand(
    factor: Annotated[
        str | None,
        typer.Option(
            help="Each class ends this many times its real training size. Default: 3. `auto`: what helps a classifier "
            "on the run's held-out patients, which may be nothing.",
            show_default=False,
        ),
    ] = None,
    run: RunFolder = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Default: `lesions-x<factor>`, or `lesions-auto`.")
    ] = None,
    balance: Annotated[
        bool, typer.Option("--balance", help="Bring every class to factor times the largest one's real size.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Another seed, other lesions. Default: 0.", min=0, max=LARGEST_SEED)
    ] = None,
    image_format: Annotated[
        str | None, typer.Option("--format", help="`png`, `npy`, `nifti` or `dicom`. Default: as the input.")
    ] = None,
    screen: Screen = None,
    classifier: Annotated[
        str | None,
        typer.Option(
            help="Whom `--factor auto` asks: a classifier of `augmentor benchmark`. Default: `cnn`.", show_default=False
        ),
    ] = None,
) -> None:
    """Write an enlarged training set: real training lesions and synthetic ones, with masks where the run makes them.

    A manifest and a MONAI datalist come with them.

    Held-out patients are never in it, and no synthetic lesion that is nearly a copy of a training one, be it mirrored,
    turned by any angle, zoomed by up to 12 % or shifted by up to 2 pixels of 64.

    Example: `augmentor expand --factor 3`
    """
    from augmentor.expansion.expand import expand as expand_run
    from augmentor.files import require_empty
    from augmentor.recipe import ClassifierName

    asked: dict[str, Any] = {"balance": balance or None, "format": image_format, "seed": seed, "screen": screen}
    asked["factor"] = None if factor in (None, "auto") else _factor_of(factor)
    recipe_with(expand=asked)  # a bad option is told before a missing run is
    if classifier and factor != "auto":
        raise UsageError("--classifier names whom --factor auto asks. Leave it out, or give --factor auto.")
    if (classifier or _ASKED) not in get_args(ClassifierName):
        raise UsageError(f"--classifier {classifier}: is none of {', '.join(get_args(ClassifierName))}.")
    if factor == "auto" and (balance or screen):
        raise UsageError(
            "--factor auto chooses the screen and keeps the classes' shares. Leave --balance and --screen out."
        )
    chosen = _opened(run)
    if factor == "auto":
        out_folder = out_folder or Path("lesions-auto")
        require_empty(out_folder)  # before the search, which takes minutes
        asked |= _choose_factor(chosen, classifier or _ASKED)
    section = chosen.recipe.with_options(expand=asked).expand
    lesions = expand_run(chosen, out=out_folder, section=section, progress=TerminalProgress(err))
    show_expanded(chosen, lesions)


def _factor_of(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--factor {text!r}: is neither a number nor `auto`.{with_point(text)}") from error


def evaluate(
    run: RunFolder = None,
    synthetic: Annotated[
        str | None,
        typer.Option(help="Judge these lesions instead of a run's: as --data of `check`.", show_default=False),
    ] = None,
    real: Annotated[
        str | None,
        typer.Option(
            help="The real lesions to judge them by. A column `split` tells training from held-out ones. From a table "
            "of scans the lesions are cut first, at the size of the synthetic ones."
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="A `.safetensors` file: weights of EfficientNet-Lite0 or of a MONAI network."),
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Lesions of the run a class to judge. Default: 200.", min=2, show_default=False)
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="With --synthetic. Default: `evaluation`.", show_default=False)
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Ours=theirs, for the table of --real: `path=roi,label=dx`. The table of --synthetic is read by those "
            "of them that it has."
        ),
    ] = None,
    patient_pattern: Pattern = None,
    window: Window = None,
    fov: Fov = None,
    as_json: AsJson = False,
) -> None:
    """Judge synthetic lesions against held-out patients, beside what real lesions score, and look for copies.

    Either a run's (fresh ones, unscreened), or those in a folder. Leaves `evaluation.json`, pictures, `report.html`.

    Example: `augmentor evaluate --run runs/latest`, or `augmentor evaluate --synthetic made/ --real lesions/`
    """
    if (synthetic is None) != (real is None) or (synthetic and run):
        raise UsageError("Give either --run, or --synthetic and --real together.")
    if out_folder and not synthetic:
        raise UsageError("--out goes with --synthetic and --real; a run's evaluation is written into the run.")
    if synthetic and per_class:
        raise UsageError("--per-class goes with --run; of --synthetic all lesions are judged. Leave it out.")
    require_real(real, columns, patient_pattern)
    if not real and (window or fov):
        raise UsageError("--window and --fov tell how to cut the lesions of --real. Give --real, or leave them out.")
    from dataclasses import asdict

    from augmentor.data.windows import parse_window
    from augmentor.evaluation import evaluate as evaluation
    from augmentor.files import require_own, to_json
    from augmentor.report.html import report

    cutting = recipe_with(extract={"window": window, "fov": fov})
    parse_window(window)  # which is told before anything is read
    progress, following = TerminalProgress(err), None
    if synthetic and real:
        folder = out_folder or Path("evaluation")
        require_own(folder, evaluation.OWN)
        folder = folder.resolve()
        of_synthetic = _columns_of_it(Path(synthetic).expanduser(), columns)
        made = read_data(synthetic, of_synthetic, None, recipe_with())
        theirs = read_data(real, columns, patient_pattern, _cut_as_made(made, real, columns, cutting))
        found = evaluation.evaluate_sets(made, theirs, folder, progress, features)
    else:
        opened = _opened(run)
        folder, following = opened.folder, next_of_run(opened.folder)
        found = evaluation.evaluate(opened, per_class or evaluation.JUDGED, progress, features)
    page = report([folder], folder)
    if as_json:
        print(to_json(asdict(found)))
        return
    show_evaluation(found, page, following)


def _opened(folder: Path | None) -> Any:
    """The run in a folder, or the latest one, with a warning where a fit that has not ended is newer."""
    from augmentor.training.run import newer_unfinished, open_run

    if folder is None and (unfinished := newer_unfinished()):
        again = shlex.join(["augmentor", "fit", "--resume", "--out", str(unfinished)])
        err.print(
            f"Warning: {unfinished} is newer than runs/latest, and has not ended: {again}", style="yellow", **PLAIN
        )
    return open_run(folder)


def _columns_of_it(table: Path, columns: str | None) -> str | None:
    """Of `ours=theirs,ours=theirs`, which tells how to read --real, the pairs whose theirs a table has too."""
    from augmentor.extraction.sources import table_columns
    from augmentor.files import exists

    pairs = columns_of(columns).items()
    names = table_columns(table) if pairs and exists(table) and table.is_file() else set()
    return ",".join(f"{ours}={theirs}" for ours, theirs in pairs if theirs in names) or None


def _cut_as_made(made: Any, real: str, columns: str | None, recipe: Any) -> Any:
    """The recipe, by which lesions of a table of scans have the dimensions and the size of the synthetic ones."""
    from augmentor.data.images import read_image
    from augmentor.extraction.sources import is_scan_table

    if not is_scan_table(real, columns_of(columns)):
        return recipe
    first = read_image(made.paths[0])
    side = min(1024, max(8, *first.pixels.shape[1:]))  # as far as `extract` can
    return recipe.with_options(extract={"dims": first.dims, "size": side})


def _choose_factor(run: Any, classifier: str) -> dict[str, Any]:
    """What `--factor auto` sets, told with its evidence."""
    from augmentor.benchmarking.auto import choose, count_witnesses
    from augmentor.recipe import BenchmarkSection

    patients = count_witnesses(run.held_out)
    _warn_of_few(patients, classifier)
    with TerminalProgress(err).task(f"Trying factors with {classifier}", 1.0) as update:
        choice = choose(run, classifier, BenchmarkSection().steps, run.recipe.training.seed, update)  # type: ignore[arg-type]
    show_choice(choice, classifier, patients)
    return {"factor": choice.plan.factor, "screen": choice.plan.screen}


def _warn_of_few(patients: int, classifier: Any) -> None:
    """Before the search, which takes minutes, that it can find nothing. (Where nobody is held out it is refused.)"""
    from augmentor.benchmarking.auto import can_choose, count_trials, least_p
    from augmentor.benchmarking.limits import ALPHA

    if patients and not can_choose(patients, classifier):
        err.print(
            f"Warning: the run holds {patients} patient{'s' * (patients != 1)} out, and with so few no gain can be "
            f"told from chance: after correction for {count_trials(classifier) - 1} plans p is "
            f"{least_p(patients, classifier):.2g} or more, and must be below {ALPHA:g}. No synthetic lesions will be "
            "chosen. Fit with more patients or a larger --holdout, or give --factor a number.",
            style="yellow",
            **PLAIN,
        )
