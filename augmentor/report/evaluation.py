"""What evaluation.json says, whatever spaces and measures are in it."""

from __future__ import annotations

from typing import Any

import pandas as pd

# key in the file -> column
SIDES = {"spaces": "synthetic", "augmented": "augmented", "floor": "floor", "training": "training"}
NAMES = {  # of the columns
    "synthetic": "synthetic",
    "augmented": "real lesions, augmented",
    "floor": "floor: real lesions",
    "training": "training halves",
}
MEANINGS = {  # of the numbers about the whole; real: what copies are looked for among, fate: what becomes of them
    "near_copies": "Share of near-copies of {real}s, {fate}",
    "near_copies_by_chance": "The share of near-copies to expect by chance, of lesions of other patients",
    "trtr": "Trained on real lesions, tested on held-out real ones: what TSTR can be compared with",
    "tstr": "Trained on synthetic lesions, tested on held-out real ones (TSTR): macro sensitivity",
    "trts": "Trained on real lesions, tested on synthetic ones (TRTS)",
    "real_or_synthetic_auc": "AUC with which a classifier tells real from synthetic (0.5: it cannot)",
    "authenticity": "Authenticity: share of synthetic lesions that are farther from the nearest {real} than "
    "that is from its own nearest other one",
    "authenticity_held_out": "The same of held-out real lesions",
    "membership_auc": "AUC with which training lesions are told from held-out ones by their nearest synthetic lesion "
    "(0.5: they cannot)",
}
ENDS = ("_low", "_high")  # of an interval
BETTER = {
    **dict.fromkeys(("kid", "mmd", "fid"), "lower"),
    **dict.fromkeys(("precision", "recall", "density", "coverage"), "higher"),
}


def scores(evaluation: dict[str, Any]) -> pd.DataFrame:
    """A row for each space, class (or "mean") and measure; columns synthetic, augmented, floor and training, where they
    are, and synthetic_low and so on where a measure has an interval."""
    rows: dict[tuple[str, str, str], dict[str, float | None]] = {}
    for key, side in SIDES.items():
        for space, by_class in (evaluation.get(key) or {}).items():
            for label, measures in by_class.items():
                for measure, value in measures.items():
                    name, end = _bound_of(measure, measures)
                    rows.setdefault((space, label, name), {})[side + end] = value
    names = pd.MultiIndex.from_tuples(rows, names=["space", "class", "measure"]) if rows else None
    return pd.DataFrame(list(rows.values()), index=names).reset_index() if rows else pd.DataFrame()


def _bound_of(measure: str, measures: dict[str, Any]) -> tuple[str, str]:
    """`kid_low` beside `kid` is ("kid", "_low"), a measure of its own is itself."""
    for end in ENDS:
        if measure.endswith(end) and measure.removesuffix(end) in measures:
            return measure.removesuffix(end), end
    return measure, ""


def whole(evaluation: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """The numbers about the synthetic set as a whole: name -> value, low, high."""
    found = {}
    for name, value in evaluation.items():
        if isinstance(value, dict) and "value" in value:
            found[name] = {key: value.get(key) for key in ("value", "low", "high")}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = {"value": value, "low": None, "high": None}
    return found


def members_known(evaluation: dict[str, Any]) -> bool:
    """Whether it is known which real lesions the generator was fitted on: held-out ones are judged only then."""
    return (evaluation.get("authenticity_held_out") or {}).get("value") is not None


def compared_with(evaluation: dict[str, Any]) -> str:
    """The real lesions among which copies are looked for, one of them."""
    return "training lesion" if members_known(evaluation) else "real lesion"


def alarm(evaluation: dict[str, Any]) -> str:
    """What the audit for copies raised its alarm about; "" where it did not."""
    return str(evaluation.get("alarm_sentence", "")) if evaluation.get("alarm") else ""
