"""How it was made: the command, the circumstances, the recipe."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from augmentor.model.gan import resolve
from augmentor.recipe import Recipe
from augmentor.report import numbers
from augmentor.report.blocks import Block, Code, Folded, Part, Section, Text, TextTable
from augmentor.report.sources import Benchmark, Fit, Sources

FILES = (
    "Beside this page, figures/ holds every picture as PNG with its numbers as CSV under the same name, and tables/ "
    "the numbers of the tables. results.csv and predictions.csv in a benchmark's folder hold every cell and prediction."
)


def made(sources: Sources, _: Path) -> Section | None:
    parts: list[Block] = [Part(b.titled("The benchmark"), _benchmark(b)) for b in sources.benchmarks]
    parts += [Part(fit.titled("The fit"), _fit(fit)) for fit in sources.fits]
    return Section("How it was made", [*parts, Part("Files", [Text(FILES)])]) if parts else None


def _benchmark(benchmark: Benchmark) -> list[Block]:
    summary = benchmark.summary
    seeds = sorted({*benchmark.results["seed"], *(fit["seed"] for fit in summary["fits"])})
    return [
        *_repeated(summary.get("command")),
        facts_table(summary, seeds),
        Folded("Recipe", [Code(_toml(summary["recipe"]))]),
    ]


def _repeated(command: str | None) -> list[Block]:
    if command:
        return [Text("This repeats it:"), Code(command)]
    told = "Its recipe is benchmark.toml in its folder. This repeats it in Python, with the same lesions:"
    return [Text(told), Code('benchmark(lesions, load_recipe(Path("benchmark.toml")), Path("again"))')]


def _fit(fit: Fit) -> list[Block]:
    return [*_command(fit), fit_table(fit.summary), Folded("Recipe", [Code(fit.recipe)])]


def _command(fit: Fit) -> list[Block]:
    """The `augmentor fit` of its recipe."""
    recipe = fit.run.recipe
    options = _options(recipe, fit.run.lesions_file.resolve())
    words = [word for name, value in options.items() if value not in (None, "") for word in (name, str(value))]
    command = shlex.join(["augmentor", "fit", *words, *(["--with-mask"] if recipe.model.with_mask else [])])
    repeated = _with_options_alone(recipe)
    told = "This repeats it:" if repeated else "This repeats it, with the settings of its recipe that have no option:"
    return [Text(told), Code(command)]


def _with_options_alone(recipe: Recipe) -> bool:
    """Whether the options of `_options` say all that decides about the weights."""
    plain = Recipe().with_options(
        data=recipe.data.model_dump(),
        model=recipe.model.model_dump(include={"name", "size", "spatial_dims", "with_mask", "condition_on"}),
        training=recipe.training.model_dump(include={"minutes", "kimg", "holdout", "seed", "device"}),
        extract=recipe.extract.model_dump(include={"window", "fov"}),
    )
    return resolve(plain).hash() == resolve(recipe).hash()


def _options(recipe: Recipe, lesions: Path) -> dict[str, Any]:
    """lesions: the run's table, which a fit from Python is repeated with: how its lesions were read is not known. It is
    named from the folder that the run lies in; where that lies is nobody's who is sent the page."""
    data, training, extract = recipe.data, recipe.training, recipe.extract
    return {
        "--data": data.path or lesions.relative_to(lesions.parents[1]),
        "--columns": ",".join(f"{ours}={theirs}" for ours, theirs in data.columns.items()),
        "--patient-pattern": data.patient_pattern,
        "--max-per-class": data.max_per_class,
        "--model": recipe.model.name,
        "--size": recipe.model.size,
        "--spatial-dims": recipe.model.spatial_dims if recipe.model.spatial_dims != 2 else None,
        "--condition-on": recipe.model.condition_on,
        "--minutes": training.length[0],
        "--kimg": training.length[1],
        "--holdout": training.holdout,
        "--seed": training.seed,
        "--window": extract.window,
        "--fov": extract.fov,
        "--device": training.device if training.device != "auto" else None,
    }


def fit_table(summary: dict[str, Any]) -> TextTable:
    """How a fit ended; what its run.json does not record is left out."""
    rows = [
        ["Thousand images shown", numbers.number(summary.get("kimg"), ".1f")],
        ["Steps", str(summary.get("steps", numbers.UNKNOWN))],
        ["Time of training", numbers.duration(summary.get("seconds"))],
        ["Snapshot", f"{summary.get('chosen', 'none yet')}, {summary.get('chosen_because', 'the fit has not ended')}"],
    ]
    if moved := summary.get("lesions_moved"):
        rows.append(["Training lesions are moved", moved])
    return TextTable("How the fit ended", ["What", "Value"], {"": rows})


def facts_table(summary: dict[str, Any], seeds: Iterable[int]) -> TextTable:
    machine = summary["machine"]
    load = numbers.number(machine["load"], ".1f")
    rows = [
        ["Seeds", ", ".join(map(str, seeds))],
        ["Time", numbers.duration(summary["seconds"])],
        ["Time of all cells together", numbers.duration(summary["cell_seconds"])],
        ["Machine", f"{machine['platform']}, {machine['cores']} cores, {machine['device']}, load {load}"],
        *([f"{name} version", version] for name, version in summary["versions"].items()),
    ]
    return TextTable("Seeds, machine and versions", ["What", "Value"], {"": rows})


def _toml(recipe: dict[str, Any], section: str = "") -> str:
    """The recipe as TOML to read; settings that are None are left out, as TOML has no word for them."""
    nested = {name: value for name, value in recipe.items() if isinstance(value, dict)}
    flat = {name: value for name, value in recipe.items() if value is not None and name not in nested}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in flat.items()]
    blocks = ["\n".join([f"[{section}]", *lines] if section and lines else lines)]
    blocks += [_toml(value, f"{section}.{name}".lstrip(".")) for name, value in nested.items()]
    return "\n\n".join(filter(None, blocks))
