"""`extract`: from scans with masks or boxes to a folder of lesions and their table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import joblib
import pandas as pd
import tomli_w
from joblib.externals.loky.process_executor import TerminatedWorkerError
from pydantic import Field

from augmentor.arguments import checked
from augmentor.data.lesions import Lesions
from augmentor.data.readers import read_lesions
from augmentor.data.spelling import without_point
from augmentor.data.tables import split_name
from augmentor.data.windows import DEEPEST, RECORD, Window, parse_window
from augmentor.errors import AugmentorError, DataError, UsageError
from augmentor.extraction.cut_scan import CUT_COLUMN, Found, cut_scan, doubts_about_numbers
from augmentor.extraction.identity import doubts_about_sides, key_of, nameless, patients_of, pseudonym
from augmentor.extraction.scans import Scan
from augmentor.extraction.sheet import write_sheet
from augmentor.files import require_empty, whole_folder, write_table
from augmentor.progress import Progress
from augmentor.recipe import ExtractSection
from augmentor.version import VERSION

_COLUMNS = (
    *("path", "label", "patient", "split", "fold", "mask", CUT_COLUMN, "spacing_mm", "lesion"),
    *("window_low", "window_high"),
)
_BYTES_A_WORKER = 200e6  # packed; less is done about as soon as another process has started


@dataclass(frozen=True)
class Extraction:
    """What `extract` wrote, and its doubts about the scans. These name files, so they are told and never written."""

    lesions: Lesions
    doubts: tuple[str, ...] = field(default=())


@checked
def extract(
    scans: Sequence[Scan],
    out: Path,
    section: ExtractSection | None = None,
    key_file: Path | None = None,
    workers: Annotated[int, Field(ge=1)] | None = None,
    progress: Progress | None = None,
    notes: Sequence[str] = (),
) -> Extraction:
    """Cut the lesions of all scans into `out`: images by class, `masks/`, `lesions.csv`, `extract.toml`, a picture.

    Patients become pseudonyms by the key in `key_file` (made where it does not exist), or by a random key that is
    kept nowhere; images are numbered, and so are folds whose names are more than a number (a fold can be called as its
    only patient is); nothing else of the scans but pixels and geometry is written. The folder
    appears whole or not at all. workers: processes; None: one a core, and fewer for little data. notes: earlier doubts.

    Raises UsageError for bad settings or an `out` that holds files, and DataError with every scan that can't be used.
    """
    section, progress, out = section or ExtractSection(), progress or Progress(), out.resolve()
    scans = [replace(scan, split=split_name(scan.split, scan.image[0])) for scan in scans]
    window = parse_window(section.window)
    require_empty(out)
    key = key_of(key_file, out)
    found: list[Found] = []
    doubts: tuple[str, ...] = ()
    try:
        with whole_folder(out) as part:
            with progress.task(f"Cutting {len(scans)} scans", len(scans)) as update:
                for done, one in enumerate(_all_found(scans, section, part, workers), 1):
                    found.append(one)
                    update(done, f"{sum(len(f.rows) for f in found)} lesions")
            named, unsure = _whose(scans, found, key)
            doubts = tuple(_judged(found, section, window, [*notes, *unsure]))
            folds = _numbered([scan.fold for scan in scans])
            hidden = [{"patient": own, "fold": folds[scan.fold]} for own, scan in zip(named, scans, strict=True)]
            rows = [row | own for one, own in zip(found, hidden, strict=True) for row in one.rows]
            write_table(part / "lesions.csv", pd.DataFrame(rows, columns=list(_COLUMNS)))
            (part / RECORD).write_text(tomli_w.dumps(_record(section, window, len(doubts))), encoding="utf-8")
            write_sheet(part, rows, part / "extracted.png", window)
    except OSError as error:
        if not (out / "lesions.csv").exists():
            raise
        raise UsageError(f"{out}: another process has filled this folder meanwhile. Give another --out.") from error
    return Extraction(read_lesions(out), doubts)


def _all_found(scans: Sequence[Scan], section: ExtractSection, folder: Path, workers: int | None) -> Iterator[Found]:
    """In the scans' order, as they are done."""
    tasks = [(scan, number, section, folder) for number, scan in enumerate(scans, 1)]
    count = workers or min(os.cpu_count() or 1, 1 + int(sum(map(_bytes_of, scans)) / _BYTES_A_WORKER))
    if min(count, len(tasks)) <= 1:
        yield from (cut_scan(*task) for task in tasks)
        return
    parallel = joblib.Parallel(n_jobs=count, batch_size=1, return_as="generator")
    try:
        yield from parallel(joblib.delayed(cut_scan)(*task) for task in tasks)
    except TerminatedWorkerError as error:
        raise AugmentorError(
            "A worker process was killed, perhaps for want of memory: each holds one scan. Take fewer --workers."
        ) from error


