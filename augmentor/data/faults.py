"""What is wrong with a lesion set, and what is to be doubted about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from augmentor.data.inspection import Inspection
from augmentor.data.patients import means_unknown, shown
from augmentor.data.spelling import spelling_key
from augmentor.data.splits import groups, holdout
from augmentor.data.tables import advice_on_files
from augmentor.data.windows import RECORD, units_of
from augmentor.errors import SHOWN, DataError, first_of, listed
from augmentor.recipe import TrainingSection

_WHOLE_NUMBER = re.compile(r"0*(\d+?)(?:\.0*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # the last ones turn the writing round


def find_faults(found: Inspection, training: TrainingSection, fitted: bool) -> None:
    """Add to what was counted its duplicates, problems and further warnings. training, fitted: as in
    `check.inspect`."""
    _find_duplicates(found)
    sides = _sides(found)
    found.problems += [*_unreadable(found), *_synthetic(found), *_few_classes(found)]
    found.problems += _few_to_train_on(found, sides, training) if fitted else _few_patients(found)
    found.problems += [*_odd_names(found), *_spelt_twice(found, "Classes", found.classes)]
    found.problems += _spelt_twice(found, "Folds", found.folds)
    found.problems += _unknown(found, "fold", found.folds, "Name the fold of these rows, or leave the column out.")
    _find_units(found)
    found.problems += [*_unlike(found), *_named_twice(found), *_torn(found, "split"), *_torn(found, "fold")]
    found.problems += _undivided(found, sides, training) if fitted else []
    found.warnings += _unknown(found, "class", found.classes, "Leave its lesions out if they have none.")
    found.warnings += _lone_patients(sides, training)


def require_readable(found: Inspection) -> None:
    """Raise DataError with the first of the files that can't be read."""
    if found.unreadable:
        raise DataError(_unreadable(found))


def require_alike(found: Inspection) -> None:
    """Raise DataError, which names the set, where its images have several dimensions, channel counts or dtypes."""
    if unlike := _unlike(found):
        raise DataError([f"{found.lesions.source}: {told}" for told in unlike])


def _find_duplicates(found: Inspection) -> None:
    table = found.lesions.table
    twice = table[(table["content"] != "") & table["content"].duplicated(keep=False)]
    for _, group in twice.groupby("content", sort=False):
        paths = group["path"].tolist()
        found.exact_duplicates.append(paths)
        if group["patient"].nunique() > 1:
            found.duplicates_across_patients.append(paths)
        if group["split"].nunique() > 1 or group["fold"].nunique() > 1:
            found.duplicates_across_splits.append(paths)
        if group["label"].nunique() > 1:
            found.warnings.append(f"One image under two labels: {', '.join(paths)}. One of the labels is wrong.")
    for name, sets in (("patients", found.duplicates_across_patients), ("splits", found.duplicates_across_splits)):
        if sets:
            found.warnings.append(
                f"{len(sets)} images stand under several {name} (for example {' = '.join(sets[0][:2])}). "
                "They are kept on one side of every split, so that none is trained on and tested on."
            )


def _unreadable(found: Inspection) -> list[str]:
    return first_of(found.unreadable, "files")


def _synthetic(found: Inspection) -> list[str]:
    table = found.lesions.table
    synthetic = int((table["origin"] == "synthetic").sum())
    if not synthetic:
        return []
    return [
        f"{synthetic} of {len(table)} rows are synthetic; a GAN is trained, and a classifier tested, on real "
        "lesions only. Give the real set from which they were made."
    ]


def _few_classes(found: Inspection) -> list[str]:
    source = found.lesions.source
    if not found.classes:
        return [f"{source}: no lesion is left of it. Choose more of its rows."]
    if len(found.classes) > 1:
        return []
    return [
        f"{source} has one class, {next(iter(found.classes))!r}; a classifier needs two or more. "
        f"Add a folder or a label for the others.{advice_on_files(source) if source.is_dir() else ''}"
    ]


def _few_patients(found: Inspection) -> list[str]:
    return [
        f"Class {name!r} has {count['patients']} patient ({_images(count)}) in {found.lesions.source}; "
        "a benchmark tests on other patients than it trains on, so it needs 2 or more a class, one a fold. "
        "Merge the class with another, or add patients."
        for name, count in found.classes.items()
        if count["patients"] < 2
    ]


