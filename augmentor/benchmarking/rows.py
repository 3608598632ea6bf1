"""The CSV of a study: its rows, and the settings that they were made with, by which a later start goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from augmentor.errors import UsageError
from augmentor.files import damaged, read_table, write_table

CODE = "code"  # the setting that no option sets: which version made the rows
_ORDER = ["simulation", "classifier"]


def in_order(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """By simulation and classifier, in whatever order they were made."""
    return pd.DataFrame(rows).sort_values(_ORDER, ignore_index=True)


class StudyFile:
    """The CSV of a study. settings: everything that decides about a simulation but its number, as text; a column each.

    Every row is written with all its digits, so that what is read again is what was computed.
    """

    def __init__(self, file: Path, settings: Mapping[str, str]):
        self._file, self._settings = file, settings
        self._state = _state_of(file)

    def read(self, classifiers: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of an earlier start without the settings, none where there is no file.

        Raises UsageError where the file holds anything else, rows of other settings, or a simulation without a row for
        each of the classifiers.
        """
        if self._state is None:
            return []
        table = self._table()
        for name, here in self._settings.items():
            if others := [there for there in table[name] if there != here]:
                raise UsageError(self._told_of_other(name, others[0], here))
        for number, named in table.groupby("simulation")["classifier"]:
            if sorted(named) != sorted(classifiers):
                raise damaged(self._file, f"simulation {number} has rows of {', '.join(named)}")
        rows: list[Any] = table.drop(columns=list(self._settings)).to_dict("records")
        return rows

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """All rows anew, the file being there whole at any time. Raises UsageError where another program has written
        into it since this one read or wrote it."""
        if _state_of(self._file) != self._state:
            raise UsageError(
                f"--out {self._file}: another program has written into it meanwhile, and nothing is overwritten. Let "
                "one study at a time write there, then start the same command again."
            )
        write_table(self._file, in_order(rows).assign(**self._settings))
        self._state = _state_of(self._file)

    def _table(self) -> pd.DataFrame:
        texts = dict.fromkeys(("classifier", *self._settings), str)
        how: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
        try:
            return read_table(self._file, *_ORDER, *self._settings, dtype=texts | {"simulation": int}, **how)
        except UsageError as error:
            raise UsageError(
                f"--out {self._file}: holds no rows that `augmentor calibrate` could go on with, and nothing is "
                "overwritten. Give a new file, or that of an earlier start."
            ) from error

    def _told_of_other(self, name: str, there: str, here: str) -> str:
        if name == CODE:
            made = "by another version of augmentor or of its libraries"
            return f"--out {self._file}: its rows were made {made}, and nothing is overwritten. Give another --out."
        option = f"--{name.replace('_', '-')}"
        return (
            f"--out {self._file}: its rows were made with {option} {there}, not {here}, and nothing is overwritten. "
            f"Give {option} {there} to go on with them, or another --out."
        )


def _state_of(file: Path) -> tuple[int, int, int] | None:
    """What changes whenever a file is written; None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
