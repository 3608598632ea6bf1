"""Patients without their names: a keyed hash stands for each of them in everything that is written."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from augmentor.errors import UsageError

_KEY_BYTES = 32
_SHOWN_DIGITS = 12


def pseudonym(patient: str, key: bytes) -> str:
    """HMAC-SHA256 of a patient's id, its first 12 hexadecimal digits; the same id and key give the same pseudonym.

    An id is guessed in seconds from a plain hash (there are few ids); without the key it can't be from this one.
    """
    return "p-" + hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:_SHOWN_DIGITS]


def key_of(file: Path | None, out: Path) -> bytes:
    """The key in `file`, which is made where it does not exist; without a file, a random key that is kept nowhere.

    Raises UsageError for a key that would lie in the folder `out`, which is shared, and for one under 16 bytes.
    """
    if file is None:
        return secrets.token_bytes(_KEY_BYTES)
    if file.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{file}: lies in {out}. Who has the key can find the patients again: keep it elsewhere.")
    if not file.exists():
        _write_key(file)
    key = file.read_bytes()
    if len(key) < 16:
        raise UsageError(f"{file}: holds {len(key)} bytes; a key has 16 or more. Name a new file, and one is made.")
    return key


def _write_key(file: Path) -> None:
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}. Make it, or keep the key elsewhere.")
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(_KEY_BYTES))
