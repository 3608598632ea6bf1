"""What readers saved: read, and checked against the key before anything is computed from it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd

from augmentor.data.tables import read_csv
from augmentor.errors import DataError, UsageError, listed
from augmentor.files import write_atomically
from augmentor.reading.key import KINDS, Key, spelt_alike

COLUMNS = ("reading", "reader", "lesion", "position", "kind", "label", "confidence", "seconds")
CONFIDENCES = range(1, 6)  # guess to certain
MODEL = "model"  # the reader's name under which a classifier answers
ALL = "all"  # the one under which all people are scored together
_LONGEST = 365 * 24 * 3600  # seconds; a page that is left open counts on


def answers_file(folder: Path, reader: str) -> Path:
    return folder / f"answers-{reader}.csv"


def load_answers(folder: Path, key: Key) -> pd.DataFrame:
    """All answers in `folder`, joined with the key: one row a reader and lesion.

    Columns: reader, lesion, position (int), kind, label, confidence (int, 1 to 5), seconds (float), and true_kind,
    true_label. Raises UsageError where there are no answers, and DataError, with every problem that was found, where a
    file is not of this reading, or lacks, doubles or adds a lesion, or holds an answer that no page gives.
    """
    files = sorted(folder.glob("answers-*.csv"))
    if not files:
        raise UsageError(
            f"{folder}: holds no answers-*.csv. Send each reader their page ({', '.join(key.orders)}), put the file "
            "that it saves here, and score again; or let a classifier read with --model."
        )
    problems: list[str] = []
    tables = []
    for file in files:
        table = _read(file, key)
        problems += _problems(file, table, key)
        tables.append(table)
    problems += _two_of_one_name(files, tables)
    if problems:
        raise DataError(problems)
    table = pd.concat(tables, ignore_index=True)
    numbers = {"position": "int64", "confidence": "int64", "seconds": "float64"}
    return table.astype(numbers).merge(_truth(key), on="lesion", validate="many_to_one")


def _truth(key: Key) -> pd.DataFrame:
    rows = pd.DataFrame(key.lesions)[["id", "kind", "label"]]
    return rows.rename(columns={"id": "lesion", "kind": "true_kind", "label": "true_label"})


def _read(file: Path, key: Key) -> pd.DataFrame:
    """`COLUMNS` as text, the index the rows' numbers in a spreadsheet; rows without any text are none.

    A page sets commas between columns, a spreadsheet that saves them again perhaps semicolons or tabs. Readers and
    classes are spelt as in the key. Raises DataError where the file is no such table.
    """
    try:
        found = read_csv(file)
    except DataError as error:
        told = error.problems[0].removeprefix(f"{file}: ").partition(". ")[0]  # the rest is advice on other tables
        advice = "Save it from the page again, or as CSV in UTF-8."
        raise DataError(f"{file}: can't be read as CSV ({told}). {advice}") from error
    missing = [name for name in COLUMNS if name not in found.header]
    if missing:
        raise DataError(
            f"{file}: lacks the column {', '.join(missing)}; a page saves {', '.join(COLUMNS)}, with commas between. "
            "Save it from the page again."
        )
    places = {name: found.header.index(name) for name in COLUMNS}
    columns = {name: [row[place] for row in found.rows] for name, place in places.items()}
    table = pd.DataFrame(columns, index=found.numbers, dtype=object)
    if found.separator != ",":  # in whose place some spreadsheets write it for a point
        table["seconds"] = table["seconds"].str.replace(",", ".")
    return table.assign(reader=_spelt(table["reader"], key.orders), label=_spelt(table["label"], key.classes))


def _spelt(texts: pd.Series, names: Collection[str]) -> pd.Series:
    """Each text as the name that it is another encoding of; others stay."""
    known = {spelt_alike(name): name for name in names}
    found = {text: text if text in names else known.get(spelt_alike(text), text) for text in texts.unique()}
    return texts.map(found)


def _problems(file: Path, table: pd.DataFrame, key: Key) -> list[str]:
    """What is wrong with one file; only what concerns the file as a whole, where that is wrong already."""
    readings = sorted(set(table["reading"]))
    if readings != [key.reading]:
        return [
            f"{file}: is of reading {', '.join(name or '(empty)' for name in readings or [''])}, the key is of "
            f"{key.reading}. Put the answers beside the key that was made with their page."
        ]
    readers = sorted(set(table["reader"]))
    if len(readers) > 1:
        return [f"{file}: holds answers of {', '.join(readers)}; a file holds one reader's. Keep each one's own file."]
    if readers[0] not in [*key.orders, MODEL]:
        return [
            f"{file}: reader {readers[0]!r} is not one of this reading, which has {', '.join(key.orders)}. "
            "Correct the column `reader`, or leave the file out."
        ]
    return _lesion_problems(file, table, key) + _value_problems(file, table, key) + _place_problems(file, table)


def _lesion_problems(file: Path, table: pd.DataFrame, key: Key) -> list[str]:
    counts = Counter(table["lesion"])
    found = {
        "has no row for lesion": [name for name in key.ids if name not in counts],
        "has more than one row for lesion": [name for name, number in counts.items() if number > 1],
        "has rows for lesions that the reading does not have,": [name for name in counts if name not in key.ids],
    }
    return [
        f"{file}: {told} {listed(names)}. Save it from the page again, which gives each of the {len(key.ids)} lesions "
        f"one row ({len(names)} such lesions)."
        for told, names in found.items()
        if names
    ]


def _value_problems(file: Path, table: pd.DataFrame, key: Key) -> list[str]:
    places = {str(place) for place in range(1, len(key.ids) + 1)}
    rules: dict[str, tuple[Callable[[str], bool], str]] = {
        "kind": (lambda text: text in KINDS, " or ".join(KINDS)),
        "label": (lambda text: text in key.classes, " or ".join(key.classes)),
        "confidence": (lambda text: text in map(str, CONFIDENCES), f"{CONFIDENCES[0]} to {CONFIDENCES[-1]}"),
        "position": (lambda text: text in places, f"a whole number from 1 to {len(places)}"),
        "seconds": (_is_time, f"a plain number, as 12.5, from 0 to {_LONGEST} (a year)"),
    }
    problems = []
    for column, (allowed, told) in rules.items():
        bad = table[~table[column].map(allowed).astype(bool)]
        if len(bad):
            lesion, value = bad["lesion"].iloc[0], bad[column].iloc[0]
            problems.append(
                f"{file}: row {bad.index[0]}: {column} of lesion {lesion} is {value!r}; it must be {told} "
                f"({len(bad)} such rows). Save it from the page again."
            )
    return problems


def _is_time(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)) and float(text) <= _LONGEST


def _place_problems(file: Path, table: pd.DataFrame) -> list[str]:
    """Positions that several lesions have; a lesion that has several rows is told of elsewhere."""
    rows = table.drop_duplicates("lesion")
    again = rows[rows["position"].duplicated(keep=False)]
    if again.empty:
        return []
    value = again["position"].iloc[0]
    same = listed([str(number) for number in again.index[again["position"] == value]])
    return [
        f"{file}: rows {same}: all have position {value!r}; each lesion has another ({len(again)} rows share theirs). "
        "Save it from the page again."
    ]


def _two_of_one_name(files: list[Path], tables: list[pd.DataFrame]) -> list[str]:
    homes: dict[str, list[str]] = {}
    for file, table in zip(files, tables, strict=True):
        for reader in sorted(set(table["reader"])):
            homes.setdefault(reader, []).append(str(file))
    return [
        f"{' and '.join(names)}: both hold answers of reader {reader!r}. Keep the one that counts."
        for reader, names in homes.items()
        if len(names) > 1
    ]


def save_answers(table: pd.DataFrame, file: Path) -> None:
    """Write rows of `COLUMNS` as a page does."""
    text = table[list(COLUMNS)].to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    write_atomically(file, text)