def _whose(scans: Sequence[Scan], found: Sequence[Found], key: bytes) -> tuple[list[str], list[str]]:
    """What stands for the patient of each scan, and doubts about the patients."""
    patients, doubts = patients_of(scans, [one.header for one in found])
    named = [pseudonym(p, key) if p else nameless(s, key) for p, s in zip(patients, scans, strict=True)]
    cut = [(scan, own) for scan, own, one in zip(scans, named, found, strict=True) if one.rows]
    return named, [*doubts, *_unnamed(patients), *doubts_about_sides(cut)]


def _numbered(folds: Sequence[str]) -> dict[str, str]:
    """{a fold's name: what is written for it}: the names themselves where all are numbers up to ten, or up to how many
    folds there are, else the numbers from 1 on in the names' order; "" stays. 1 and 1.0 are one fold."""
    names = sorted({*map(without_point, folds)} - {""})
    plain = {str(number) for number in range(max(len(names), 10) + 1)}
    written = {"": ""} | {name: name if plain.issuperset(names) else str(n) for n, name in enumerate(names, 1)}
    return {name: written[without_point(name)] for name in folds}


def _bytes_of(scan: Scan) -> int:
    files = [f for p in (*scan.image, *scan.mask) for f in (p.iterdir() if p.is_dir() else [p])]
    return sum(f.stat().st_size for f in files if f.exists())


def _unnamed(patients: Sequence[str]) -> list[str]:
    if not (count := patients.count("")):
        return []
    return [
        f"No patient is known for {count} of {len(patients)} scans: each counts as a patient of its own. Name them "
        "with --patient-pattern or a patient column."
    ]


def _judged(
    found: Sequence[Found], section: ExtractSection, window: Window | None, earlier: Sequence[str]
) -> list[str]:
    """All doubts, the earlier ones first. Raises DataError where a scan can't be used, where doubts are errors, and
    where nothing was cut."""
    problems = [p for one in found for p in one.problems]
    doubts = [*earlier, *(n for one in found for n in one.notes), *doubts_about_numbers(found)]
    if specks := sum(one.specks for one in found):
        doubts.append(f"{specks} lesions of fewer than {section.min_voxels} voxels were left out (--min-voxels).")
    if window is None and any(one.rows and not one.eight_bit for one in found):
        doubts.append("No --window: intensities are kept as they are. For CT name one (liver), for MR say percentile.")
    if problems or (section.strict and doubts):
        raise DataError([*problems, *(doubts if section.strict else [])])
    if not any(one.rows for one in found):
        raise DataError([*doubts, f"No lesion was cut from {len(found)} scans."])
    return doubts


def _record(section: ExtractSection, window: Window | None, doubts: int) -> dict[str, Any]:
    """What `extract.toml` says: nothing of the scans, which may name patients; of the doubts, how many there were."""
    settings = section.model_dump(mode="json", exclude_none=True)
    record: dict[str, Any] = {"version": VERSION, "doubts": doubts, "extract": settings}
    record["extract"]["values"] = {str(number): name for number, name in section.values.items()}
    if window:
        low, high = window.range
        record["window"] = {"low": window.low, "high": window.high, "percentile": window.percentile}
        # value = stored * slope + intercept for 16-bit PNG; other formats hold the value itself.
        record["png"] = {"slope": (high - low) / DEEPEST, "intercept": low}
    return record
