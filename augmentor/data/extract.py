"""`extract`: from scans with masks or boxes to a folder of lesions and their table."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import nibabel
import numpy as np
import pandas as pd
import tomli_w
from joblib.externals.loky.process_executor import TerminatedWorkerError
from PIL import Image

from augmentor.data.geometry import EmptyMaskError, Volume, place
from augmentor.data.identity import key_of, pseudonym
from augmentor.data.images import SUFFIX, FileFormat, file_name
from augmentor.data.lesions import Lesions
from augmentor.data.readers import read_lesions
from augmentor.data.roi import Cut, Region, View, box_of, cut, region_of_box, regions_of, views_of
from augmentor.data.scans import CUT_COLUMN, Scan
from augmentor.data.sheet import write_sheet
from augmentor.data.volumes import read_mask, read_volume
from augmentor.data.windows import Window, parse_window
from augmentor.errors import AugmentorError, DataError, UsageError
from augmentor.progress import Progress
from augmentor.version import VERSION

_COLUMNS = (*("path", "label", "patient", "mask", CUT_COLUMN, "spacing_mm", "lesion", "window_low", "window_high"),)
_DEEPEST = 65535


@dataclass(frozen=True)
class Settings:
    """How lesions are cut; all of it is written to `extract.toml`.

    dims: 2 (sections) or 3 (cubes). size: pixels a side. margin: beside the lesion, as a share of its diameter, on
    each side; or fov: a fixed side in mm. every: in 2-D also each `every`-th section; None: the largest alone.
    by_value: a lesion is all voxels of one number of the mask, not one connected component. values: {number: class or
    ""} of the mask's numbers that are lesions; empty: all. least: a lesion of fewer voxels is left out.
    window: as for `parse_window`. rescale: (slope, intercept) from what a file holds to the modality's units.
    form: None is PNG where 16 bits can hold a window, otherwise NIfTI. strict: doubts are errors.
    by_voxel: a mask lies on its image's voxels, whatever the headers say.
    """

    dims: int = 2
    size: int = 64
    margin: float = 0.25
    fov: float | None = None
    every: int | None = None
    by_value: bool = False
    values: dict[int, str] = field(default_factory=dict)
    least: int = 10
    window: str | None = None
    rescale: tuple[float, float] = (1.0, 0.0)
    form: FileFormat | None = None
    strict: bool = False
    by_voxel: bool = False

    def check(self) -> Window | None:
        """The window. Raises UsageError with everything that is wrong."""
        window = parse_window(self.window)
        slope, intercept = self.rescale
        wrong = {
            f"--dims is {self.dims}; it is 2 or 3.": self.dims not in (2, 3),
            f"--size is {self.size}; it lies in 8..1024.": not 8 <= self.size <= 1024,
            f"--margin is {self.margin:g}; it lies in 0..10.": not 0 <= self.margin <= 10,
            f"--fov is {self.fov} mm; it lies in 1..1000.": self.fov is not None and not 1 <= self.fov <= 1000,
            f"--sections every {self.every}: it must be 1 or more.": self.every is not None and self.every < 1,
            "--sections is for --dims 2; a cube has all of them.": self.every is not None and self.dims == 3,
            f"--rescale {slope:g},{intercept:g}: the slope must be above 0, and both finite.": not (
                np.isfinite([slope, intercept]).all() and slope > 0
            ),
            f"--format {self.form}: volumes are written as nifti.": self.dims == 3 and self.form not in (None, "nifti"),
            f"--format {self.form!r}: it is {', '.join(SUFFIX)}.": self.form not in (None, *SUFFIX),
        }
        if any(wrong.values()):
            raise UsageError("\n".join(told for told, is_so in wrong.items() if is_so))
        return window


@dataclass
class Found:
    """What one scan gave: rows of the table, doubts, what is wrong, and how many specks were left out."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unnamed: bool = False


