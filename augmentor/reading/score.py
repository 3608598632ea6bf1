"""`read score`: answers and the key to what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from augmentor.benchmarking.comparison import step_down
from augmentor.benchmarking.limits import ALPHA
from augmentor.benchmarking.rounding import clear_form, tell_p
from augmentor.files import to_json, write_atomically, write_table
from augmentor.reading.answers import ALL, MODEL, load_answers
from augmentor.reading.key import KINDS, Key, load_key
from augmentor.reading.statistics import against_chance, detectable, dprime, kappa, permuted, proportion

_CHANCE = 0.5


def score_reading(folder: Path) -> dict[str, Any]:
    """Score the answers in a folder of `read make`; writes score.json (what is returned) and score.csv beside them.

    What is returned:
      reading, made, classes: as in the key; lesions: {"real": 30, "synthetic": 30}; awaited: readers without answers.
      readers: a list, one dict a reader in alphabetic order, and `all`, the same over all people who read (the
        classifier `model` counts there only where nobody else has read):
        reader: the name, or "all".
        kind: real or synthetic? {"right", "n", "accuracy", "low", "high", "p", "test"}; low, high: 95 % interval;
          p: against chance, by the binomial test for one reader, by permuting kinds over lesions for several.
        dprime, criterion, auc: telling synthetic from real, auc by confidence (means over readers in `all`).
        real, synthetic: {"right", "n", "accuracy", "low", "high"}: how many of these were called what they are.
        label: which class? {"real": {...}, "synthetic": {...}, "difference", "p"}: proportions as above, the
          difference of accuracy on real less on synthetic lesions, and its p-value by permutation.
        classes: {class: {"kind": {...}, "real": {...}, "synthetic": {...}}}: proportions of `kind` and of `label` on
          real and synthetic lesions of that class.
        confusion: {"real": [[...]], "synthetic": [[...]]}: answers, a row a true class, a column an answered one.
        seconds: {"median", "low", "high", "total"}: a lesion; low and high are quartiles.
      agreement: {"kind", "label", "statistic"}: kappa, None where undefined; statistic: "Cohen", "Fleiss" or None.
      detectable: the smallest accuracy of one reader that the number of lesions would have shown (80 % power), or None.
      verdict: what all people showed together and, where that is nothing, who of them is beyond chance alone (Holm).
      class_verdict: a sentence.
    Raises UsageError and DataError as `load_answers` does.
    """
    key = load_key(folder)
    result = _score(key, load_answers(folder, key))
    write_atomically(folder / "score.json", to_json(result))
    write_table(folder / "score.csv", score_table(result))
    return result


def _score(key: Key, table: pd.DataFrame) -> dict[str, Any]:
    names = sorted(table["reader"].unique())
    seed = int(key.made["seed"])
    people = table[table["reader"] != MODEL] if names != [MODEL] else table
    everyone = _described(ALL, people, key.classes, seed)
    lesions = pd.Series([lesion["kind"] for lesion in key.lesions]).value_counts()
    result = {
        "reading": key.reading,
        "made": key.made,
        "classes": key.classes,
        "lesions": {kind: int(lesions[kind]) for kind in KINDS},
        "awaited": [name for name in key.orders if name not in names],
        "readers": [_described(name, table[table["reader"] == name], key.classes, seed) for name in names],
        "all": everyone,
        "agreement": _agreement(people),
        "detectable": detectable(len(key.ids)),
    }
    return result | {"verdict": _verdict(result), "class_verdict": _class_verdict(everyone["label"])}


def _described(reader: str, table: pd.DataFrame, classes: list[str], seed: int) -> dict[str, Any]:
    synthetic = (table["true_kind"] == "synthetic").to_numpy()
    called = (table["kind"] == "synthetic").to_numpy()
    right = called == synthetic
    return {
        "reader": reader,
        "kind": _proportion(table, right) | _chance(table, right, seed),
        **_detection(table),
        **{kind: _proportion(table, right, table["true_kind"] == kind) for kind in KINDS},
        "label": _label(table, seed),
        "classes": {name: _one_class(table, right, name) for name in classes},
        "confusion": {kind: _confusion(table[table["true_kind"] == kind], classes) for kind in KINDS},
        "seconds": _seconds(table["seconds"]),
    }


def _proportion(table: pd.DataFrame, right: np.ndarray, rows: pd.Series | None = None) -> dict[str, Any]:
    chosen = np.ones(len(table), bool) if rows is None else rows.to_numpy()
    return proportion(right[chosen], table["lesion"].to_numpy()[chosen])


def _chance(table: pd.DataFrame, right: np.ndarray, seed: int) -> dict[str, Any]:
    if table["reader"].nunique() == 1:
        return {"p": against_chance(right), "test": "binomial"}
    by_lesion = _by_lesion(table, (table["kind"] == "synthetic").to_numpy())
    return {"p": permuted(*by_lesion, seed)[1], "test": "permutation"}


def _by_lesion(table: pd.DataFrame, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of (answers,) values over the readers of each lesion, whether it is synthetic, and its class."""
    grouped = table.assign(value=values).groupby("lesion")
    first = grouped[["true_kind", "true_label"]].first()
    synthetic = (first["true_kind"] == "synthetic").to_numpy()
    return grouped["value"].mean().to_numpy(), synthetic, first["true_label"].to_numpy(dtype=str)


