"""The command line: parse, call one function, print. torch is imported only when a command needs it."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from augmentor.errors import AugmentorError, UsageError
from augmentor.progress import TerminalProgress

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
CURVES = {"synthetic_curve": (0.5, 1, 2, 5, 10, 20), "real_curve": (20, 40, 60, 100)}  # the paper's, and its other side
out = Console()
err = Console(stderr=True)

Data = Annotated[
    str,
    typer.Option(
        help="Folder by class (`lesions/<class>/<image>`), CSV, MONAI datalist JSON, or MedMNIST npz.",
        show_default=False,
    ),
]
Columns = Annotated[
    str | None, typer.Option(help="Ours=theirs, for a CSV: `path=roi,label=label,patient=run,fold=fold`.")
]
Pattern = Annotated[
    str | None,
    typer.Option(help="Where the patient stands in a file name: `<patient>_<anything>`, or a regular expression."),
]
PerClass = Annotated[int | None, typer.Option(help="Take at most this many lesions of each class.")]
Seed = Annotated[int, typer.Option(help="Same seed and length in images (--kimg), same result.", min=0)]
RunFolder = Annotated[Path | None, typer.Option(help="A run folder. Default: `runs/latest`.", show_default=False)]
Device = Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda` or `mps`.")]
Screen = Annotated[
    str | None,
    typer.Option(
        help="`off` (near-copies only), `light` (default: also what is clearly of another class or like no real "
        "lesion) or `strict`.",
        show_default=False,
    ),
]
Minutes = Annotated[float | None, typer.Option(help="How long to train a GAN. Default: 5.")]
Size = Annotated[int, typer.Option(help="Side of the square images that the networks see, in pixels.")]


@app.command()
def check(
    data: Data,
    columns: Columns = None,
    patient_pattern: Pattern = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what is in a lesion set and everything that is wrong with it.

    Exit code 2 if it can't be fitted, with every reason.

    Example: `augmentor check --data index.csv --columns path=roi,patient=run`
    """
    from augmentor.data.check import inspect

    lesions = _read(data, columns, patient_pattern)
    progress = TerminalProgress(err)
    with progress.task("Reading", len(lesions)) as update:
        found = inspect(lesions, lambda done, _: update(done, ""))
    content = found.as_dict()
    if as_json:
        print(json.dumps(content, indent=1))
    else:
        _print_inspection(content)
    if found.problems:
        raise typer.Exit(2)


@app.command()
def fit(
    data: Annotated[str | None, typer.Option(help="As for `augmentor check`.", show_default=False)] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Run folder. Default: `runs/<time>`.")] = None,
    model: Annotated[
        str, typer.Option(help="`cgan` (default), or the paper's `dcgan` (one a class) or `acgan` (one for all).")
    ] = "cgan",
    size: Size = 64,
    minutes: Minutes = None,
    kimg: Annotated[
        float | None, typer.Option(help="Train on this many thousand images instead of by the clock.")
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share of patients that judge and are never trained on.")] = 0.2,
    seed: Seed = 0,
    device: Device = "auto",
    columns: Columns = None,
    patient_pattern: Pattern = None,
    max_per_class: PerClass = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run in --out (default: the newest).")
    ] = False,
) -> None:
    """Train a GAN on the training patients; the run folder holds checkpoints, pictures and a report.

    Several GPUs: `torchrun --nproc-per-node 2 --no-python augmentor fit --data lesions/`.

    Example: `augmentor fit --data lesions/ --patient-pattern "<patient>_<anything>" --minutes 10`
    """
    recipe = _recipe(
        data=_data(data, columns, patient_pattern, max_per_class),
        model={"name": model, "size": size},
        training={"minutes": minutes, "kimg": kimg, "holdout": holdout, "seed": seed, "device": device},
    )
    if resume and (data or minutes or kimg):
        raise UsageError("--resume goes on by the recipe in the run's folder. Leave --data, --minutes and --kimg out.")
    if not resume and data is None:
        raise UsageError("--data is missing. Give a folder by class, a CSV, a datalist or an npz (or --resume).")
    from augmentor.report.html import fit_report
    from augmentor.training.distributed import is_first
    from augmentor.training.fit import fit as fit_lesions
    from augmentor.training.fit import resume_fit

    progress = TerminalProgress(err)
    if resume:
        run = resume_fit(out_folder, progress)
    else:
        run = fit_lesions(_read(str(data), columns, patient_pattern), recipe, out_folder, progress=progress)
    if is_first():  # of the processes that torchrun started, if it did
        fit_report(run.folder)
        _print_fit(run)