def extract(
    scans: Sequence[Scan],
    out: Path,
    settings: Settings | None = None,
    key_file: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    notes: Sequence[str] = (),
) -> Lesions:
    """Cut the lesions of all scans into `out`: images by class, `masks/`, `lesions.csv`, `extract.toml`, a picture.

    Patients become pseudonyms by the key in `key_file` (made where it does not exist), or by a random key that is
    kept nowhere; images are numbered; nothing else of the scans but pixels and geometry is written. The folder
    appears whole or not at all. The lesions' `warnings` hold the doubts, `notes` first.

    Raises UsageError for bad settings or an `out` that holds files, and DataError with every scan that can't be used.
    """
    settings, progress, out = settings or Settings(), progress or Progress(), out.expanduser().resolve()
    window = settings.check()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: already holds files, and nothing is overwritten. Empty it, or give another --out.")
    key = key_of(key_file, out)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        found = []
        with progress.task(f"Cutting {len(scans)} scans", len(scans)) as update:
            for done, one in enumerate(_all_found(scans, settings, key, part, workers), 1):
                found.append(one)
                update(done, f"{sum(len(f.rows) for f in found)} lesions")
        doubts = _judged(found, settings, [*notes, *_without_window(window)])
        rows = [row for one in found for row in one.rows]
        pd.DataFrame(rows, columns=list(_COLUMNS)).to_csv(part / "lesions.csv", index=False)
        (part / "extract.toml").write_text(tomli_w.dumps(_record(settings, window)))
        write_sheet(part, rows, part / "extracted.png")
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    lesions = read_lesions(out)
    return replace(lesions, warnings=(*doubts, *lesions.warnings))


def lesions_from_scans(
    scans: Sequence[Scan], cache: Path, settings: Settings | None = None, workers: int = 1, **how: Any
) -> Lesions:
    """`extract` into a folder of `cache` that is named after the scans and settings; what is there is taken again."""
    settings = settings or Settings()
    files = [f for scan in scans for p in (*scan.image, *scan.mask) for f in ([p, *p.iterdir()] if p.is_dir() else [p])]
    states = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.exists()]
    name = hashlib.sha256(repr((list(scans), states, settings, VERSION)).encode()).hexdigest()[:16]
    if (cache / name / "lesions.csv").exists():
        return read_lesions(cache / name)
    return extract(scans, cache / name, settings, workers=workers, **how)


def _all_found(scans: Sequence[Scan], settings: Settings, key: bytes, folder: Path, workers: int) -> Iterator[Found]:
    """In the scans' order, as they are done."""
    tasks = [(scan, number, settings, key, folder) for number, scan in enumerate(scans, 1)]
    if min(workers, len(tasks)) <= 1:
        yield from (_from_scan(*task) for task in tasks)
        return
    parallel = joblib.Parallel(n_jobs=workers, batch_size=1, return_as="generator")
    try:
        yield from parallel(joblib.delayed(_from_scan)(*task) for task in tasks)
    except TerminatedWorkerError as error:
        raise AugmentorError(
            "A worker process was killed, perhaps for want of memory: each holds one scan. Take fewer --workers."
        ) from error


def _judged(found: Sequence[Found], settings: Settings, notes: list[str]) -> list[str]:
    """The doubts. Raises DataError where a scan can't be used, where doubts are errors, and where nothing was cut."""
    problems = [p for one in found for p in one.problems]
    doubts = [n for one in found for n in one.notes]
    unnamed = sum(one.unnamed for one in found)
    if unnamed:
        doubts.append(
            f"No patient is known for {unnamed} of {len(found)} scans: each counts as a patient of its own. Name them "
            "with --patient-pattern or a patient column."
        )
    if problems or (settings.strict and doubts):
        raise DataError([*problems, *(doubts if settings.strict else [])])
    if not any(one.rows for one in found):
        raise DataError([*doubts, f"No lesion was cut from {len(found)} scans. Are they smaller than --min-voxels?"])
    return [*notes, *doubts]


