"""`benchmark`, `calibrate`, `screens`: does it help, can the verdict be trusted, and what does each rule do?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augmentor.cli.console import err, typed_command
from augmentor.cli.options import (
    Columns,
    Data,
    Device,
    Factor,
    Folds,
    Fov,
    Kimg,
    Minutes,
    OwnSize,
    Pattern,
    PerClass,
    Screen,
    Size,
    SpatialDims,
    Steps,
    Window,
    Workers,
    data_section,
    names_of,
    number,
    read_data,
    recipe_with,
)
from augmentor.cli.show import show_results, show_screens, show_study
from augmentor.errors import UsageError
from augmentor.progress import TerminalProgress

CURVES = {"synthetic_curve": (0.5, 1, 2, 5, 10, 20), "real_curve": (20, 40, 60, 100)}  # the paper's, and its other side


def benchmark(
    data: Data,
    arms: Annotated[
        str,
        typer.Option(
            help="Ways to build a training set, with commas between: `real`, `classic`, `resampled`, `mixup`, "
            "`classic+gan`, `classic+dcgan`, `classic+acgan`, `gan-only`, `pretrain-gan`, `auto`."
        ),
    ] = "real,classic,classic+gan",
    classifiers: Annotated[
        str,
        typer.Option(
            help="With commas between: `paper-cnn`, `cnn`, `densenet`, `densenet121`, `pretrained`, `logistic`, "
            "`svm`, `forest`."
        ),
    ] = "paper-cnn,densenet,logistic,svm",
    folds: Folds = None,
    seeds: Annotated[int, typer.Option(help="Repeats with other seeds.")] = 1,
    factor: Factor = 3.0,
    minutes: Minutes = None,
    kimg: Kimg = None,
    steps: Steps = None,
    screen: Screen = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Also the gain against the number of synthetic and of real lesions.")
    ] = False,
    workers: Workers = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="`tcp://HOST:PORT` of a Dask scheduler whose workers do the work.")
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Default: `benchmark`. An interrupted one is continued.")
    ] = None,
    size: OwnSize = None,
    spatial_dims: SpatialDims = 2,
    device: Device = "auto",
    columns: Columns = None,
    patient_pattern: Pattern = None,
    max_per_class: PerClass = None,
    window: Window = None,
    fov: Fov = None,
) -> None:
    """Measure on unseen patients whether a classifier gets better with synthetic lesions, by how much, how surely.

    Each fold fits its own GAN on its own training patients. Leaves `report.html`, `results.csv`, `predictions.csv`.
    Started again with the same --out, it continues where it stopped, and computes only what is new.

    Example: `augmentor benchmark --data lesions/ --folds 3 --minutes 2`
    """
    recipe = recipe_with(
        data=data_section(data, columns, patient_pattern, max_per_class),
        extract={"window": window, "fov": fov},
        model={"size": size, "spatial_dims": spatial_dims},
        training={"device": device},
        benchmark={
            "arms": names_of(arms),
            "classifiers": names_of(classifiers),
            "folds": folds,
            "seeds": seeds,
            "factor": factor,
            "minutes": minutes,
            "kimg": kimg,
            "steps": steps,
            "screen": screen,
            "workers": workers,
            "scheduler": scheduler,
        }
        | (CURVES if curves else {}),
    )
    from augmentor.benchmarking.benchmark import benchmark as benchmark_lesions
    from augmentor.report.html import report

    lesions = read_data(data, columns, patient_pattern, recipe)
    results = benchmark_lesions(lesions, recipe, out_folder, TerminalProgress(err), typed_command())
    show_results(results.summary, report([results.folder], results.folder))


def calibrate(
    simulations: Annotated[
        int, typer.Option(help="Simulated benchmarks; there are seeds for 1000.", min=1, max=1000)
    ] = 200,
    perfect: Annotated[
        float,
        typer.Option(
            parser=number,
            help="Add this many new lesions of other patients for each real one, as a perfect generator would. 0: add "
            "none, only redraw real ones, so that any gain found is false.",
        ),
    ] = 0.0,
    mislabelled: Annotated[
        float,
        typer.Option(
            parser=number,
            help="With --perfect: give this share (0 to 1) of the real training lesions a wrong label, so that the "
            "added ones help more.",
        ),
    ] = 0.0,
    folds: Annotated[int, typer.Option(help="Folds by patient of each benchmark.", min=2)] = 3,
    seeds: Annotated[int, typer.Option(help="Repeats with other folds; folds x seeds is 3 at least.", min=1)] = 2,
    patients: Annotated[int, typer.Option(help="Patients of each simulated set.", min=3)] = 18,
    per_class: Annotated[int, typer.Option(help="Lesions of each of the three classes.", min=6)] = 30,
    classifiers: Annotated[
        str, typer.Option(help="As for `augmentor benchmark`; a network takes minutes a simulation.")
    ] = "logistic,svm",
    size: Size = 32,
    steps: Steps = None,
    workers: Workers = 1,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="CSV with a row a simulation and classifier. An interrupted one is continued."),
    ] = None,
) -> None:
    """Ask how far the benchmark's verdict can be trusted, on simulated data sets whose truth is known.

    Where an arm has nothing new, it should say gain or harm in at most 5 % of benchmarks. Started again with the same
    --out, it simulates only what is not in it.

    Example: `augmentor calibrate --simulations 200 --workers 2`
    """
    asked = recipe_with(
        model={"size": size}, benchmark={"classifiers": names_of(classifiers), "steps": steps}
    ).benchmark
    if out_file and not (out_file.is_file() or (out_file.parent.is_dir() and not out_file.exists())):
        raise UsageError(
            f"--out {out_file}: must be a file in a folder that exists, a new one or that of an earlier start of the "
            "same study; nothing is overwritten."
        )
    from augmentor.benchmarking.simulation import Study, describe, simulate

    study = Study(perfect, mislabelled, patients, per_class, size, folds, seeds, asked.classifiers, asked.steps)
    show_study(describe(simulate(study, simulations, workers, TerminalProgress(err), out_file)))


def screens(
    data: Data,
    classifiers: Annotated[str, typer.Option(help="As for `augmentor benchmark`.")] = "logistic,svm",
    folds: Folds = None,
    seeds: Annotated[int, typer.Option(help="Repeats with other seeds.", min=1)] = 3,
    factor: Factor = 3.0,
    minutes: Minutes = None,
    kimg: Kimg = None,
    steps: Steps = None,
    out_folder: Annotated[Path, typer.Option("--out", help="An interrupted one is continued.")] = Path("screens"),
    size: OwnSize = None,
    spatial_dims: SpatialDims = 2,
    device: Device = "auto",
    columns: Columns = None,
    patient_pattern: Pattern = None,
    max_per_class: PerClass = None,
    window: Window = None,
    fov: Fov = None,
) -> None:
    """Ask what each rule of the screen does: to the likeness of the synthetic lesions, and to classifiers.

    The GAN of each fold and seed is fitted once; every setting of the screen chooses among its lesions. `none` keeps
    all of them, near-copies too, which no other command does. Leaves `screen.csv`, a row a fold, seed and setting, and
    the GANs in `gans/`.

    Example: `augmentor screens --data lesions/ --folds 3 --minutes 1`
    """
    recipe = recipe_with(
        data=data_section(data, columns, patient_pattern, max_per_class),
        extract={"window": window, "fov": fov},
        model={"size": size, "spatial_dims": spatial_dims},
        training={"device": device},
        benchmark={"classifiers": names_of(classifiers), "folds": folds, "seeds": seeds, "factor": factor}
        | {"minutes": minutes, "kimg": kimg, "steps": steps},
    )
    from augmentor.benchmarking.screening import study_screen, summarise_study

    lesions = read_data(data, columns, patient_pattern, recipe)
    show_screens(summarise_study(study_screen(lesions, recipe, out_folder.resolve(), TerminalProgress(err))))
