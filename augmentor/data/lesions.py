"""The lesion table: the only thing that passes between stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from augmentor.data.patients import BY_IMAGE, BY_SCAN, doubts_about, one_name_each
from augmentor.errors import DataError
from augmentor.files import read_table, write_atomically
from augmentor.recipe import COLUMNS as READ_COLUMNS

COLUMNS = (*READ_COLUMNS, "content")
_COLUMNS_TOLD = 20


@dataclass(frozen=True)
class Lesions:
    """One row an image.

    `table` has the columns of `COLUMNS`, all strings, "" where a thing is not known:
    path (absolute; `FILE.npz#ARRAY/INDEX` for a row of an npz), label (the class), patient (the unit that never
    straddles a split), split (train, val or test where the data brings one), fold (where the data brings them),
    mask, roi_side_mm (the side of the region that the image shows), origin ("real" or "synthetic") and content (a hash
    of the pixels, filled in by `check.inspect`). tells_origin: whether the data itself says the origin of every row.
    columns: {ours: theirs}, of a table whose columns were looked for.

    Rows of a table that was made elsewhere are numbered from 0, and its cells made text.
    """

    table: pd.DataFrame
    source: Path
    warnings: tuple[str, ...] = field(default=())
    tells_origin: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        table = self.table
        if not table.index.equals(pd.RangeIndex(len(table))):
            table = table.reset_index(drop=True)
        if others := [name for name in COLUMNS if name in table and not _is_text(table[name])]:
            table = table.assign(**{name: _as_text(table[name]) for name in others})
        object.__setattr__(self, "table", table)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def classes(self) -> list[str]:
        return sorted(self.table["label"].unique())

    @property
    def paths(self) -> list[str]:
        return self.table["path"].tolist()

    @property
    def images(self) -> pd.Series:
        """Which image each row shows: the hash of its pixels, or its path where that is not known."""
        return self.table["content"].where(self.table["content"] != "", self.table["path"])

    @property
    def targets(self) -> np.ndarray:
        """(N,) int64: the index of each row's label in `classes`."""
        return class_numbers(self.table["label"], self.classes)

    def rows(self, chosen: np.ndarray | Sequence[int]) -> Lesions:
        """The chosen rows (a boolean mask or positions), in the order given."""
        return replace(self, table=self.table.iloc[_positions(chosen)].reset_index(drop=True))

    def per_class(self) -> pd.DataFrame:
        """Images and patients a class: index label, columns images and patients. Synthetic lesions are nobody's."""
        named = self.table["patient"].where(self.table["patient"] != "")
        labels = self.table["label"]
        return pd.DataFrame({"images": labels.groupby(labels).size(), "patients": named.groupby(labels).nunique()})

    @property
    def patients(self) -> int:
        """How many patients are in it; synthetic lesions are nobody's."""
        return len(set(self.table["patient"]) - {""})

    def counts(self) -> dict[str, int]:
        """Images a class."""
        return {str(name): int(count) for name, count in self.per_class()["images"].items()}

    def at_most(self, per_class: int | None, seed: int = 0) -> Lesions:
        """At most `per_class` lesions of each class, drawn patient by patient so that many patients stay.

        seed: of the draw. What --max-per-class leaves is the same for every seed of a fit or benchmark.
        """
        if per_class is None:
            return self
        if per_class < 1:
            raise DataError(f"--max-per-class is {per_class}; it must be 1 or more.")
        shuffled = self.table.iloc[np.random.default_rng(seed).permutation(len(self))]
        turn = shuffled.groupby(["label", "patient"]).cumcount()
        order = shuffled.assign(turn=turn).sort_values("turn", kind="stable")
        kept = order[order.groupby("label").cumcount() < per_class]
        return replace(self, table=self.table.loc[np.sort(kept.index)].reset_index(drop=True))

    def save(self, file: Path) -> None:
        write_atomically(file, self.table.to_csv(index=False, lineterminator="\n"))