def _without_window(window: Window | None) -> list[str]:
    if window:
        return []
    return ["No --window: intensities are kept as they are. For CT name one (--window liver), for MR say percentile."]


def _record(settings: Settings, window: Window | None) -> dict[str, Any]:
    """What `extract.toml` says: nothing of the scans, which may name patients."""
    told = {k: v for k, v in asdict(settings).items() if v is not None} | {
        "values": {str(k): v for k, v in settings.values.items()}
    }
    record: dict[str, Any] = {"version": VERSION, "settings": told}
    if window:
        low, high = window.range
        record["window"] = {"low": window.low, "high": window.high, "percentile": window.percentile}
        # value = stored * slope + intercept for 16-bit PNG; other formats hold the value itself.
        record["png"] = {"slope": (high - low) / _DEEPEST, "intercept": low}
    return record


# --- one scan


def _from_scan(scan: Scan, number: int, settings: Settings, key: bytes, folder: Path) -> Found:
    found = Found()
    try:
        _cut_scan(scan, number, settings, key, folder, found)
    except EmptyMaskError as error:
        found.notes.append(str(error))
    except DataError as error:
        name = str(scan.image[0])
        found.problems += [p if name in p or str(scan.mask) in p else f"{name}: {p}" for p in error.problems]
    return found


def _cut_scan(scan: Scan, number: int, settings: Settings, key: bytes, folder: Path, found: Found) -> None:
    volume = read_volume(scan.image, scan.spacing)
    found.notes += volume.notes
    regions = _regions(scan, volume, settings, found)
    views = [(r, v) for r in regions for v in _views(r, volume, settings)]
    if not views:
        return
    window = settings.check()
    voxels, first, limits = _read_needed(volume, [v for _, v in views], settings, window)
    patient = scan.patient or volume.patient
    found.unnamed = not patient
    who = pseudonym(patient or f"scan {'|'.join(map(str, scan.image))}", key)
    counts: dict[int, int] = {}
    for region, view in views:
        lesion = 1 + next(i for i, r in enumerate(regions) if r is region)
        counts[lesion] = counts.get(lesion, 0) + 1
        label = settings.values.get(region.value) or scan.label
        _require_label(label, scan, region)
        name = f"{number:04d}-{lesion:02d}" + (f"-{counts[lesion]:02d}" if settings.every else "")
        made = _cut_view(voxels, first, volume, region, view, settings)
        path, mask = _write(made, folder, file_name(label), name, settings, window, limits)
        found.rows.append(
            {
                **{"path": path, "label": label, "patient": who, "mask": mask, "lesion": f"{number:04d}-{lesion:02d}"},
                CUT_COLUMN: f"{view.side:.4g}" if volume.grid.in_mm else "",
                "spacing_mm": f"{made.spacing:.6g}" if volume.grid.in_mm else "",
                **(dict(zip(("window_low", "window_high"), limits, strict=True)) if limits else {}),
            }
        )


def _regions(scan: Scan, volume: Volume, settings: Settings, found: Found) -> list[Region]:
    if scan.boxes:
        return [region_of_box(box, volume.grid) for box in scan.boxes]
    voxels, grid, notes = read_mask(scan.mask)
    placed = place(voxels, grid, volume.grid, str(scan.mask[0]), settings.by_voxel)
    found.notes += [*notes, *placed.notes]
    return regions_of(placed, tuple(settings.values), settings.by_value, settings.least)


def _views(region: Region, volume: Volume, settings: Settings) -> list[View]:
    grid = volume.grid
    if settings.fov and not grid.in_mm:
        raise DataError("does not say how large its pixels are, which --fov needs. Give a column spacing, or no --fov.")
    if settings.dims == 3 and min(grid.shape) < 2:
        raise DataError(f"is one section ({'x'.join(map(str, grid.shape))}); cut it with --dims 2.")
    return views_of(region, grid, settings.dims, settings.margin, settings.fov, settings.every)


