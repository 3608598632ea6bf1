"""What readers saved: read, and checked against the key before anything is computed from it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from augmentor.data.tables import separator_of
from augmentor.errors import SHOWN, DataError, UsageError
from augmentor.files import write_atomically
from augmentor.reading.key import KINDS, Key

COLUMNS = ("reading", "reader", "lesion", "position", "kind", "label", "confidence", "seconds")
CONFIDENCES = range(1, 6)  # guess to certain
MODEL = "model"  # the reader's name under which a classifier answers
ALL = "all"  # the one under which all people are scored together


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
        table = _read(file)
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


def _read(file: Path) -> pd.DataFrame:
    """All columns as text; a page sets commas between them, a spreadsheet that saves them again perhaps semicolons or
    tabs. Raises DataError where the file is no such table."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        comma = separator_of(text)
        table = pd.read_csv(io.StringIO(text), sep=comma, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as CSV ({error}). Save it from the page again.") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(
            f"{file}: lacks the column {', '.join(missing)}; a page saves {', '.join(COLUMNS)}, with commas between. "
            "Save it from the page again."
        )
    if comma != ",":  # in whose place some spreadsheets write it for a point
        table["seconds"] = table["seconds"].str.replace(",", ".")
    return table[list(COLUMNS)]


def _problems(file: Path, table: pd.DataFrame, key: Key) -> list[str]:
    """What is wrong with one file; only what concerns the file as a whole, where that is wrong already."""
    readings = sorted(set(table["reading"]))
    if readings != [key.reading]:
        return [
            f"{file}: is of reading {', '.join(readings) or '(empty)'}, the key is of {key.reading}. Put the answers "
            "beside the key that was made with their page."
        ]
    readers = sorted(set(table["reader"]))
    if len(readers) > 1:
        return [f"{file}: holds answers of {', '.join(readers)}; a file holds one reader's. Keep each one's own file."]
    if readers[0] not in [*key.orders, MODEL]:
        return [
            f"{file}: reader {readers[0]!r} is not one of this reading, which has {', '.join(key.orders)}. "
            "Correct the column `reader`, or leave the file out."
        ]
    return _lesion_problems(file, table, key) + _value_problems(file, table, key)


def _lesion_problems(file: Path, table: pd.DataFrame, key: Key) -> list[str]:
    counts = Counter(table["lesion"])
    found = {
        "has no row for lesion": [name for name in key.ids if name not in counts],
        "has more than one row for lesion": [name for name, number in counts.items() if number > 1],
        "has rows for lesions that the reading does not have,": [name for name in counts if name not in key.ids],
    }
    return [
        f"{file}: {told} {_listed(names)}. Save it from the page again, which gives each of the {len(key.ids)} lesions "
        "one row."
        for told, names in found.items()
        if names
    ]


def _value_problems(file: Path, table: pd.DataFrame, key: Key) -> list[str]:
    rules: dict[str, tuple[Callable[[str], bool], str]] = {
        "kind": (lambda text: text in KINDS, " or ".join(KINDS)),
        "label": (lambda text: text in key.classes, " or ".join(key.classes)),
        "confidence": (lambda text: text in map(str, CONFIDENCES), f"{CONFIDENCES[0]} to {CONFIDENCES[-1]}"),
        "position": (lambda text: text.isdecimal(), "a whole number"),
        "seconds": (_is_time, "a number, 0 or more"),
    }
    problems = []
    for column, (allowed, told) in rules.items():
        bad = table[~table[column].map(allowed).astype(bool)]
        if len(bad):
            lesion, value = bad["lesion"].iloc[0], bad[column].iloc[0]
            problems.append(
                f"{file}: {column} of lesion {lesion} is {value!r}; it must be {told} ({len(bad)} such rows). "
                "Save it from the page again."
            )
    return problems


def _is_time(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False


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


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def save_answers(table: pd.DataFrame, file: Path) -> None:
    """Write rows of `COLUMNS` as a page does."""
    text = table[list(COLUMNS)].to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    write_atomically(file, text)
