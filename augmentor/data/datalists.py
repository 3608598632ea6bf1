"""MONAI datalists: JSON with a list of items for each part of a set."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from augmentor.data.named_files import NamedFiles
from augmentor.data.tables import SPLITS
from augmentor.errors import DataError, UsageError, listed

_KEYS = ("patient", "fold", "mask", "roi_side_mm", "origin")  # which we call the same


def read_datalist(file: Path, columns: dict[str, str]) -> dict[str, list[str]]:
    """{"training": [{"image", "label", ...}], "validation": [...], "test": [...]}, as columns of lesions.

    columns: {ours: theirs}. Raises DataError or UsageError.
    """
    content = parse_json(file)
    parts = {k: v for k, v in content.items() if k in SPLITS} if isinstance(content, dict) else {}
    if not parts or not all(isinstance(v, list) for v in parts.values()):
        raise DataError(f"{file}: is no MONAI datalist; it needs a list named training (and validation, test).")
    keys = {"path": "image", "label": "label"} | {k: k for k in _KEYS}
    if set(columns) - set(keys):
        raise UsageError(f"--columns names {', '.join(columns)}; for a datalist it takes {', '.join(keys)}.")
    names, theirs = label_names(content.get("labels") or {}, file), keys | columns
    made: dict[str, list[str]] = {name: [] for name in (*theirs, "split")}
    places = []
    for part, items in parts.items():
        for number, item in enumerate(items):
            places.append(f"{file}: {part}[{number}]")
            _check_item(item, theirs, places[-1])
            for ours, name in theirs.items():
                made[ours].append(text_of(item.get(name)))
            made["label"][-1] = _class_at(places[-1], made["label"][-1], names)
            made["split"].append(SPLITS[part])
    files = NamedFiles(file.parent)
    made |= {name: files.find_all(made[name], places, mask=name == "mask") for name in ("path", "mask")}
    if len(parts) == 1 and "training" in parts:
        made["split"] = [""] * len(made["path"])
    return made


def parse_json(file: Path) -> Any:
    """The content of a user's JSON file, with or without a BOM. Raises DataError."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: is no JSON: {error}.") from error


def label_names(labels: object, file: Path) -> dict[str, str]:
    """{number: name} from a datalist's `labels`, which people write that way, the other way round, or as a list."""
    if isinstance(labels, list):
        return {str(i): str(name) for i, name in enumerate(labels)}
    if not isinstance(labels, dict):
        raise DataError(f'{file}: labels is {labels!r}; it takes the names by number, as in {{"0": "cyst"}}.')
    if labels and all(isinstance(v, int | float) for v in labels.values()):
        return {text_of(number): str(name) for name, number in labels.items()}
    return {str(number): str(name) for number, name in labels.items()}


def class_of(label: str, names: dict[str, str]) -> str:
    """The class of a label, which is its number or its name. names: of `label_names`.

    Raises DataError for a number that has no name where others have.
    """
    if names and label.isdecimal() and label not in names and label not in names.values():
        known = listed([f"{number} ({name})" for number, name in names.items()])
        raise DataError(f"label {label} is none of the file's labels: {known}. Correct it, or name it among them.")
    return names.get(label, label)


def text_of(value: object) -> str:
    """As a cell of a table; "" where nothing is known. Whole numbers have no point, and true is 1."""
    if isinstance(value, float):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def _class_at(where: str, label: str, names: dict[str, str]) -> str:
    try:
        return class_of(label, names)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _check_item(item: object, theirs: dict[str, str], where: str) -> None:
    for ours in ("path", "label"):
        value = item.get(theirs[ours]) if isinstance(item, dict) else None
        if text_of(value) == "":
            raise DataError(f"{where}: has no {theirs[ours]!r}; every item needs an image and a label (its class).")
        if isinstance(value, list | dict):
            raise DataError(f"{where}: {theirs[ours]!r} is {value!r}; give one file and one class for each lesion.")