def _images(count: dict[str, int]) -> str:
    return f"{count['images']} image{'s' * (count['images'] != 1)}"


def _sides(found: Inspection) -> pd.DataFrame:
    """A row for each class and patient of it: label, group (patients who share an image are one) and side, where a fit
    has it as `splits.holdout` cuts: with the test rows, else with the val rows, else train."""
    named = found.lesions.rows((found.lesions.table["patient"] != "").to_numpy())
    if not len(named):
        return pd.DataFrame({"label": [], "group": [], "side": []})
    group, split = groups(named), named.table["split"].to_numpy()
    beside = {name: np.isin(group, group[split == name]) for name in ("test", "val")}
    side = np.where(beside["test"], "test", np.where(beside["val"], "val", "train"))
    return pd.DataFrame({"label": named.table["label"], "group": group, "side": side}).drop_duplicates()


def _counted(sides: pd.DataFrame) -> pd.DataFrame:
    """Patients of each class: index label, columns train, val and test."""
    counts = sides.groupby(["label", "side"]).size().unstack(fill_value=0)
    return counts.reindex(columns=["train", "val", "test"], fill_value=0)


def _draws(sides: pd.DataFrame, training: TrainingSection) -> bool:
    """Whether a fit draws the patients whom it holds out: not where the data bring those."""
    return training.holdout > 0 and not (sides["side"] == "val").any()


def _few_to_train_on(found: Inspection, sides: pd.DataFrame, training: TrainingSection) -> list[str]:
    draws = _draws(sides, training)
    few = [
        _few_of_class(found, str(name), count, draws)
        for name, count in _counted(sides).iterrows()
        if count["train"] < (2 if draws else 1)
    ]
    judged = draws or (sides["side"] == "val").any()
    if few or judged or sides.loc[sides["side"] == "train", "group"].nunique() != 1:
        return few
    return [
        f"{found.lesions.source}: all lesions to train on are of one patient, and none is held out; a fit needs a "
        "second one to tell what a near-copy is. Add patients, or name them."
    ]


def _few_of_class(found: Inspection, name: str, count: pd.Series, draws: bool) -> str:
    elsewhere = [f"{count[side]} more in {side}" for side in ("val", "test") if count[side]]
    told = f"{count['train'] or 'no'} patient"
    if elsewhere:
        notes = [*elsewhere] if count["train"] else [one.replace(" more", "") for one in elsewhere]
        told += " to train on"
    else:
        notes = [_images(found.classes[name])]
    if count.sum() < found.classes[name]["patients"]:
        notes.append("patients who share an image count as one")
    why = "a fit trains on every class"
    if draws:
        why = "a fit holds patients out, so it needs 2 or more a class (a benchmark: one a fold)"
    moved = "Make training rows of more of its patients, merge" if elsewhere else "Merge"
    return (
        f"Class {name!r} has {told} ({', '.join(notes)}) in {found.lesions.source}; {why}. {moved} the class with "
        "another, or add patients."
    )


def _undivided(found: Inspection, sides: pd.DataFrame, training: TrainingSection) -> list[str]:
    """Why no patients can be held out, where some own lesions of several classes: else their numbers tell."""
    if found.problems or not sides["group"].duplicated().any():
        return []
    try:
        holdout(found.lesions, training.holdout, training.seed)
    except DataError as error:
        return error.problems
    return []


def _odd_names(found: Inspection) -> list[str]:
    """What the tables that are written could not give back."""
    rows = found.lesions.table.drop(columns="content").itertuples(index=False)
    odd = dict.fromkeys(text for row in rows for text in row if text != _written(text))
    return first_of(
        [
            f"{text!a}: has a line break or other control character in its name, or bytes that are no UTF-8. Rename it."
            for text in odd
        ],
        "names",
    )


def _written(text: str) -> str:
    return _CONTROL.sub("", text).encode(errors="replace").decode()


def _spelt_twice(found: Inspection, what: str, names: Iterable[str]) -> list[str]:
    """Names of classes or folds that are one, spelt in several ways. what: they are, for the sentence."""
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(_key_of(name), []).append(name)
    return [
        f"{what} {' and '.join(map(shown, ways))} in {found.lesions.source} differ in case, spaces, the encoding of "
        "letters, unseen characters or the zeros of a number alone. Spell them alike if they are one, else give them "
        "other names."
        for ways in spelt.values()
        if len(ways) > 1
    ]


