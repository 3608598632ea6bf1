"""One self-contained page from what a benchmark or a fit left behind: no network, no script."""

import base64
import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from augmentor.errors import UsageError
from augmentor.report import figures, tables

MAX_PICTURE_BYTES = 1_000_000


class Picture(NamedTuple):
    """What an <img> needs; `source` is a data URI, `narrow` one for a phone where that differs.

    A page shows it at most `inches` wide, so that the letters of all charts have one size.
    """

    source: str
    alt: str
    caption: str
    inches: float
    narrow: str = ""
    kind: str = "chart"


def write_report(out: Path) -> Path:
    """OUT/report.html and OUT/figures/ from the folder that `augmentor benchmark` wrote.

    Raises UsageError where OUT holds no results.
    """
    out = Path(out)
    results = _read_cells(_require(out / "results.csv", "augmentor benchmark"))
    summary = json.loads(_require(out / "summary.json", "augmentor benchmark").read_text(encoding="utf-8"))
    arms, comparisons = pd.DataFrame(summary["arms"]), pd.DataFrame(summary["comparisons"])
    fits = summary.get("fits") or []
    seeds = sorted({*results["seed"], *(fit["seed"] for fit in fits)})
    page = {
        "verdict": summary["verdict"],
        "results": [
            _arms_picture(out, arms, summary["metric"]),
            _difference_picture(out, comparisons, summary["metric"]),
        ],
        "arms": tables.arms_table(arms),
        "comparisons": tables.comparison_tables(comparisons, summary["metric"]),
        "confusion": _confusion_picture(out),
        "samples": next(filter(None, (_sample_picture(out / fit["run"]) for fit in fits[:1])), None),
        "fits": tables.fits_table(fits),
        "training": list(filter(None, (_training_picture(out, out / fit["run"], fit["run"]) for fit in fits))),
        "source": summary["data"]["source"],
        "data": [
            tables.classes_table(summary["data"]),
            tables.folds_table(summary["data"]),
            tables.sets_table(results),
        ],
        "warnings": summary["data"]["warnings"],
        "facts": tables.facts_table(summary, seeds),
        "recipe": tables.toml(summary["recipe"]),
        "command": summary["command"],
    }
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
        "samples": _sample_picture(run),
        "training": _training_picture(run, run, run.resolve().name),
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


def _read_cells(path: Path) -> pd.DataFrame:
    """A CSV with one row a cell or an image; names stay text, so that a class called 1 or NA survives."""
    names = dict.fromkeys(["arm", "classifier", "fold", "label", "predicted"], str)
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def _read_metrics(run: Path) -> pd.DataFrame:
    """The lines of metrics.jsonl, an empty table where there is none; a line that a killed run left half is skipped."""
    path = run / "metrics.jsonl"
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return pd.DataFrame(lines)


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


def _arms_picture(out: Path, arms: pd.DataFrame, metric: str) -> Picture:
    rows = arms[arms["metric"] == metric]
    name = figures.words(metric)
    reference = figures.REFERENCE in set(rows["arm"])
    dashed = f"; the dashed line is {figures.REFERENCE} augmentation" if reference else ""
    return _chart(
        lambda columns: figures.arms_plot(rows, metric, columns),
        out / "figures" / "arms.png",
        rows,
        alt=f"Dot plot: {name.lower()} of {_described(rows)}, with 95 % intervals. The table below holds the numbers.",
        caption=f"{name} of every arm, on patients that neither the GAN nor the classifier has seen. A bar is the "
        f"95\N{NO-BREAK SPACE}% interval over patients{dashed}.",
    )


