"""What the commands print: tables and sentences for a terminal."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from augmentor.cli.console import PLAIN, out

_SHOWN = 8  # sizes, folds and so on of a data set


def show_inspection(content: dict[str, Any]) -> None:
    out.print(content["source"], **PLAIN)
    if content["columns"]:
        out.print(f"columns: {', '.join(f'{ours}={theirs}' for ours, theirs in content['columns'].items())}", **PLAIN)
    table = Table("class", "images", "patients")
    for name, count in content["classes"].items():
        table.add_row(escape(name), str(count["images"]), str(count["patients"]))
    table.add_section()
    table.add_row("all", str(content["lesions"]["images"]), str(content["lesions"]["patients"]))
    if taken := content.get("taken"):
        table.add_row("taken of them", str(taken["images"]), str(taken["patients"]))
    out.print(table)
    for name in ("sizes", "dtypes", "channels", "intensity", "splits", "folds"):
        if found := content[name]:
            told = [f"{k}: {_number(v)}" for k, v in list(found.items())[:_SHOWN]]
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            out.print(f"{name}: {', '.join(told)}{more}", **PLAIN)
    out.print(f"exact duplicates: {len(content['exact_duplicates'])} sets", highlight=False)
    for line in content["warnings"]:
        out.print(f"Warning: {line}", style="yellow", **PLAIN)
    for line in content["problems"]:
        out.print(f"Problem: {line}", style="red", **PLAIN)
    volumes = any(size.count("x") == 2 for size in content["sizes"])
    fitted = f"It can be fitted{', with --spatial-dims 3 --size 32' if volumes else ''}."
    out.print("It can't be fitted before these are mended." if content["problems"] else fitted, **PLAIN)


def show_drawn(lesions: Any, before: bool, alone: bool) -> None:
    """Of phantom lesions. before: by an earlier start. alone: nothing else was to be done."""
    folder = lesions.source.parent
    told = f"{folder} has its {len(lesions)} lesions since an earlier start" if before else ""
    told = told or f"Drew {len(lesions)} lesions into {folder}"
    following = f"   Next: {shlex.join(['augmentor', 'check', '--data', str(folder)])}" if alone else ""
    out.print(f"{told}.{following}", **PLAIN)


def _number(value: float) -> str:
    """With all digits before its point."""
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"


def show_fit(run: Any, report: Path) -> None:
    summary = run.summary
    reached = summary["discrimination_held_out"]
    near = f", discriminator on held-out patients {reached:.2f} (equilibrium 0.5)" if reached is not None else ""
    shown = f"{summary['kimg']:g} thousand images in {summary['seconds']:.0f} s"
    out.print(f"Fitted {run.folder}: {shown}{near}.", **PLAIN)
    if moved := summary.get("lesions_moved"):  # none of a model that draws from noise alone
        out.print(f"Training lesions are moved: {moved} (measured on them).", **PLAIN)
    out.print(f"Report: {report}   Next: {next_of_run(run.folder)}", **PLAIN)


def next_of_run(folder: Path) -> str:
    return shlex.join(["augmentor", "expand", "--run", str(folder), "--factor", "3"])


def show_counts(lesions: Any) -> None:
    counts = lesions.table.groupby(["label", "origin"]).size().unstack(fill_value=0)
    out.print(f"Wrote {lesions.source.parent}", **PLAIN)
    table = Table("class", "real", "synthetic")
    for name, row in counts.iterrows():
        table.add_row(escape(str(name)), str(row.get("real", 0)), str(row.get("synthetic", 0)))
    out.print(table)


def show_choice(choice: Any, classifier: str, patients: int) -> None:
    """What `--factor auto` tried and took. patients: how many it was judged on."""
    out.print(_table_of(choice))
    if choice.plan.factor == 1:
        out.print(
            f"{_why_none(choice, classifier, patients)}: the real ones alone are written. Give --factor a number to "
            "have synthetic ones.",
            highlight=False,
        )
    elif choice.plan.use == "pretrain":
        out.print("Train on the synthetic lesions first, then on the real ones: that was better than mixing them.")


def _table_of(choice: Any) -> Table:
    """The plans that were tried, each beside no synthetic lesions at all."""
    measured = ("Brier score, held-out patients", "better than none by", f"p, corrected for {choice.plans} plans")
    table = Table("factor", "use", "screen", *measured)
    for trial in choice.trials:
        plan, gain, p = trial.plan, "", ""
        if plan.factor > 1 and not trial.diverged:
            gain, p = f"{trial.gain:+.3f} +- {trial.error:.3f}", f"{choice.corrected(trial):.2g}"
        brier = "diverged" if trial.diverged else f"{trial.brier:.3f}"
        table.add_row(f"{plan.factor:g}", plan.use, plan.screen, brier, gain, p)
    return table


def _why_none(choice: Any, classifier: str, patients: int) -> str:
    """Why no plan was taken: none was better, or the best one not beyond chance."""
    from augmentor.benchmarking.limits import ALPHA

    best = choice.best
    on = f"{patients} held-out patient{'s' * (patients != 1)}"
    if not best.gain > 0:
        return f"No factor helped {classifier} on the {on}"
    plan = f"factor {best.plan.factor:g}, {best.plan.use}, screen {best.plan.screen}"
    return (
        f"The best plan ({plan}) helped {classifier} on the {on}, but not beyond chance (p = "
        f"{choice.corrected(best):.2g} after correction for {choice.plans} plans; it must be below {ALPHA:g})"
    )


def show_expanded(run: Any, lesions: Any) -> None:
    """The counts, the run that they come from, what its screen refused, and what comes next."""
    from augmentor.data.windows import DESCRIPTION
    from augmentor.expansion.rules import REASONS
    from augmentor.files import read_json

    show_counts(lesions)
    screen = read_json(lesions.source.parent / DESCRIPTION, "Screen")["Screen"]
    if screen.get("warning"):
        out.print(f"Warning: {screen['warning']}", style="yellow", **PLAIN)
    refused: Counter[str] = sum(map(Counter, screen["refused"].values()), Counter())
    told = ", ".join(f"{refused[rule]} {reason}" for rule, reason in REASONS.items() if refused[rule])
    out.print(f"From {run.folder} (fitted on {run.splits['source']}); refused: {told or 'none'}.", **PLAIN)
    out.print(f"Next: {_benchmark_of(run)}", **PLAIN)


def _benchmark_of(run: Any) -> str:
    """The benchmark of the lesions that a run was fitted on, at its size. They are named by the run's own table: by it
    patients are told apart as they were, wherever the user stands, and whatever told them apart then."""
    size, dims = run.recipe.model.size, run.recipe.model.spatial_dims
    words = ["augmentor", "benchmark", "--data", _from_here(run.lesions_file), "--size", str(size)]
    return shlex.join(words + (["--spatial-dims", str(dims)] if dims != 2 else []))


def _from_here(path: Path) -> str:
    """Relative where it lies in the working folder."""
    whole, here = path.absolute(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def show_evaluation(found: Any, report: Path | None = None, following: str | None = None) -> None:
    """following: the command that comes next."""
    from dataclasses import asdict

    from augmentor.report.evaluation import BETTER, MEANINGS, NAMES, SIDES, compared_with, whole
    from augmentor.report.numbers import bounded

    for space, scores in found.spaces.items():
        sides = [getattr(found, key).get(space, {}).get("mean", {}) for key in SIDES]
        heads = [NAMES[side] for side in SIDES.values()]
        table = Table("", *heads, title=f"{space} features, mean over classes", title_justify="left")
        for measure in [name for name in scores["mean"] if not name.endswith(("_low", "_high"))]:
            ends = {"value": measure, "low": f"{measure}_low", "high": f"{measure}_high"}
            name = f"{measure} ({BETTER[measure]} is better)" if measure in BETTER else measure
            table.add_row(name, *(bounded({k: side.get(name) for k, name in ends.items()}) for side in sides))
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
        out.print(f"Report: {report}{f'   Next: {following}' if following else ''}", **PLAIN)


def show_results(summary: dict[str, Any], report: Path) -> None:
    from augmentor.report.numbers import interval

    pooled = "Of all test sets pooled; the differences below are means over test sets."
    table = Table("classifier", "arm", "macro sensitivity (95 % CI)", "specificity", "AUC", caption=pooled)
    table.caption_justify = "left"
    values = {(r["classifier"], r["arm"], r["metric"]): r for r in summary["arms"]}
    for classifier, arm in dict.fromkeys((c, a) for c, a, _ in values):
        told = [interval(values[classifier, arm, m]) for m in ("sensitivity", "specificity", "auc")]
        table.add_row(classifier, arm, told[0], *(text.partition(" (")[0] for text in told[1:]))
    out.print(table)
    out.print(summary["verdict"], **PLAIN)
    out.print(f"Report: {report}", **PLAIN)


def show_study(found: dict[str, float]) -> None:
    table = Table("", f"{found['simulations']:.0f} simulated benchmarks")
    shares = {k: "-" if math.isnan(v) else f"{v:.1%}" for k, v in found.items()}  # NaN: a share of none
    table.add_row("verdict was gain", shares["gain"])
    table.add_row("verdict was harm", shares["harm"])
    table.add_row("McNemar's p was under 0.05 (of all classifiers)", shares["mcnemar"])
    table.add_row("intervals by patient excluded zero (of all classifiers)", shares["by_patient"])
    table.add_row("true difference of macro sensitivity", f"{found['truth'] * 100:+.2f} points")
    table.add_row("mean difference found", f"{found['difference'] * 100:+.2f} points")
    table.add_row("intervals that hold the true difference", shares["covered"])
    table.add_row("intervals by patient that hold it", shares["covered_by_patient"])
    seen = "none, however large" if found["detectable"] > 1 else f"{found['detectable'] * 100:.1f} points"
    table.add_row("smallest effect seen with 80 % power (median)", "-" if math.isnan(found["detectable"]) else seen)
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
