"""The key of a reading: what each lesion is. It stays outside the pages."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from augmentor.data.folders import KEY
from augmentor.errors import DataError, UsageError
from augmentor.files import to_json, write_atomically

KINDS = ("real", "synthetic")


@dataclass(frozen=True)
class Key:
    """reading: its id, which pages and answers carry too. made: run, checkpoint, seed, screen, version.

    lesions: one dict a lesion with `id`, `kind`, `label`, `patient` ("" for synthetic ones) and `source` (a path, or a
    seed). orders: the ids as each reader sees them. treatment: the fields of a `Treatment`.
    """

    reading: str
    made: dict[str, Any]
    classes: list[str]
    lesions: list[dict[str, str]]
    orders: dict[str, list[str]]
    treatment: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        return [lesion["id"] for lesion in self.lesions]

    def save(self, folder: Path) -> None:
        write_atomically(folder / KEY, to_json(asdict(self)))


def load_key(folder: Path) -> Key:
    """Raises UsageError where `folder` holds no key, and DataError where it is damaged."""
    file = folder / KEY
    if not file.exists():
        raise UsageError(f"{folder}: has no {KEY}. Give the folder that `augmentor read make` wrote.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        Key(**content)  # a name too many or too few
        return TypeAdapter(Key).validate_python(content)
    except (TypeError, ValueError) as error:  # pydantic's errors, and bytes that are no UTF-8, are ValueErrors
        raise DataError(f"{file}: is no key of a reading ({error}). Restore it, or make the reading again.") from error


def reading_id(pixels: list[np.ndarray], seed: int) -> str:
    """12 hex digits that say which lesions are read, and nothing of what they are."""
    digests = sorted(digest(x) for x in pixels)
    return hashlib.sha256(f"{seed} {' '.join(digests)}".encode()).hexdigest()[:12]


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def spelt_alike(name: str) -> str:
    """What all encodings of a name have in common (Unicode's NFC): a letter and its accent are one letter."""
    return unicodedata.normalize("NFC", name.strip())


def order_of(reading: str, reader: str, ids: list[str]) -> list[str]:
    """A random order a reader. `ids` must be numbered by the pixels alone: who knows how the orders are drawn, and has
    the page, then learns no more than from looking."""
    seed = list(hashlib.sha256(f"{reading} {reader}".encode()).digest())
    return [ids[i] for i in np.random.default_rng(seed).permutation(len(ids))]
