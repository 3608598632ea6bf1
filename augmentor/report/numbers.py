"""Numbers as a reader says them, and words for those that were not measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from augmentor.benchmarking.arms import ARMS
from augmentor.benchmarking.rounding import clear_form, tell_p
from augmentor.benchmarking.scores import LOWER_IS_BETTER as NO_SHARES  # told as numbers, not in percent

UNKNOWN = "not measured"
NAMES = {"auc": "AUC", "brier": "Brier score", "ece": "Calibration error", "kid": "KID", "mmd": "MMD", "fid": "FID"}
_AUTO = {name for name, arm in ARMS.items() if arm.auto}


def words(metric: str) -> str:
    """A metric's name as a reader says it: `balanced_accuracy` is Balanced accuracy, `auc` is AUC."""
    return NAMES.get(metric, metric.replace("_", " ").capitalize())


def known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def number(value: float | None, form: str) -> str:
    return format(value, form) if known(value) else UNKNOWN


def bounded(found: Mapping[str, float | None]) -> str:
    """A value and its interval, where it has one: 0.712 (0.650 to 0.770)."""
    low, high = found["low"], found["high"]
    bounds = f" ({low:.3f} to {high:.3f})" if known(low) and known(high) else ""
    return number(found["value"], ".3f") + bounds


def signed(value: float, form: str) -> str:
    """A number with its sign, zero without one, and a true minus, which aligns with the digits."""
    text = format(value, form)
    return text.replace("-", "\N{MINUS SIGN}") if float(text) < 0 else f"+{text}" if float(text) else text.lstrip("-")


def in_points(share: float, _: float | None = None) -> str:
    """A difference of fractions as a tick in points."""
    return signed(round(100 * share, 6), "g")


def interval(row: Mapping[Any, Any]) -> str:
    """A fraction and its interval in percent: 84.1 % (79.0 to 88.2). A Brier score as it is: 0.312 (0.280 to 0.351)."""
    factor, form, unit = (1, ".3f", "") if row["metric"] in NO_SHARES else (100, ".1f", " %")
    if not known(row["mean"]):
        return UNKNOWN
    mean = f"{factor * row['mean']:{form}}{unit}"
    bounded = known(row["low"]) and known(row["high"])
    return f"{mean} ({factor * row['low']:{form}} to {factor * row['high']:{form}})" if bounded else mean


def difference(row: Mapping[Any, Any]) -> str:
    """A difference of fractions and its interval in points: +3.2 (+0.5 to +6.9)."""
    factor, form = (1, ".3f") if row["metric"] in NO_SHARES else (100, ".1f")
    if not known(row["difference"]):
        return UNKNOWN
    value, bounds = signed(factor * row["difference"], form), [row["low"], row["high"]]
    if not all(map(known, bounds)):
        return value
    low, high = (signed(factor * bound, clear_form(factor * bound, form)) for bound in bounds)
    return f"{value} ({low} to {high})"


def size(value: float | None, metric: str) -> str:
    if not known(value):
        return UNKNOWN
    return f"{value:.3f}" if metric in NO_SHARES else f"{100 * value:.1f}"


def probability(p: float | None) -> str:
    return tell_p(p, ".3f").removeprefix("= ") if known(p) else UNKNOWN


def duration(seconds: float | None) -> str:
    """35 s, 12 min or 2 h 05 min."""
    if not known(seconds):
        return UNKNOWN
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def first_line(error: str) -> str:
    return error.strip().partition("\n")[0]


def factor(arm: str, value: float, form: str) -> str:
    """How many times its real size an arm's training set has; of arm `auto`, each cell chooses its own."""
    return "chosen" if arm in _AUTO else number(value, form)


def per_class(row: Mapping[str, Any]) -> str:
    """How many real lesions a class a cell or a GAN was given."""
    return str(row.get("per_class") or "all")