def _difference_picture(out: Path, comparisons: pd.DataFrame, metric: str) -> Picture | None:
    """None where nothing was compared to classic, or not in this metric."""
    rows = comparisons[comparisons["metric"] == metric] if len(comparisons) else comparisons
    if rows.empty:
        return None
    name = figures.words(metric)
    return _chart(
        lambda columns: figures.difference_plot(rows, columns),
        out / "figures" / "difference.png",
        rows,
        alt=f"Dot plot: {name.lower()} minus {figures.REFERENCE} of {_described(rows)}, with 95 % intervals. "
        "The table of comparisons holds the numbers.",
        caption=f"{name} of every arm minus that of {figures.REFERENCE} augmentation, in percentage points. "
        "Right of the dashed line an arm is better; a bar that crosses it leaves the sign open.",
    )


def _confusion_picture(out: Path) -> Picture | None:
    """None where the benchmark kept no predictions."""
    if not (out / "predictions.csv").exists():
        return None
    predictions = _read_cells(out / "predictions.csv")
    drawn = figures.confusion_classifiers(predictions)
    left_out = predictions["classifier"].nunique() - len(drawn)
    caption = "Of the images of each true class (row), how many percent were given each class (column)."
    if left_out:
        caption += f" Classifier {drawn[0]} only; figures/confusion.csv also holds the other {left_out}."
    shares = figures.confusion_shares(predictions)
    return _chart(
        lambda columns: figures.confusion_plot(predictions, columns),
        out / "figures" / "confusion.png",
        shares,
        alt=f"Confusion matrices of {_described(shares[shares['classifier'].isin(drawn)])}. "
        "The file figures/confusion.csv holds the numbers.",
        caption=caption,
        columns=(4, 2),
    )


def _training_picture(out: Path, run: Path, name: str) -> Picture | None:
    """Drawn into OUT/figures; None where the run left no metrics."""
    metrics = _read_metrics(run)
    if metrics.empty:
        return None
    figure, path = figures.training_plot(metrics), out / "figures" / f"training-{name.replace('/', '-')}.png"
    figures.save(figure, path, metrics)
    return Picture(
        _data_uri(path.read_bytes()),
        alt=f"Training curves of {name}: how well the discriminator tells real from synthetic, and both losses.",
        caption=f"{name}. Above: how well the discriminator tells real from synthetic; 0.5 is the equilibrium, and "
        "training lesions far above held-out ones mean that it learns them by heart. Below: the losses.",
        inches=figure.get_figwidth(),
    )


def _sample_picture(run: Path) -> Picture | None:
    """The last sample grid of a run; None where there is none."""
    grids = sorted((run / "samples").glob("*.png"))
    if not grids:
        return None
    return Picture(
        _data_uri(_within(grids[-1].read_bytes(), MAX_PICTURE_BYTES)),
        alt=f"Grid of lesions, one row a class: real ones at the left, synthetic ones of {run.name} at the right.",
        caption=f"One row a class: first real lesions, then synthetic ones ({run.name}, {grids[-1].stem}).",
        inches=9.0,
        kind="pixels",
    )


def _chart(
    plot: Callable[[int], Figure],
    path: Path,
    numbers: pd.DataFrame,
    *,
    alt: str,
    caption: str,
    columns: tuple[int, int] = (3, 1),
) -> Picture:
    """`plot(columns)` drawn twice: as many panels across as a page takes, which is saved, and as a phone takes."""
    wide, narrow = columns
    figure = plot(wide)
    figures.save(figure, path, numbers)
    return Picture(
        _data_uri(path.read_bytes()), alt, caption, figure.get_figwidth(), _data_uri(figures.png(plot(narrow)))
    )


def _described(rows: pd.DataFrame) -> str:
    arms, classifiers = (", ".join(dict.fromkeys(rows[name])) for name in ("arm", "classifier"))
    return f"the arms {arms} with the classifiers {classifiers}"


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _within(png: bytes, limit: int) -> bytes:
    """The picture, halved until it takes at most `limit` bytes."""
    while len(png) > limit:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(png)).reduce(2).save(buffer, format="png", optimize=True)
        png = buffer.getvalue()
    return png
