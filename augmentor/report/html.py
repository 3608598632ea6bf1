"""One self-contained page from what a benchmark or a fit left behind: no network, no script."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from augmentor.errors import UsageError
from augmentor.report import curves, legend, pictures, tables

MAX_TRAINING = 6  # curves of GANs on one page, which must stay small enough to send
MAX_FAILED = 8  # rows before the rest is folded away
TABLES = ("arms", "comparisons", "classes", "mcnemar", "choices", "failed", "fits")


def write_report(out: Path) -> Path:
    """OUT/report.html, OUT/figures/ and OUT/tables/ from the folder that `augmentor benchmark` wrote.

    Parts that the benchmark did not run are left out. Raises UsageError where OUT holds no results.
    """
    out = Path(out)
    results = pictures.read_cells(_require(out / "results.csv", "augmentor benchmark"))
    summary = json.loads(_require(out / "summary.json", "augmentor benchmark").read_text(encoding="utf-8"))
    _save_tables(out, summary)
    page = (
        {"verdict": summary["verdict"]}
        | _failures(summary)
        | _findings(out, summary)
        | _curves(out, summary, results)
        | _gans(out, summary)
        | _circumstances(summary, results)
    )
    return _render("benchmark.html", page, out / "report.html")


def fit_report(run: Path) -> Path:
    """RUN/report.html and RUN/figures/ from the folder that `augmentor fit` wrote.

    Raises UsageError where RUN holds no metrics.
    """
    run = Path(run)
    _require(run / "metrics.jsonl", "augmentor fit")
    recipe = run / "recipe.toml"
    page = {
        "name": run.resolve().name,
        "samples": pictures.sample_picture(run),
        "training": pictures.training_picture(run, run, run.resolve().name),
        "recipe": recipe.read_text(encoding="utf-8") if recipe.exists() else "",
    }
    return _render("fit.html", page, run / "report.html")


def _require(path: Path, command: str) -> Path:
    """The path, or a UsageError that says which command writes it."""
    if not path.exists():
        raise UsageError(
            f"{path.parent} has no {path.name}; a report is made from the folder that `{command}` wrote. "
            f"Run `{command}` first, or give the folder of a finished one."
        )
    return path


def _save_tables(out: Path, summary: dict[str, Any]) -> None:
    """The numbers behind the tables, each under the name that it has in summary.json."""
    (out / "tables").mkdir(exist_ok=True)
    data = summary["data"]
    lesions = [{"class": name} | counts for name, counts in data["classes"].items()]
    found = {name: summary.get(name) for name in TABLES} | {"lesions": lesions, "folds": data["folds"]}
    for name, rows in found.items():
        if rows:
            pd.DataFrame(rows).to_csv(out / "tables" / f"{name}.csv", index=False)


def _failures(summary: dict[str, Any]) -> dict[str, Any]:
    failed = summary.get("failed") or []
    parts = [part for part in (failed[:MAX_FAILED], failed[MAX_FAILED:]) if part]
    return {"failed": [tables.failed_table(part) for part in parts], "failures": len(failed)}


def _findings(out: Path, summary: dict[str, Any]) -> dict[str, Any]:
    arms, comparisons = pd.DataFrame(summary["arms"]), pd.DataFrame(summary["comparisons"])
    metric = summary["metric"]
    drawn = [pictures.arms_picture(out, arms, metric), pictures.difference_picture(out, comparisons, metric)]
    return {
        "results": list(filter(None, drawn)),
        "legend": legend.explained(arms["arm"]),
        "arms": tables.arms_table(arms),
        "confusion": pictures.confusion_picture(out),
        "by_class": tables.class_tables(summary.get("classes") or []),
        "comparisons": tables.comparison_tables(comparisons, metric),
        "second_opinion": tables.second_opinion_table(summary.get("mcnemar") or []),
        "choices": tables.choices_table(summary.get("choices") or []),
    }


def _curves(out: Path, summary: dict[str, Any], results: pd.DataFrame) -> dict[str, Any]:
    """The curves that were asked for; curve_cells.csv is there where they have cells beside the compared ones."""
    found = summary.get("curves") or {}
    if not any(found.values()):
        return {"curves": []}
    file, classifier = out / "curve_cells.csv", summary["recipe"]["benchmark"]["classifiers"][0]
    cells = pictures.read_cells(file) if file.exists() else results.assign(per_class=float("nan"))
    cells = cells[cells["classifier"] == classifier]
    parts = [
        (
            curves.synthetic_curve(found["synthetic"], cells),
            "curve-synthetic",
            "Below a number: how many times the real.",
        ),
        (curves.real_curve(found["real"], cells), "curve-real", "Each number has a GAN of its own."),
    ]
    drawn = (
        pictures.curve_picture(out, curve, summary["metric"], name, f"{about} Classifier {classifier}.")
        for curve, name, about in parts
    )
    return {"curves": list(filter(None, drawn))}


def _gans(out: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """Pictures of the GANs, those of all real lesions first."""
    fits = summary.get("fits") or []
    ordered = sorted(fits, key=lambda fit: fit.get("per_class") is not None)
    samples = (pictures.sample_picture(out / fit["run"]) for fit in ordered)
    training = (pictures.training_picture(out, out / fit["run"], fit["run"]) for fit in ordered)
    drawn = list(islice(filter(None, training), MAX_TRAINING))
    return {
        "embedding": pictures.embedding_picture(out),
        "samples": next(filter(None, samples), None),
        "fits": tables.fits_table(fits),
        "training": drawn,
        "undrawn": len(fits) - len(drawn),
    }


def _circumstances(summary: dict[str, Any], results: pd.DataFrame) -> dict[str, Any]:
    data = summary["data"]
    seeds = sorted({*results["seed"], *(fit["seed"] for fit in summary.get("fits") or [])})
    return {
        "source": data["source"],
        "data": [tables.classes_table(data), tables.folds_table(data), tables.sets_table(results)],
        "warnings": data["warnings"],
        "facts": tables.facts_table(summary, seeds),
        "recipe": tables.toml(summary["recipe"]),
        "command": summary["command"],
    }


def _render(template: str, page: dict[str, Any], path: Path) -> Path:
    """Fill a template with `page`; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("augmentor.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    path.write_text(environment.get_template(template).render(page), encoding="utf-8")
    return path
