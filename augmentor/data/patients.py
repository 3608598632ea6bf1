"""Whose a lesion is: one patient however the name is spelt, and what stands for a patient who is not known."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from augmentor.data.spelling import seen, without_point

BY_IMAGE, BY_DICOM = "image:", "dicom:"  # and a file: the name of a patient who has none
BY_SCAN = "scan:"  # and a hash: that of a patient who was not known when lesions were cut out
_FEWEST = 6  # images in which a cut can be doubted
_DECIMAL = re.compile(r"\d+\.\d+")
_NUMBERED = re.compile(r"(\D*)0*(\d+)")
_UNKNOWN = re.compile(r"n/?a|n\.a\.?|nan|nat|null|none|nil|unk|(un|not)known|missing|\.|[?-]+")


def is_known_by_file_alone(patient: str) -> bool:
    """Whether a patient's name is one that was made of a file's, since none was given: it says where the file lies."""
    return patient.startswith((BY_IMAGE, BY_DICOM))


def patient_key(name: str) -> str:
    """What all spellings of a patient's name have in common: case, blanks, the encoding of letters and characters that
    can't be seen (Unicode's category Cf, as a zero-width space) tell no two apart. (Of files they do.)"""
    if is_known_by_file_alone(name):
        return name
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen(name)).casefold())
    return " ".join(folded.split())


def patient_keys(names: pd.Series) -> pd.Series:
    """The key of each name."""
    return names.map({name: patient_key(name) for name in names.unique()})


def one_name_each(names: pd.Series) -> pd.Series:
    """Each patient by the first of its spellings; "" for one whose name can't be seen."""
    keys = patient_keys(names)
    names = names.where(keys != "", "")
    return names.groupby(keys, sort=False).transform("first") if keys.nunique() < names.nunique() else names


def doubts_about(names: Iterable[str]) -> list[str]:
    """What is to be told of patients who are spelt in several ways, and of those who may be."""
    named = [name for name in dict.fromkeys(names) if patient_key(name) and not is_known_by_file_alone(name)]
    patients = _grouped(named, patient_key)
    told = []
    if several := [spellings for spellings in patients.values() if len(spellings) > 1]:
        told.append(
            f"Patients who are spelt in several ways count as one: {len(several)}, for example {_listed(several[0])}. "
            "If they are several patients, give them names that differ in more than case, blanks and unseen characters."
        )
    if near := [keys for keys in _grouped(patients, _near_key).values() if len(keys) > 1]:
        told.append(
            "Patients whose names differ in zeros, blanks, hyphens, underscores or points alone count as several: "
            f"{len(near)} such, for example {_listed([patients[key][0] for key in near[0]])}. If they are one patient, "
            "spell them alike, or no split keeps their lesions together."
        )
    if unknown := [name for name in named if means_unknown(name)]:
        told.append(
            f"What is called {' or '.join(map(shown, unknown))} counts as one patient, with all lesions that have this "
            "name. Where the patient is not known, leave the cell empty."
        )
    return told


def means_unknown(name: str) -> bool:
    """Whether a name is what programs write where nothing is known."""
    return bool(_UNKNOWN.fullmatch(re.sub(r"[()<>\[\]# ]", "", name.casefold())))


def doubts_about_cut(patients: Sequence[str], names: Sequence[str], classes: int, pattern: str) -> list[str]:
    """What is to be told where a pattern gives each image a patient of its own, and another cut is as likely: most
    names share a beginning that holds a number, as `p01` of `p01_001` and `p01_002`, with others, and there are more
    such beginnings than classes.

    names: of the files, in which the patients were found, without their suffixes.
    """
    if len(names) < _FEWEST or len({*patients}) < len(names):
        return []
    pieces = [re.split(r"[_\- .]+", name) for name in names]
    for length in range(1, max(map(len, pieces))):
        starts = ["_".join(piece[:length]) if len(piece) > length else "" for piece in pieces]
        shared = {s: n for s, n in Counter(starts).items() if n > 1 and re.search(r"\d", s)}
        if len(shared) > classes and 2 * sum(shared.values()) > len(names):
            alike = [patient for patient, start in zip(patients, starts, strict=True) if start == next(iter(shared))]
            return [
                f"Each of {len(names)} images has its own patient by {pattern!r} ({', '.join(alike[:2])}, ...), though "
                "names share beginnings; is that so? If one patient owns several images, scores on 'unseen patients' "
                "will be too good. Correct --patient-pattern, as in '<patient>_<anything>'."
            ]
    return []


def shown(name: str) -> str:
    """A name in quotes, in which letters of another encoding can be told apart."""
    return repr(name) if unicodedata.is_normalized("NFC", name) else ascii(name)


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


def _near_key(key: str) -> str:
    """`12` for `012` and `12.0`, `p1` for `P 01`, `p-01` and `p_1.0`: one patient perhaps, and perhaps not. The point
    of a decimal number stays."""
    key = without_point(key)
    if not _DECIMAL.fullmatch(key):
        key = re.sub(r"[-_. ]", "", key)
    match = _NUMBERED.fullmatch(key)
    return f"{match[1]}{match[2]}" if match else key


def _listed(names: list[str]) -> str:
    return " and ".join(map(shown, names[:3]))
