"""What `--data` names: a table or folder of scans, from which lesions are cut, or a lesion set."""

from __future__ import annotations

import hashlib
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path

from augmentor.arguments import checked
from augmentor.data.datalists import parse_json
from augmentor.data.lesions import Lesions
from augmentor.data.name_patterns import name_pattern
from augmentor.data.readers import LESION_TABLES, read_lesions
from augmentor.data.tables import read_csv
from augmentor.data.windows import RECORD
from augmentor.errors import DataError, UsageError
from augmentor.extraction.extract import CUT_COLUMN, extract
from augmentor.extraction.scan_folders import read_scan_folder
from augmentor.extraction.scan_tables import (
    is_scan_csv,
    is_scan_datalist,
    items_of,
    read_scan_csv,
    read_scan_datalist,
)
from augmentor.extraction.scans import Scan
from augmentor.files import exists
from augmentor.progress import Progress
from augmentor.recipe import ExtractSection
from augmentor.version import VERSION

CUT_FOLDER = Path("extracted")
_READERS = {".csv": read_scan_csv, ".json": read_scan_datalist}
_LOOKS = {".csv": is_scan_csv, ".json": is_scan_datalist}
_TAKEN_FOR_SCANS = (
    "has boxes, or masks and volumes, and so was taken for a table of scans, out of which lesions are cut. If its "
    f"images are lesions, call it {' or '.join(LESION_TABLES)}, or give it a column origin or {CUT_COLUMN}."
)


@checked
def read_scans(
    data: str | Path,
    columns: dict[str, str] | None = None,
    images: str | None = None,
    masks: str | None = None,
    patient_pattern: str | None = None,
    label: str | None = None,
    label_pattern: str | None = None,
) -> tuple[list[Scan], list[str]]:
    """The scans of a CSV, a MONAI datalist, or a folder; and what was left out, in words.

    columns: {ours: theirs} for a table, for example {"image": "ct", "box": "xmin+ymin+xmax+ymax"}.
    images, masks: for a folder, how the files (or series' folders) are called, as in `*_T1.nii.gz`; an image and the
        mask for whose stars the same stands are a pair. Without them the usual names are tried, and then DICOM
        segmentations with the series that they were drawn on.
    patient_pattern, label_pattern: as for `read_lesions`; with a slash against the path below the folder, as in
        `<patient>/<anything>` and `<label>/<anything>`. They go before a table's own columns.
    label: the class of all lesions for which no other is known.

    Raises DataError or UsageError.
    """
    source = Path(data).expanduser().resolve()
    if not exists(source):
        raise DataError(f"{data}: no such file or folder. Give --data a CSV, a datalist or a folder of scans.")
    if source.is_dir():
        if columns:
            raise UsageError(f"{data}: is a folder and has no columns; leave --columns out, or give --data a CSV.")
        (scans, notes), home = read_scan_folder(source, images, masks), source
    else:
        if images or masks:
            raise UsageError(f"{data}: is a table; leave --images and --masks out, or give --data a folder.")
        if source.suffix.lower() not in _READERS:
            raise DataError(f"{data}: is no folder, .csv or .json; --data takes one of these.")
        scans, notes, home = _READERS[source.suffix.lower()](source, columns or {}), [], source.parent
    if not scans:
        raise DataError(f"{data}: holds no scans with a mask or a box.")
    patients, labels = (_found(scans, home, p, g) for p, g in ((patient_pattern, "patient"), (label_pattern, "label")))
    return [
        replace(scan, patient=patient or scan.patient, label=own or scan.label or label or "")
        for scan, patient, own in zip(scans, patients, labels, strict=True)
    ], notes


def is_scan_table(data: str | Path, columns: dict[str, str] | None = None) -> bool:
    """Whether `data` is a table of scans, not of lesions: it has boxes, or masks and its first image is a volume.

    A table that `extract` or `expand` wrote holds lesions already.
    """
    file = Path(data).expanduser()
    looks = _LOOKS.get(file.suffix.lower())
    if not looks or file.name in LESION_TABLES or not (exists(file) and file.is_file()):
        return False
    try:
        return looks(file.resolve(), columns or {})
    except (DataError, UsageError):  # of another kind
        return False