def _is_text(cells: pd.Series) -> bool:
    if isinstance(cells.dtype, pd.StringDtype):
        return not cells.hasnans
    return pd.api.types.infer_dtype(cells, skipna=False) in {"string", "empty"}


def _as_text(cells: pd.Series) -> list[str]:
    """Each cell as text, "" where there is none."""
    return ["" if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)]


def class_numbers(labels: Iterable[str], classes: Sequence[str]) -> np.ndarray:
    """(N,) int64: the place of each label in `classes`. Raises KeyError for a label that is none of them."""
    order = {name: i for i, name in enumerate(classes)}
    return np.array([order[label] for label in labels], np.int64)


def _positions(chosen: np.ndarray | Sequence[int]) -> np.ndarray:
    array = np.asarray(chosen)
    return np.flatnonzero(array) if array.dtype == bool else array.astype(np.int64)


def make_lesions(
    columns: dict[str, list[str]], source: Path, warnings: Sequence[str] = (), unused: Sequence[str] | None = None
) -> Lesions:
    """A table from lists of strings, equal rows once; columns that are not given are empty, `origin` is "real".

    A patient who is spelt in several ways has the first of them. What is to be doubted of patients is warned of.
    unused: names of the columns of a CSV that are none of these; None for lesions that are of no CSV."""
    table = pd.DataFrame({name: columns.get(name) or [""] * len(columns["path"]) for name in COLUMNS}, dtype=str)
    tells_origin = bool((table["origin"] != "").all())
    table["origin"] = table["origin"].replace("", "real")
    notes = [*warnings, *doubts_about(table["patient"])]
    table["patient"] = one_name_each(table["patient"])
    if (again := table.duplicated()).any():
        example = table.loc[again, "path"].iloc[0]
        notes.append(f"Rows that {source} holds more than once count once: {int(again.sum())}, for example {example}.")
        table = table[~again].reset_index(drop=True)
    unknown = (table["patient"] == "") & (table["origin"] == "real")
    if unknown.any():
        table.loc[unknown, "patient"] = [BY_IMAGE + Path(p).name for p in table.loc[unknown, "path"]]
        clash = table["patient"].where(unknown).dropna().duplicated(keep=False)
        for row in clash[clash].index:
            table.loc[row, "patient"] = BY_IMAGE + table.loc[row, "path"]
        notes.append(
            f"No patient is known for {int(unknown.sum())} of {len(table)} images: each counts as its own patient. "
            "If one patient owns several of them, scores on 'unseen patients' will be too good. "
            + _ways_to_patients(unused, column=bool((~unknown & (table["origin"] == "real")).any()))
        )
    if cut := int(table["patient"].str.startswith(BY_SCAN).sum()):
        notes.append(
            f"No patient was known for {cut} of {len(table)} images when they were cut out: each scan counts as a "
            "patient of its own. If one patient owns several scans, scores on 'unseen patients' will be too good. Name "
            "the patients of the scans with --patient-pattern or a patient column, and cut again."
        )
    return Lesions(table, source, tuple(notes), tells_origin)


def _ways_to_patients(unused: Sequence[str] | None, column: bool) -> str:
    """How the patients can be named. unused: as in `make_lesions`; column: whether some are."""
    if unused is None or column:
        return "Name the patients with --patient-pattern or a patient column."
    told = f" (not used: {', '.join(unused[:_COLUMNS_TOLD])}{', ...' if unused[_COLUMNS_TOLD:] else ''})"
    return f"Name the patients with --patient-pattern or with --columns patient=NAME{told if unused else ''}."


def load_lesions(file: Path) -> Lesions:
    """Read back what `Lesions.save` wrote; columns that an earlier version did not know are empty.

    Raises UsageError where the file is damaged.
    """
    table = read_table(file, "path", "label", "patient", dtype=str, keep_default_na=False)
    table = table.assign(**{name: "" for name in COLUMNS if name not in table})[list(COLUMNS)]
    return Lesions(table, file)