def _detection(table: pd.DataFrame) -> dict[str, float]:
    """Means over readers, each of whom has a bias of their own."""
    found = []
    for _, own in table.groupby("reader"):
        called, synthetic = own["kind"] == "synthetic", own["true_kind"] == "synthetic"
        rating = own["confidence"].where(called, -own["confidence"])
        auc = {"auc": float(roc_auc_score(synthetic, rating))}
        found.append(dprime(called.to_numpy(), synthetic.to_numpy()) | auc)
    return {str(name): float(value) for name, value in pd.DataFrame(found).mean().items()}


def _label(table: pd.DataFrame, seed: int) -> dict[str, Any]:
    right = (table["label"] == table["true_label"]).to_numpy()
    difference, p = permuted(*_by_lesion(table, right), seed)
    by_kind = {kind: _proportion(table, right, table["true_kind"] == kind) for kind in KINDS}
    return by_kind | {"difference": difference, "p": p}


def _one_class(table: pd.DataFrame, kind_right: np.ndarray, name: str) -> dict[str, Any]:
    of_class, label_right = table["true_label"] == name, (table["label"] == table["true_label"]).to_numpy()
    by_kind = {kind: _proportion(table, label_right, of_class & (table["true_kind"] == kind)) for kind in KINDS}
    return {"kind": _proportion(table, kind_right, of_class)} | by_kind


def _confusion(table: pd.DataFrame, classes: list[str]) -> list[list[int]]:
    counts = pd.crosstab(table["true_label"], table["label"])
    return counts.reindex(index=classes, columns=classes, fill_value=0).to_numpy().tolist()