@app.command()
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
    out_folder: Annotated[Path | None, typer.Option("--out", help="Default: `lesions-x<factor>`.")] = None,
    balance: Annotated[
        bool, typer.Option("--balance", help="Bring every class to factor times the largest one.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Another seed, other lesions. Default: 0.", min=0)] = None,
    image_format: Annotated[
        str | None, typer.Option("--format", help="`png`, `npy` or `nifti`. Default: as the input.")
    ] = None,
    screen: Screen = None,
    classifier: Annotated[
        str, typer.Option(help="Whom `--factor auto` asks: a classifier of `augmentor benchmark`.")
    ] = "cnn",
) -> None:
    """Write an enlarged training set: the real training lesions and synthetic ones, with a manifest.

    Held-out patients are never in it, and no synthetic lesion that is nearly a copy of a training one.

    Example: `augmentor expand --factor 3`
    """
    from augmentor.expansion.expand import expand as expand_run
    from augmentor.training.run import open_run

    asked = {"balance": balance or None, "format": image_format, "seed": seed, "screen": screen}
    asked["factor"] = None if factor == "auto" else factor
    _recipe(expand=asked, benchmark={"classifiers": [classifier]})  # a bad option is told before a missing run is
    chosen = open_run(run)
    if factor == "auto":
        asked |= _choose_factor(chosen, classifier)
    section = chosen.recipe.with_options(expand=asked).expand
    lesions = expand_run(chosen, out=out_folder, section=section, progress=TerminalProgress(err))
    _print_counts(lesions)