def _read_needed(
    volume: Volume, views: Sequence[View], settings: Settings, window: Window | None
) -> tuple[np.ndarray, int, tuple[float, float] | None]:
    """The sections that the views need, the first of them, and the window's limits in the scan's rescaled units."""
    boxes = [box_of(view, volume.grid, settings.size) for view in views]
    first, last = min(b[0][2] for b in boxes), max(b[1][2] for b in boxes)
    if window is None or not window.percentile:
        return volume.sections(first, last), first, window.limits(np.empty(0)) if window else None
    voxels = volume.sections(0, volume.grid.shape[2])
    slope, intercept = settings.rescale
    low, high = (limit * slope + intercept for limit in window.limits(voxels))
    return voxels, 0, (low, high)


def _cut_view(voxels: np.ndarray, above: int, volume: Volume, region: Region, view: View, settings: Settings) -> Cut:
    """Cut from voxels whose first section is `above`; interpolated in the file's units, then rescaled."""
    first, last = box_of(view, volume.grid, settings.size)
    part = voxels[first[0] : last[0], first[1] : last[1], first[2] - above : last[2] - above]
    bad = part.size - int(np.isfinite(part).sum())
    if bad:
        raise DataError(f"{bad} voxels around a lesion are NaN or infinite. Repair the scan or leave it out.")
    if part.ndim == 4 and (settings.dims == 3 or settings.window):
        raise DataError("is in colour; windows and --dims 3 are for grey scans. Leave them out, or this scan.")
    made = cut(part, first, volume.grid, region, view, settings.size)
    if part.dtype == np.uint8 and not settings.window and settings.rescale == (1.0, 0.0):
        return replace(made, image=np.rint(made.image).astype(np.uint8))
    slope, intercept = settings.rescale
    return replace(made, image=(made.image * slope + intercept).astype(np.float32))


def _require_label(label: str, scan: Scan, region: Region) -> None:
    if not label:
        of = f" (its mask says {region.value})" if region.value else ""
        raise DataError(
            f"{scan.image[0]}: no class is known for a lesion{of}. Say --label NAME for all, --values 1=NAME,2=NAME by "
            "the mask's numbers, or give the table a column label."
        )


# --- one lesion


def _write(
    made: Cut,
    folder: Path,
    home: str,
    name: str,
    settings: Settings,
    window: Window | None,
    limits: tuple[float, float] | None,
) -> tuple[str, str]:
    """(path, mask or ""), relative to the folder."""
    image = window.apply(made.image, limits) if window and limits else made.image
    form = settings.form or ("nifti" if settings.dims == 3 or (not window and image.dtype != np.uint8) else "png")
    path, mask = f"{home}/{name}{SUFFIX[form]}", f"masks/{home}/{name}{SUFFIX[form]}"
    if form == "png" and image.dtype != np.uint8:
        if window is None:
            raise DataError("--format png holds no negative numbers and no fractions: name a --window, or take nifti.")
        low, high = window.range
        image = np.rint((image - low) / (high - low) * _DEEPEST).astype(np.uint16)
    _write_array(image, folder / path, made.affine)
    if made.mask is None:
        return path, ""
    _write_array(made.mask.astype(np.uint8), folder / mask, made.affine)
    return path, mask


def _write_array(array: np.ndarray, file: Path, affine: np.ndarray) -> None:
    """2-D arrays have rows first; a NIfTI file counts columns first, and has a third axis of one section."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.name.endswith(".npy"):
        np.save(file, array)
    elif file.name.endswith(".png"):
        Image.fromarray(np.ascontiguousarray(array)).save(file)
    elif array.shape[-1] == 3 and array.ndim == 3 and array.dtype == np.uint8:
        raise DataError("Colour can't be written as NIfTI; take --format png or npy.")
    else:
        image = nibabel.Nifti1Image(array if array.ndim == 3 else array.T[..., None], affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, file)
