"""Tables (CSV) of lesions or scans: their rows, and which column means what."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from augmentor.data.spelling import seen
from augmentor.data.windows import DESCRIPTION
from augmentor.errors import DataError, listed

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# What people call a column; of scans, too.
FILES = ("path", "image", "file", "filename", "file_name", "image_path")
MASKS = ("mask", "segmentation", "seg")
LABELS = ("label", "class", "dx", "diagnosis", "target")
PATIENTS = ("patient", "patient_id", "patientid", "subject", "subject_id")
_DATA = (".csv", ".json", ".npz")  # what --data takes, beside a folder
_SAID = re.compile(r'"?sep=(.)"?[ ,;\t]*\n', re.IGNORECASE)  # a first line, by which Excel is told the separator


@dataclass(frozen=True)
class Table:
    """A CSV: every row is as long as the header. `numbers` are those of the rows in a spreadsheet."""

    file: Path
    header: list[str]
    rows: list[list[str]]
    numbers: list[int]
    separator: str

    @property
    def places(self) -> list[str]:
        """How a message names each row."""
        return [f"{self.file}: row {number}" for number in self.numbers]


def read_csv(file: Path) -> Table:
    """Commas, semicolons or tabs, or what a first line `sep=;` says; with or without a BOM. Empty rows are none.

    Raises DataError.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        said = _SAID.match(text)
        text = text[said.end() :] if said else text
        comma = said[1] if said else separator_of(text)
        numbered = enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=comma), 1)
        cells = {number: row for number, raw in numbered if any(row := [c.strip() for c in raw])}
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as a CSV: {error}. Save it as UTF-8 text.") from error
    if not cells:
        raise DataError(f"{file}: is empty. A table has a header (path, label, patient, ...) and one row an image.")
    header = [seen(name).strip() for name in cells.pop(min(cells))]
    long = [f"row {number}" for number, row in cells.items() if any(row[len(header) :])]
    if long:
        raise DataError(
            f"{file}: {', '.join(long[:5])}: more fields than the header has ({len(header)}). "
            "Name all columns, and quote fields that hold a comma."
        )
    rows = [(row + [""] * len(header))[: len(header)] for row in cells.values()]
    return Table(file, header, rows, list(cells), comma)


def separator_of(text: str) -> str:
    """What stands between the columns, by the first line that holds a word."""
    header = next((line for line in text.splitlines() if re.search(r"\w", line)), "")
    return max(",;\t", key=header.count)


def data_files(folder: Path) -> list[Path]:
    """What lies in a folder and could be given instead of it: its tables, datalists and npz archives."""
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in _DATA and f.is_file())
    return [f for f in files if not f.name.startswith(".") and f.name != DESCRIPTION]


def advice_on_files(folder: Path) -> str:
    """To give a data file of the folder, or one beside the folder where it has none; "" where there are none."""
    files = data_files(folder) or data_files(folder.parent)
    told = listed([shlex.quote(str(file)) for file in files])
    return f" If a file tells of the images, give it as --data: {told}." if files else ""


def find_columns(
    table: Table,
    asked: Mapping[str, str],
    known: Sequence[str],
    aliases: Mapping[str, Sequence[str]],
    joined: Sequence[str] = (),
) -> tuple[dict[str, list[int]], list[str]]:
    """{ours: the places of its columns in a row}, and the problems of those that can't be found or told apart.

    asked: {ours: theirs}. known: what may be asked for. aliases: {ours: its usual names}, in small letters, for what is
    not. joined: ours that may be several columns, `xmin+ymin+xmax+ymax`. A column that is asked for is nothing else.
    """
    found: dict[str, list[int]] = {}
    problems = [f"--columns names {ours!r}; it takes {', '.join(known)}." for ours in asked if ours not in known]
    for ours, theirs in asked.items():
        if ours not in known:
            continue
        names = theirs.split("+") if ours in joined and theirs not in table.header else [theirs]
        places = [[i for i, name in enumerate(table.header) if name == wanted] for wanted in names]
        found[ours], told = _agreed(table, ours, places)
        problems += told
        if missing := [repr(name) for name, some in zip(names, places, strict=True) if not some]:
            problems.append(f"{table.file}: has no column {', '.join(missing)} (wanted for {ours}). {_present(table)}")
    used = {i for some in found.values() for i in some}
    for ours, usual in aliases.items():
        own = [i for alias in usual for i, name in enumerate(table.header) if name.lower() == alias and i not in used]
        if ours not in found and own:
            found[ours], told = _agreed(table, ours, [own])
            problems += told
    return found, problems


def find_together(table: Table, ours: str, names: Sequence[str]) -> tuple[list[int], list[str]]:
    """The places of columns that say one thing together, as the corners of a box do; none unless all are there."""
    places = [[i for i, own in enumerate(table.header) if own.lower() == name] for name in names]
    return _agreed(table, ours, places) if all(places) else ([], [])


def missing_column(table: Table, ours: str, usual: Sequence[str]) -> str:
    return (
        f"{table.file}: has no column for {ours} (looked for {', '.join(usual)}). {_present(table)} "
        f"Say which: --columns {ours}=NAME."
    )


def _present(table: Table) -> str:
    return f"Its columns are {', '.join(table.header)}."


def _agreed(table: Table, ours: str, several: list[list[int]]) -> tuple[list[int], list[str]]:
    """One of each of several lists of columns, and what is told of those in which the columns say different things.

    A column that holds nothing says nothing.
    """
    chosen, problems = [], []
    for places in filter(None, several):
        filled = [i for i in places if any(row[i] for row in table.rows)]
        chosen.append((filled or places)[0])
        for row, where in zip(table.rows, table.places, strict=True):
            if len({row[i] for i in filled}) > 1:
                said = ", ".join(f"{table.header[i]} {row[i]!r}" for i in filled)
                distinct = len({table.header[i] for i in filled}) == len(filled)
                advice = f"Say which: --columns {ours}=NAME." if distinct else "Delete all but one, or rename them."
                problems.append(f"{where}: several columns can be {ours}, and they differ ({said}). {advice}")
                break
    return chosen, problems


def split_name(text: str, source: Path) -> str:
    """train, val or test for the usual names, "" for none. Raises DataError."""
    if text and text.lower() not in SPLITS:
        raise DataError(f"{source}: split {text!r} is none of {', '.join(sorted(SPLITS))}.")
    return SPLITS.get(text.lower(), "")