def _key_of(name: str) -> str:
    key = " ".join(spelling_key(name).split())
    number = _WHOLE_NUMBER.fullmatch(key)
    return number[1] if number else key


def _unknown(found: Inspection, what: str, names: Iterable[str], advice: str) -> list[str]:
    """Names of classes or folds that programs write where nothing is known. what: they are, for the sentence."""
    return [
        f"{what.capitalize()} {shown(name)} in {found.lesions.source} reads as if nothing were known, and counts as a "
        f"{what}. {advice}"
        for name in names
        if means_unknown(name)
    ]


def _find_units(found: Inspection) -> None:
    """PNGs of one `extract` have one window: two windows are two scales of grey, at any depth."""
    units: dict[tuple[float, float], str] = {}
    try:
        readable = found.lesions.table.loc[found.lesions.table["content"] != "", "path"]
        for path in {Path(path).parent: path for path in readable}.values():
            units.setdefault(units_of(path), path)
        _find_resaved(found)
    except DataError as error:
        found.problems.append(str(error))
    if len(units) > 1:
        told = " and ".join(f"{path} (stored x {slope:g} {base:+g})" for (slope, base), path in list(units.items())[:2])
        found.problems.append(
            f"Lesions were cut out with different windows, so their greys mean different units: {told}. Extract all "
            "lesions of a set with the same --window."
        )


def _find_resaved(found: Inspection) -> None:
    for dtype in found.dtypes:
        path = found.examples[dtype]
        if units_of(path) != units_of(path, dtype):
            found.warnings.append(
                f"{path}: holds {dtype} values, and the {RECORD} of its set tells the units of 16-bit pictures: it was "
                "saved again since. The numbers count as greys, in no units. To keep units, extract the lesions again."
            )


def _unlike(found: Inspection) -> list[str]:
    """In what the images of a set differ that all of them must share."""
    problems = []
    if len(found.dims) > 1:
        told = ", ".join(f"{n} of {size}" for size, n in list(found.sizes.items())[:SHOWN])
        problems.append(
            f"Images and volumes in one set, of different dimensions ({told}). Cut sections from the volumes, or leave "
            "one kind out."
        )
    for what, counts in (("channel counts", found.channels), ("dtypes", found.dtypes)):
        if len(counts) > 1:
            told = ", ".join(f"{n} of {k}" for k, n in counts.items())
            problems.append(
                f"Mixed {what}: {told} (for example {found.examples[list(counts)[-1]]}). All images of a set need the "
                "same; convert the smaller part."
            )
    return problems


def _named_twice(found: Inspection) -> list[str]:
    several = [
        f"{path} stands under {' and '.join(names)}; an image has one {column}. Leave the other rows out."
        for column in ("label", "patient")
        for path, named in found.lesions.table.groupby("path")[column]
        if len(names := sorted(set(named))) > 1
    ]
    return first_of(several, "images")


def _torn(found: Inspection, column: str) -> list[str]:
    """Patients who are on several sides of a split that the data bring. column: split or fold."""
    table = found.lesions.table
    torn = [
        f"Patient {patient!r} is in {column}s {', '.join(where)}; a patient must stay in one. "
        f"Correct the {column} column."
        for patient, cells in table[table[column] != ""].groupby("patient")[column]
        if len(where := sorted(set(cells))) > 1
    ]
    return first_of(torn, "patients")


def _lone_patients(sides: pd.DataFrame, training: TrainingSection) -> list[str]:
    """Warnings of classes of which one patient is left to train on; one for all where they are many."""
    draws = _draws(sides, training)
    left = _counted(sides)["train"]
    lone = [repr(name) for name in left.index[left == (2 if draws else 1)]]
    if len(lone) > SHOWN:
        told = [(f"{len(lone)} classes ({listed(lone)}) have", " each", "each")]
    else:
        told = [(f"Class {name} has", "", "it") for name in lone]
    return [
        f"{named} {f'2 patients{each}, of whom a fit holds one out' if draws else f'1 patient to train on{each}'}: of "
        f"one patient's lesions few new ones can be made, and of a single lesion none. Give {them} {3 if draws else 2} "
        f"patients or more{', or fit with --holdout 0' if draws else ''}."
        for named, each, them in told
    ]
