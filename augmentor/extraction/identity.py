"""Whose a scan is, and patients without their names: a keyed hash stands for each of them in everything that is
written."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from augmentor.data.patients import BY_SCAN, doubts_about, patient_key
from augmentor.errors import UsageError, first_of
from augmentor.extraction.scans import Scan

_KEY_BYTES = 32
_SHOWN_DIGITS = 12


def patients_of(scans: Sequence[Scan], headers: Sequence[str]) -> tuple[list[str], list[str]]:
    """The patient of each scan, "" where none is known, and doubts about them. headers: the PatientID of each scan.

    A patient who is named goes before the header's. A scan without a name counts with those that have its PatientID,
    if these are of one patient. One PatientID for all scans is none: it was taken out.
    """
    told, names, ids = [], [patient_key(scan.patient) for scan in scans], [patient_key(own) for own in headers]
    if len(ids) > 1 and len(set(ids)) == 1:
        if ids[0] and not all(names):
            told.append(
                f"All {len(scans)} scans have one PatientID in their headers, so it tells no patients apart and was "
                "not used. If all are of one patient, name the patient in a column or with --patient-pattern."
            )
        headers = ids = [""] * len(ids)
    told += doubts_about(scan.patient or own for scan, own in zip(scans, headers, strict=True))
    named: dict[str, dict[str, Scan]] = defaultdict(dict)  # of each PatientID, the patients and a scan of each
    for scan, name, own in zip(scans, names, ids, strict=True):
        if own and name:
            named[own].setdefault(name, scan)
    alone = {own: next(iter(patients)) for own, patients in named.items() if len(patients) == 1}
    unnamed = [s for s, name, own in zip(scans, names, ids, strict=True) if not name and own in named]
    found = [name or alone.get(own, own) for name, own in zip(names, ids, strict=True)]
    return found, told + _doubts_about_headers(named, unnamed)


def _doubts_about_headers(named: dict[str, dict[str, Scan]], unnamed: Sequence[Scan]) -> list[str]:
    """unnamed: scans that have the PatientID of named ones."""
    told = []
    if several := [[*patients.values()] for patients in named.values() if len(patients) > 1]:
        one, other = (scan.image[0] for scan in several[0][:2])
        told.append(
            f"Scans of one PatientID stand under several patients: {len(several)} such, for example {one} and {other}. "
            "If they are one patient's, give them one name, or no split keeps their lesions together."
        )
    if unnamed:
        told.append(
            f"Scans without a patient have the PatientID of others that have one: {len(unnamed)}, for example "
            f"{unnamed[0].image[0]}. They count with these where these are one patient's, else apart. Name their "
            "patient."
        )
    return told


def doubts_about_sides(scans: Sequence[tuple[Scan, str]]) -> list[str]:
    """What is told of patients who stand in several splits or folds; scans: each with its patient's pseudonym.

    It names two of the files: errors about the lesions know pseudonyms alone. Folds may be called as patients are.
    """
    told = []
    for column in ("split", "fold"):
        sides: dict[str, dict[str, Scan]] = defaultdict(dict)  # of each patient, the sides and a scan of each
        for scan, patient in scans:
            if side := getattr(scan, column):
                sides[patient].setdefault(side, scan)
        for patient, found in sides.items():
            if len(found) > 1:
                files = " and ".join(dict.fromkeys(str(scan.image[0]) for scan in [*found.values()][:2]))
                told.append(
                    f"{files}: of one patient ({patient}), in several {column}s; a patient must stay in one. Correct "
                    f"the {column} column of the table."
                )
    return first_of(told, "patients")


def pseudonym(patient: str, key: bytes) -> str:
    """HMAC-SHA256 of a patient's id, its first 12 hexadecimal digits; the same id (however spelt, see `patient_key`)
    and key give the same pseudonym.

    An id is guessed in seconds from a plain hash (there are few ids); without the key it can't be from this one.
    """
    return _hash_of(patient_key(patient), key)


def nameless(scan: Scan, key: bytes) -> str:
    """What stands for the patient of a scan where none is known. A table that holds it brings a warning."""
    return BY_SCAN + _hash_of(f"scan {'|'.join(map(str, scan.image))}", key)


def _hash_of(text: str, key: bytes) -> str:
    return "p-" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_SHOWN_DIGITS]


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