def open_lesions(
    data: str | Path,
    columns: dict[str, str] | None = None,
    patient_pattern: str | None = None,
    section: ExtractSection | None = None,
    progress: Progress | None = None,
) -> Lesions:
    """A lesion set as `read_lesions` gives it; from a table of scans, the lesions are cut first.

    They lie in `extracted/<table>-<hash>` from then on, and are taken from there while the table, its files, the
    settings and this version stay the same. What `extract` doubts is said to `progress`, and kept nowhere: it names
    files. Of an earlier cut it is said how many doubts there were. Raises DataError or UsageError; that of a table
    which was cut says so, since it may be one of lesions.
    """
    section, progress = section or ExtractSection(), progress or Progress()
    if not is_scan_table(data, columns):
        if section.window or section.fov:
            raise UsageError(
                f"{data}: is no table of scans (image, and mask or box), so --window and --fov have nothing to cut. "
                "Leave them out, or cut with `augmentor extract`."
            )
        return read_lesions(data, columns, patient_pattern)
    try:
        scans, notes = read_scans(data, columns, patient_pattern=patient_pattern)
        folder = CUT_FOLDER / f"{Path(data).stem}-{_state(scans, section)}"
        if (folder / "lesions.csv").exists():
            return _of_earlier_cut(folder, data, progress)
        try:
            cut = extract(scans, folder, section, progress=progress, notes=notes)
        except UsageError:
            if not (folder / "lesions.csv").exists():
                raise
            return _of_earlier_cut(folder, data, progress)  # another process has cut the same meanwhile
    except DataError as error:
        raise DataError([*error.problems, f"{data}: {_TAKEN_FOR_SCANS}"]) from error
    for line in cut.doubts:
        progress.say(f"Warning: {line}")
    progress.say(f"Cut {len(cut.lesions)} lesions into {folder}; look at {folder / 'extracted.png'}")
    return cut.lesions


def _of_earlier_cut(folder: Path, data: str | Path, progress: Progress) -> Lesions:
    """What another cut of the same left, and how many doubts there were."""
    progress.say(f"Lesions of an earlier cut: {folder}")
    if count := _doubts_of(folder):
        progress.say(
            f"Warning: {count} doubts were told when it was cut. `augmentor extract --data "
            f"{shlex.quote(str(data))} --out NEW` with the same options tells them again."
        )
    return read_lesions(folder)


def _doubts_of(folder: Path) -> int:
    """How many doubts were told of what lies in a folder that `extract` wrote."""
    try:
        return int(tomllib.loads((folder / RECORD).read_text(encoding="utf-8"))["doubts"])
    except (OSError, ValueError, TypeError, KeyError):  # of an earlier version, or damaged
        return 0


def _state(scans: list[Scan], section: ExtractSection) -> str:
    """12 hex digits that change with the scans' files, what is known of them, and the settings."""
    files = [f for scan in scans for p in (*scan.image, *scan.mask) for f in ([p, *p.iterdir()] if p.is_dir() else [p])]
    states = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(files) if f.exists()]
    return hashlib.sha256(repr((scans, states, section, VERSION)).encode()).hexdigest()[:12]


def table_columns(file: Path) -> set[str]:
    """The columns of a CSV, or the keys of a datalist's items; none of another file. Raises DataError."""
    if file.suffix.lower() == ".csv":
        return set(read_csv(file).header)
    if file.suffix.lower() == ".json":
        return {str(key) for *_, item in items_of(parse_json(file)) for key in item}
    return set()


def _found(scans: list[Scan], home: Path, pattern: str | None, group: str) -> list[str]:
    """What the pattern finds in each scan's path below the folder, or in its name."""
    if not pattern:
        return [""] * len(scans)
    return name_pattern(pattern, group).find_all((scan.image[0] for scan in scans), home)
