"""The tables of a page: numbers to text, and nothing measured for what is not there."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeGuard

import pandas as pd

from augmentor.benchmarking.statistics import LOWER_IS_BETTER as NO_SHARES  # told as numbers, not in percent
from augmentor.report import figures

METRICS = ["sensitivity", "specificity", "balanced_accuracy", "accuracy", "auc", "brier", "ece"]
UNKNOWN = "not measured"
VERDICTS = {"none": "not shown to differ"}


class Table(NamedTuple):
    """Rows of text under `heads`, by group; the first cell of a row names it. The group "" has no heading."""

    caption: str
    heads: list[str]
    groups: dict[str, list[list[str]]]


def arms_table(arms: pd.DataFrame) -> Table:
    metrics = [metric for metric in METRICS if metric in set(arms["metric"])]
    groups: dict[str, list[list[str]]] = {}
    for (classifier, arm), rows in arms.groupby(["classifier", "arm"], sort=False):
        by_metric = {row["metric"]: _interval(row) for row in rows.to_dict("records")}
        cells = [by_metric.get(metric, UNKNOWN) for metric in metrics]
        groups.setdefault(str(classifier), []).append([str(arm), *cells])
    caption = "Mean and 95 % interval over patients; sensitivity and specificity are means over classes."
    if NO_SHARES & set(metrics):
        caption += " Of the Brier score (0 to 2) and the calibration error (0 to 1), lower is better."
    return Table(caption, ["Arm", *map(figures.words, metrics)], groups)


def comparison_tables(comparisons: pd.DataFrame, metric: str) -> list[Table]:
    """One table a metric, the one that the verdict is about first."""
    found = set(comparisons["metric"]) if len(comparisons) else set()
    ordered = [metric, *(name for name in METRICS if name != metric)]
    return [_comparison_table(comparisons[comparisons["metric"] == name], name) for name in ordered if name in found]


def _comparison_table(comparisons: pd.DataFrame, metric: str) -> Table:
    groups: dict[str, list[list[str]]] = {}
    for row in comparisons.to_dict("records"):
        detectable = _size(row["detectable"], metric)
        verdict = VERDICTS.get(row["verdict"], row["verdict"])
        cells = [row["arm"], _difference(row), _probability(row["p"]), detectable, verdict]
        groups.setdefault(row["classifier"], []).append(cells)
    heads = ["Arm", "Difference (95 % interval)", "p", "Smallest detectable difference", "Verdict"]
    unit = "lower is better" if metric in NO_SHARES else "in percentage points"
    corrected = "intervals and p are corrected for the number of comparisons"
    return Table(f"{figures.words(metric)}: difference to {figures.REFERENCE}, {unit}; {corrected}", heads, groups)


def class_tables(classes: list[dict[str, Any]]) -> list[Table]:
    """Sensitivity and specificity of each class against the rest: one table a classifier, one group a class."""
    tables: dict[str, Table] = {}
    rows: dict[tuple[str, str, str], list[str]] = {}
    for found in classes:
        classifier, label, arm = found["classifier"], found["class"], found["arm"]
        caption = f"{classifier}: each class against the rest, 95 % interval over patients"
        table = tables.setdefault(classifier, Table(caption, ["Arm", "Sensitivity", "Specificity"], {}))
        if (classifier, label, arm) not in rows:
            rows[classifier, label, arm] = [arm, UNKNOWN, UNKNOWN]
            table.groups.setdefault(label, []).append(rows[classifier, label, arm])
        rows[classifier, label, arm][1 + (found["metric"] == "specificity")] = _interval(found)
    return list(tables.values())


def second_opinion_table(tests: list[dict[str, Any]]) -> Table | None:
    if not tests:
        return None
    groups: dict[str, list[list[str]]] = {}
    for test in tests:
        counts = [str(test["only_arm_right"]), str(test["only_baseline_right"])]
        groups.setdefault(test["classifier"], []).append([test["arm"], *counts, _probability(test["p"])])
    heads = ["Arm", "Lesions that only it called right", f"Lesions that only {figures.REFERENCE} called right", "p"]
    caption = (
        "McNemar's exact test on all test lesions together. It counts lesions of one patient as independent and is "
        "not corrected for the number of comparisons, so that its p is rather too small; no verdict rests on it."
    )
    return Table(caption, heads, groups)


def choices_table(choices: list[dict[str, Any]]) -> Table | None:
    """What arm `auto` chose."""
    if not choices:
        return None
    groups: dict[str, list[list[str]]] = {}
    for choice in choices:
        plan = "no synthetic lesions" if choice["plan"] == "none" else choice["plan"]
        groups.setdefault(choice["classifier"], []).append([plan, str(choice["cells"])])
    return Table("Chosen on held-out training patients of each fold", ["Plan", "Folds and seeds"], groups)


def failed_table(failed: list[dict[str, Any]]) -> Table:
    rows = [
        [
            cell["arm"],
            cell["classifier"],
            str(cell["fold"]),
            str(cell["seed"]),
            _number(cell["factor"], "g"),
            _per_class(cell),
            _first_line(cell["error"]),
        ]
        for cell in failed
    ]
    heads = ["Arm", "Classifier", "Fold", "Seed", "Factor", "Real lesions a class", "Error"]
    return Table("Cells that failed, each with the first line of its error", heads, {"": rows})


def fits_table(fits: list[dict[str, Any]]) -> Table | None:
    """A GAN that failed has its error where the others have their discrimination."""
    if not fits:
        return None
    rows = [
        [
            fit["run"],
            str(fit["fold"]),
            str(fit["seed"]),
            _per_class(fit),
            _number(fit.get("kimg"), ".1f"),
            _duration(fit.get("seconds")),
            f"failed: {_first_line(fit['error'])}" if fit.get("error") else _number(fit.get("discrimination"), ".2f"),
        ]
        for fit in fits
    ]
    heads = ["Run", "Fold", "Seed", "Real lesions a class", "Thousand images shown", "Time", "Discrimination"]
    return Table("The GANs that were trained", heads, {"": rows})


def classes_table(data: dict[str, Any]) -> Table:
    rows = [[name, str(count["images"]), str(count["patients"])] for name, count in data["classes"].items()]
    rows.append(["all", str(data["images"]), str(data["patients"])])
    return Table("Real lesions by class", ["Class", "Images", "Patients"], {"": rows})


def folds_table(data: dict[str, Any]) -> Table:
    columns = ["train_images", "test_images", "train_patients", "test_patients"]
    rows = [[str(fold["fold"]), *(str(fold[column]) for column in columns)] for fold in data["folds"]]
    heads = ["Fold", "Training images", "Test images", "Training patients", "Test patients"]
    return Table("Folds; no patient is on both sides", heads, {"": rows})


def sets_table(results: pd.DataFrame) -> Table:
    means = results.groupby("arm", sort=False)[["factor", "n_real", "n_synthetic"]].mean()
    rows = [
        [str(arm), _number(row["factor"], ".3g"), _number(row["n_real"], ".0f"), _number(row["n_synthetic"], ".0f")]
        for arm, row in means.iterrows()
    ]
    heads = ["Arm", "Factor", "Real images", "Synthetic images"]
    return Table("Training set of each arm, mean over folds and seeds", heads, {"": rows})


def facts_table(summary: dict[str, Any], seeds: Iterable[int]) -> Table:
    machine = summary["machine"]
    versions = [[f"{name} version", version] for name, version in summary["versions"].items()]
    rows = [
        ["Seeds", ", ".join(map(str, seeds))],
        ["Time", _duration(summary["seconds"])],
        ["Time of all cells together", _duration(summary.get("cell_seconds"))],
        ["Machine", f"{machine['platform']}, {machine['cores']} cores, load {_number(machine['load'], '.1f')}"],
    ]
    return Table("Seeds, machine and versions", ["What", "Value"], {"": rows + versions})


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _number(value: float | None, form: str) -> str:
    return format(value, form) if _known(value) else UNKNOWN


def _interval(row: Mapping[Any, Any]) -> str:
    """A fraction and its interval in percent: 84.1 % (79.0 to 88.2). A Brier score as it is: 0.312 (0.280 to 0.351)."""
    factor, form, unit = (1, ".3f", "") if row["metric"] in NO_SHARES else (100, ".1f", " %")
    if not _known(row["mean"]):
        return UNKNOWN
    mean = f"{factor * row['mean']:{form}}{unit}"
    bounded = _known(row["low"]) and _known(row["high"])
    return f"{mean} ({factor * row['low']:{form}} to {factor * row['high']:{form}})" if bounded else mean


def _difference(row: Mapping[Any, Any]) -> str:
    """A difference of fractions and its interval in points: +3.2 (+0.5 to +6.9)."""
    factor, form = (1, ".3f") if row["metric"] in NO_SHARES else (100, ".1f")
    if not _known(row["difference"]):
        return UNKNOWN
    value, low, high = (
        figures.signed(factor * row[name], form) if _known(row[name]) else "" for name in ("difference", "low", "high")
    )
    return f"{value} ({low} to {high})" if low and high else value


def _size(value: float | None, metric: str) -> str:
    if not _known(value):
        return UNKNOWN
    return f"{value:.3f}" if metric in NO_SHARES else f"{100 * value:.1f}"


def _per_class(row: Mapping[str, Any]) -> str:
    return str(row.get("per_class") or "all")


def _first_line(error: str) -> str:
    return error.strip().partition("\n")[0]


def _probability(p: float | None) -> str:
    return "< 0.001" if _known(p) and p < 0.001 else _number(p, ".3f")


def _duration(seconds: float | None) -> str:
    """35 s, 12 min or 2 h 05 min."""
    if not _known(seconds):
        return UNKNOWN
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def toml(recipe: dict[str, Any], section: str = "") -> str:
    """The recipe as TOML to read; settings that are None are left out, as TOML has no word for them."""
    nested = {name: value for name, value in recipe.items() if isinstance(value, dict)}
    flat = {name: value for name, value in recipe.items() if value is not None and name not in nested}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in flat.items()]
    blocks = ["\n".join([f"[{section}]", *lines] if section and lines else lines)]
    blocks += [toml(value, f"{section}.{name}".lstrip(".")) for name, value in nested.items()]
    return "\n\n".join(filter(None, blocks))