def _seconds(seconds: pd.Series) -> dict[str, float]:
    low, median, high = (float(x) for x in seconds.quantile([0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high, "total": float(seconds.sum())}


def _agreement(table: pd.DataFrame) -> dict[str, Any]:
    readers = table["reader"].nunique()
    by_reader = table.pivot_table(index="lesion", columns="reader", values=["kind", "label"], aggfunc="first")
    found = {column: kappa(by_reader[column].to_numpy(dtype=str)) for column in ("kind", "label")}
    return found | {"statistic": None if readers < 2 else "Cohen" if readers == 2 else "Fleiss"}


def _verdict(result: dict[str, Any]) -> str:
    """What all people showed together; before it, where that is nothing, who of them is beyond chance alone."""
    found, people = result["all"]["kind"], _people(result)
    names = [reader["reader"] for reader in people]
    who = f"{len(people)} readers" if len(people) > 1 else "The classifier" if names == [MODEL] else names[0]
    if found["p"] < ALPHA:
        return _beyond_chance(who, found, _told_right(found))
    lesions = sum(result["lesions"].values())
    seen = (
        f"a reader who is right in under {_percent(result['detectable'])} in the long run would have been missed in "
        "more than one of five such readings; this limit is not a measured share"
        if result["detectable"]
        else "no reader could have been told from chance"
    )
    alone = _alone(people)
    together = f"Taken together, the {who}" if alone else who
    told = f"{together} did not tell real from synthetic lesions beyond chance: {_told_right(found)}."
    return " ".join([*alone, told, f"With {lesions} lesions, {seen}."])


def _people(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The readers who count together: people, or the classifier where it has read alone."""
    return [reader for reader in result["readers"] if reader["reader"] != MODEL] or result["readers"]


def _alone(people: list[dict[str, Any]]) -> list[str]:
    """A sentence on each of several readers whose own p, corrected over readers, is beyond chance.

    One reader who is right and one who took the buttons for each other are at chance together.
    """
    if len(people) < 2:
        return []
    kinds = [reader["kind"] for reader in people]
    corrected = step_down([kind["p"] for kind in kinds])
    return [
        _beyond_chance(
            reader["reader"], kind, f"{_told_right(kind)}, p {tell_p(p)} corrected for {len(people)} readers"
        )
        for reader, kind, p in zip(people, kinds, corrected, strict=True)
        if p < ALPHA
    ]


def _beyond_chance(who: str, found: dict[str, Any], told: str) -> str:
    if found["accuracy"] > _CHANCE:
        return f"{who} told real from synthetic lesions beyond chance: {told}."
    turned = "They were told apart, but called the other way round"
    return f"{who} took real for synthetic lesions beyond chance: {told}. {turned}."


def _told_right(found: dict[str, Any]) -> str:
    low, high = _bounds(found, ".0f")
    return f"{_percent(found['accuracy'])} right ({low} % to {high} %, chance {_percent(_CHANCE)})"


def _class_verdict(label: dict[str, Any]) -> str:
    told = " and ".join(f"{_percent(label[kind]['accuracy'])} of {kind} lesions" for kind in KINDS)
    beyond = "differs" if label["p"] < ALPHA else "does not differ"
    return f"The class was named right in {told}, which {beyond} beyond chance (p {tell_p(label['p'])})."


def several_people(result: dict[str, Any]) -> bool:
    """Whether more than one person has read; the classifier is none."""
    return len(_people(result)) > 1


def agreement_sentence(result: dict[str, Any]) -> str | None:
    """None for fewer than two readers, who can't agree."""
    agreement = result["agreement"]
    if not agreement["statistic"]:
        return None
    kappas = {what: agreement[name] for name, what in (("kind", "real or synthetic"), ("label", "class"))}
    told = ", ".join(f"{what} {'undefined' if kappa is None else f'{kappa:.2f}'}" for what, kappa in kappas.items())
    return f"Agreement of the readers, {agreement['statistic']}'s kappa: {told}."


def told_share(found: dict[str, Any], form: str = ".0f") -> str:
    """A proportion of a score with its interval, in percent: 70 % (54 to 83)."""
    if found["accuracy"] is None:
        return "no answer"
    low, high = _bounds(found, form)
    return f"{_percent(found['accuracy'], form)} ({low} to {high})"


def _bounds(found: dict[str, Any], form: str) -> tuple[str, str]:
    """In percent, with as many digits as keep them from reading as chance: an interval that leaves it out shows it."""
    low, high = (100 * found[bound] for bound in ("low", "high"))
    return f"{low:{clear_form(low, form, 100 * _CHANCE)}}", f"{high:{clear_form(high, form, 100 * _CHANCE)}}"


def _percent(share: float, form: str = ".0f") -> str:
    return f"{100 * share:{form}} %"


def score_table(result: dict[str, Any]) -> pd.DataFrame:
    """All proportions of a score, one a row: reader, class, question, right, n, accuracy, low, high, p."""
    rows = []
    for reader in [*result["readers"], result["all"]]:
        label = reader["label"]
        parts = [(ALL, reader["kind"], label["real"], label["synthetic"])]
        parts += [(name, own["kind"], own["real"], own["synthetic"]) for name, own in reader["classes"].items()]
        for name, *found in parts:
            for question, share in zip(("real or synthetic", "class, real", "class, synthetic"), found, strict=True):
                row = {"reader": reader["reader"], "class": name, "question": question, "p": None} | share
                rows.append({column: row[column] for column in _TABLE})
    return pd.DataFrame(rows)


_TABLE = ("reader", "class", "question", "right", "n", "accuracy", "low", "high", "p")