@app.command()
def evaluate(
    run: RunFolder = None,
    per_class: Annotated[int, typer.Option(help="Synthetic lesions a class to judge.", min=10)] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Judge a run's synthetic lesions against held-out patients, beside what real lesions score.

    Example: `augmentor evaluate --run runs/latest`
    """
    from dataclasses import asdict

    from augmentor.evaluation.evaluate import evaluate as evaluate_run
    from augmentor.training.run import open_run

    fidelity = evaluate_run(open_run(run), per_class, TerminalProgress(err))
    if as_json:
        print(json.dumps(asdict(fidelity), indent=1, default=float))
        return
    _print_fidelity(fidelity)


@app.command()
def benchmark(
    data: Data,
    arms: Annotated[
        str,
        typer.Option(
            help="Of `real`, `classic`, `resampled`, `mixup`, `classic+gan`, `classic+dcgan`, `classic+acgan`, "
            "`gan-only`, `pretrain-gan`, `auto`."
        ),
    ] = "real,classic,classic+gan",
    classifiers: Annotated[
        str,
        typer.Option(
            help="Of `paper-cnn`, `cnn`, `densenet`, `densenet121`, `pretrained`, `logistic`, `svm`, `forest`."
        ),
    ] = "paper-cnn,densenet,logistic,svm",
    folds: Annotated[int | None, typer.Option(help="Folds by patient. Default: the data's own, or 3.")] = None,
    seeds: Annotated[int, typer.Option(help="Repeats with other seeds.")] = 1,
    factor: Annotated[float, typer.Option(help="Size of the enlarged training sets, in real ones.")] = 3.0,
    minutes: Annotated[float | None, typer.Option(help="For each GAN, one a fold and seed. Default: 5.")] = None,
    kimg: Annotated[
        float | None, typer.Option(help="Train each GAN on this many thousand images instead of by the clock.")
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Optimiser steps of each network classifier, the same in every arm.")
    ] = 600,
    screen: Screen = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Also the gain against the number of synthetic and of real lesions.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that share the work.", min=1)] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="`tcp://HOST:PORT` of a Dask scheduler whose workers do the work.")
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Default: `benchmark`. One that was interrupted is gone on with.")
    ] = None,
    size: Size = 64,
    device: Device = "auto",
    columns: Columns = None,
    patient_pattern: Pattern = None,
    max_per_class: PerClass = None,
) -> None:
    """Measure on unseen patients whether a classifier gets better with synthetic lesions, by how much, how surely.

    Each fold fits its own GAN on its own training patients. Leaves `report.html`, `results.csv`, `predictions.csv`.
    Started again with the same --out, it goes on where it stopped, and computes only what is new.

    Example: `augmentor benchmark --data lesions/ --folds 3 --minutes 2`
    """
    recipe = _recipe(
        data=_data(data, columns, patient_pattern, max_per_class),
        model={"size": size},
        training={"device": device},
        benchmark={
            "arms": _names(arms),
            "classifiers": _names(classifiers),
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
    from augmentor.report.html import write_report

    lesions = _read(data, columns, patient_pattern)
    results = benchmark_lesions(lesions, recipe, out_folder, TerminalProgress(err))
    report = write_report(results.folder)
    _print_results(results.summary, report)


@app.command()
def calibrate(
    simulations: Annotated[int, typer.Option(help="Simulated benchmarks.", min=1)] = 200,
    perfect: Annotated[
        float,
        typer.Option(help="Lesions of a perfect generator for each real one. 0: the two arms are the same.", min=0),
    ] = 0.0,
    folds: Annotated[int, typer.Option(help="Folds by patient of each benchmark.", min=2)] = 3,
    seeds: Annotated[int, typer.Option(help="Repeats with other folds of each benchmark.", min=1)] = 2,
    patients: Annotated[int, typer.Option(min=3)] = 18,
    per_class: Annotated[int, typer.Option(help="Lesions of each of the three classes.", min=6)] = 30,
    classifiers: Annotated[str, typer.Option(help="Of `logistic`, `svm`, `forest`.")] = "logistic,svm",
    workers: Annotated[int, typer.Option(help="Processes that share the work.", min=1)] = 1,
    out_file: Annotated[Path | None, typer.Option("--out", help="CSV with a row a simulation and classifier.")] = None,
) -> None:
    """Ask how far the benchmark's verdict can be trusted, on simulated data sets whose truth is known.

    With the arms the same, it should say gain or harm in at most 5 % of benchmarks.

    Example: `augmentor calibrate --simulations 200 --workers 2`
    """
    _recipe(benchmark={"classifiers": _names(classifiers)})
    if out_file and (out_file.exists() or not out_file.parent.is_dir()):
        raise UsageError(f"--out {out_file}: must be a new file in a folder that exists; nothing is overwritten.")
    from augmentor.benchmarking.simulation import Study, describe, save_study, simulate

    study = Study(perfect, patients, per_class, 32, folds, seeds, tuple(_names(classifiers)))  # type: ignore[arg-type]
    table = simulate(study, simulations, workers, TerminalProgress(err))
    if out_file:
        save_study(table, out_file)
    _print_study(describe(table))


@app.command()
def demo(
    out_folder: Annotated[Path, typer.Option("--out", help="A new or empty folder.")] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Phantom lesions, then everything: fit, expand, evaluate, benchmark, report. About five minutes on two cores.

    Example: `augmentor demo --out demo`
    """
    from augmentor.pipeline import demo_recipe

    _run(demo_recipe(out_folder, seed))


@app.command()
def run(
    recipe: Annotated[
        Path, typer.Argument(help="A TOML file; the project's own are in pipelines/.", show_default=False)
    ],
    out_folder: Annotated[Path | None, typer.Option("--out", help="Instead of the recipe's own.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few lesions, steps and images: does it run? No figure means anything.")
    ] = False,
) -> None:
    """Do the steps of a recipe. One that was interrupted is gone on with.

    Example: `augmentor run pipelines/cheng.toml`
    """
    from augmentor.recipe import load_recipe, make_quick, make_recipe

    loaded = make_quick(load_recipe(recipe)) if quick else load_recipe(recipe)
    if out_folder:
        loaded = make_recipe(loaded.model_dump() | {"out": str(out_folder)}, str(recipe))
    _run(loaded)


def _run(recipe: Any) -> None:
    from augmentor.pipeline import run_recipe

    outcome = run_recipe(recipe, TerminalProgress(err))
    if outcome.run:
        _print_fit(outcome.run)
    if outcome.expanded:
        _print_counts(outcome.expanded)
    if outcome.fidelity:
        _print_fidelity(outcome.fidelity)
    if outcome.results:
        _print_results(outcome.results.summary, outcome.reports[-1])
    if outcome.shortfall:
        raise outcome.shortfall


def _choose_factor(run: Any, classifier: str) -> dict[str, Any]:
    """What `--factor auto` sets, told with its evidence."""
    from augmentor.benchmarking.auto import choose
    from augmentor.recipe import BenchmarkSection

    with TerminalProgress(err).task(f"Trying factors with {classifier}", 1.0) as update:
        choice = choose(run, classifier, BenchmarkSection().steps, run.recipe.training.seed, update)  # type: ignore[arg-type]
    table = Table("factor", "use", "screen", "Brier score, held-out patients", "better than none by")
    for trial in choice.trials:
        plan = trial.plan
        told = f"{trial.gain:+.3f} +- {trial.error:.3f}" if plan.factor > 1 else ""
        table.add_row(f"{plan.factor:g}", plan.use, plan.screen, f"{trial.brier:.3f}", told)
    out.print(table)
    if choice.plan.factor == 1:
        out.print(
            f"No factor helped {classifier} beyond chance on the {len(run.held_out)} held-out lesions: the real ones "
            "alone are written. Give --factor a number to have synthetic ones.",
            highlight=False,
        )
    elif choice.plan.use == "pretrain":
        out.print("Train on the synthetic lesions first, then on the real ones: that was better than mixing them.")
    return {"factor": choice.plan.factor, "screen": choice.plan.screen}


def _read(data: str, columns: str | None, pattern: str | None) -> Any:
    from augmentor.data.readers import read_lesions

    return read_lesions(data, _columns(columns), pattern)


def _recipe(**sections: dict[str, Any]) -> Any:
    from augmentor.recipe import Recipe

    return Recipe().with_options(**sections)


def _data(path: str | None, columns: str | None, pattern: str | None, most: int | None) -> dict[str, Any]:
    return {"path": path, "columns": _columns(columns), "patient_pattern": pattern, "max_per_class": most}


def _columns(text: str | None) -> dict[str, str]:
    """`path=roi,label=label` -> {"path": "roi", "label": "label"}."""
    pairs = [part.split("=", 1) for part in (text or "").split(",") if part.strip()]
    if any(len(pair) != 2 or not pair[0].strip() or not pair[1].strip() for pair in pairs):
        raise UsageError(f"--columns {text!r} is not of the form ours=theirs,ours=theirs, as in path=roi,patient=run.")
    return {ours.strip(): theirs.strip() for ours, theirs in pairs}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _print_inspection(content: dict[str, Any]) -> None:
    out.print(content["source"], highlight=False, markup=False, soft_wrap=True)
    table = Table("class", "images", "patients")
    for name, count in content["classes"].items():
        table.add_row(escape(name), str(count["images"]), str(count["patients"]))
    table.add_section()
    table.add_row("all", str(content["lesions"]["images"]), str(content["lesions"]["patients"]))
    out.print(table)
    for name in ("sizes", "dtypes", "channels", "intensity", "splits", "folds"):
        told = ", ".join(f"{k}: {v:g}" for k, v in list(content[name].items())[:8])
        if told:
            out.print(f"{name}: {told}", highlight=False)
    out.print(f"exact duplicates: {len(content['exact_duplicates'])} sets", highlight=False)
    for line in content["warnings"]:
        out.print(f"Warning: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for line in content["problems"]:
        out.print(f"Problem: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    out.print("It can't be fitted before these are mended." if content["problems"] else "It can be fitted.")


def _print_fit(run: Any) -> None:
    summary = run.summary
    reached = summary["discrimination_held_out"]
    near = f", discriminator on held-out patients {reached:.2f} (equilibrium 0.5)" if reached is not None else ""
    shown = f"{summary['kimg']:g} thousand images in {summary['seconds']:.0f} s"
    out.print(f"Fitted {run.folder}: {shown}{near}.", highlight=False, soft_wrap=True)
    out.print(
        f"Report: {run.folder / 'report.html'}   Next: augmentor expand --factor 3", highlight=False, soft_wrap=True
    )


def _print_counts(lesions: Any) -> None:
    counts = lesions.table.groupby(["label", "origin"]).size().unstack(fill_value=0)
    out.print(f"Wrote {lesions.source.parent}", highlight=False, soft_wrap=True)
    table = Table("class", "real", "synthetic")
    for name, row in counts.iterrows():
        table.add_row(escape(str(name)), str(row.get("real", 0)), str(row.get("synthetic", 0)))
    out.print(table)


def _print_fidelity(fidelity: Any) -> None:
    table = Table("texture features, mean over classes", "synthetic", "real training lesions (the floor)")
    for measure, value in fidelity.spaces["texture"]["mean"].items():
        table.add_row(measure, f"{value:.3f}", f"{fidelity.floor['texture']['mean'][measure]:.3f}")
    out.print(table)
    out.print(f"Near-copies of training lesions, which expand refuses: {fidelity.near_copies:.1%}", highlight=False)


def _print_results(summary: dict[str, Any], report: Path) -> None:
    table = Table("classifier", "arm", "macro sensitivity (95 % CI)", "specificity", "AUC")
    values = {(r["classifier"], r["arm"], r["metric"]): r for r in summary["arms"]}
    for classifier, arm in dict.fromkeys((c, a) for c, a, _ in values):
        sensitivity = values[classifier, arm, "sensitivity"]
        told = [f"{values[classifier, arm, m]['mean'] * 100:.1f} %" for m in ("specificity", "auc")]
        spread = f"{sensitivity['low'] * 100:.1f} to {sensitivity['high'] * 100:.1f}"
        table.add_row(classifier, arm, f"{sensitivity['mean'] * 100:.1f} % ({spread})", *told)
    out.print(table)
    out.print(summary["verdict"], highlight=False, markup=False, soft_wrap=True)
    out.print(f"Report: {report}", highlight=False, soft_wrap=True)


def _print_study(found: dict[str, float]) -> None:
    table = Table("", f"{found['simulations']:.0f} simulated benchmarks")
    table.add_row("verdict was gain", f"{found['gain']:.1%}")
    table.add_row("verdict was harm", f"{found['harm']:.1%}")
    table.add_row("true difference of macro sensitivity", f"{found['truth'] * 100:+.2f} points")
    table.add_row("mean difference found", f"{found['difference'] * 100:+.2f} points")
    table.add_row("intervals that hold the true difference", f"{found['covered']:.1%}")
    table.add_row("smallest effect seen with 80 % power (median)", f"{found['detectable'] * 100:.1f} points")
    out.print(table)


def main() -> None:
    """Exit codes: 0 done, 1 a run failed, 2 bad usage or data."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, which takes worker processes along
    try:
        app()
    except AugmentorError as error:
        err.print(f"Error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:
        told = f"{error.filename or 'disk'}: {error.strerror or error}. Free space, or choose a writable --out."
        err.print(f"Error: {told}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("Interrupted.", style="red")
        sys.exit(1)
