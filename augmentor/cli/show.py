"""What the commands print: tables and sentences for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from augmentor.cli.console import PLAIN, out


def show_inspection(content: dict[str, Any]) -> None:
    out.print(content["source"], **PLAIN)
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
        out.print(f"Warning: {line}", style="yellow", **PLAIN)
    for line in content["problems"]:
        out.print(f"Problem: {line}", style="red", **PLAIN)
    out.print("It can't be fitted before these are mended." if content["problems"] else "It can be fitted.")


def show_fit(run: Any, report: Path) -> None:
    summary = run.summary
    reached = summary["discrimination_held_out"]
    near = f", discriminator on held-out patients {reached:.2f} (equilibrium 0.5)" if reached is not None else ""
    shown = f"{summary['kimg']:g} thousand images in {summary['seconds']:.0f} s"
    out.print(f"Fitted {run.folder}: {shown}{near}.", **PLAIN)
    if moved := summary.get("lesions_moved"):  # a run of an earlier version has none
        out.print(f"Training lesions are moved: {moved} (measured on them).", **PLAIN)
    out.print(f"Report: {report}   Next: augmentor expand --run {run.folder} --factor 3", **PLAIN)


def show_counts(lesions: Any) -> None:
    counts = lesions.table.groupby(["label", "origin"]).size().unstack(fill_value=0)
    out.print(f"Wrote {lesions.source.parent}", **PLAIN)
    table = Table("class", "real", "synthetic")
    for name, row in counts.iterrows():
        table.add_row(escape(str(name)), str(row.get("real", 0)), str(row.get("synthetic", 0)))
    out.print(table)


def show_evaluation(found: Any, report: Path | None = None) -> None:
    from dataclasses import asdict

    from augmentor.report.evaluation import MEANINGS, NAMES, SIDES, compared_with, whole
    from augmentor.report.numbers import bounded

    for space, scores in found.spaces.items():
        sides = [getattr(found, key).get(space, {}).get("mean", {}) for key in SIDES]
        heads = [NAMES[side] for side in SIDES.values()]
        table = Table("", *heads, title=f"{space} features, mean over classes", title_justify="left")
        for measure in [name for name in scores["mean"] if not name.endswith(("_low", "_high"))]:
            ends = {"value": measure, "low": f"{measure}_low", "high": f"{measure}_high"}
            table.add_row(measure, *(bounded({k: side.get(name) for k, name in ends.items()}) for side in sides))
        out.print(table)
    table, content = Table("the synthetic lesions as a whole", "value (95 % interval)"), asdict(found)
    for name, value in whole(content).items():
        if name != "near_copies":  # which the sentence below tells
            table.add_row(MEANINGS[name].format(real=compared_with(content)), bounded(value))
    out.print(table)
    if found.masks:
        masks = found.masks
        out.print(
            f"Masks against what a segmenter finds in their images (Dice): {masks.synthetic:.2f}; held-out real masks "
            f"{masks.real:.2f} (the floor), masks of other synthetic lesions {masks.swapped:.2f}",
            **PLAIN,
        )
    out.print(found.alarm_sentence, style="red" if found.alarm else None, **PLAIN)
    for line in found.notes:
        out.print(f"Note: {line}", **PLAIN)
    if report:
        out.print(f"Report: {report}", **PLAIN)


def show_results(summary: dict[str, Any], report: Path) -> None:
    from augmentor.report.numbers import interval

    table = Table("classifier", "arm", "macro sensitivity (95 % CI)", "specificity", "AUC")
    values = {(r["classifier"], r["arm"], r["metric"]): r for r in summary["arms"]}
    for classifier, arm in dict.fromkeys((c, a) for c, a, _ in values):
        told = [interval(values[classifier, arm, m]) for m in ("sensitivity", "specificity", "auc")]
        table.add_row(classifier, arm, told[0], *(text.partition(" (")[0] for text in told[1:]))
    out.print(table)
    out.print(summary["verdict"], **PLAIN)
    out.print(f"Report: {report}", **PLAIN)


def show_study(found: dict[str, float]) -> None:
    table = Table("", f"{found['simulations']:.0f} simulated benchmarks")
    table.add_row("verdict was gain", f"{found['gain']:.1%}")
    table.add_row("verdict was harm", f"{found['harm']:.1%}")
    table.add_row("McNemar's p was under 0.05 (of all classifiers)", f"{found['mcnemar']:.1%}")
    table.add_row("intervals by patient excluded zero (of all classifiers)", f"{found['by_patient']:.1%}")
    table.add_row("true difference of macro sensitivity", f"{found['truth'] * 100:+.2f} points")
    table.add_row("mean difference found", f"{found['difference'] * 100:+.2f} points")
    table.add_row("intervals that hold the true difference", f"{found['covered']:.1%}")
    table.add_row("intervals by patient that hold it", f"{found['covered_by_patient']:.1%}")
    table.add_row("smallest effect seen with 80 % power (median)", f"{found['detectable'] * 100:.1f} points")
    out.print(table)


def show_screens(table: Any) -> None:
    """A row a setting; gains in points of macro sensitivity over classic augmentation."""
    from augmentor.report.numbers import number

    classifiers = [name.removeprefix("gain_") for name in table.columns if name.startswith("gain_")]
    measured = [name for name in table.columns if name.startswith(("kid_", "coverage_"))]
    shown = Table("screen", "refused", *(name.replace("_", " ") for name in measured), *classifiers, "more than none")
    for row in table.to_dict("records"):
        gains = [
            f"{row[f'gain_{name}'] * 100:+.1f} ({row[f'least_{name}'] * 100:+.1f} to {row[f'most_{name}'] * 100:+.1f})"
            for name in classifiers
        ]
        more = f"{row['more'] * 100:+.1f} +- {number(row['error'] * 100, '.1f')}" if row["setting"] != "none" else ""
        shown.add_row(row["setting"], f"{row['refused']:.1%}", *(f"{row[name]:.3f}" for name in measured), *gains, more)
    out.print(shown)
    out.print("Classifiers: points of macro sensitivity gained over classic augmentation (least to most of the seeds).")
    out.print("More than none: of their mean, over unscreened lesions, +- its standard error over folds and seeds.")
