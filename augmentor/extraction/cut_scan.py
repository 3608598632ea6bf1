"""The lesions of one scan: read, found, cut, written, with a row of the table for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

from augmentor.data.formats import SUFFIX, file_name
from augmentor.data.grids import Volume
from augmentor.data.placing import EmptyMaskError, place
from augmentor.data.windows import DEEPEST, Window, parse_window
from augmentor.errors import DataError, listed
from augmentor.extraction.cutting import Cut, box_of, cut
from augmentor.extraction.regions import (
    Region,
    is_thin,
    leaves,
    numbers_ignored,
    numbers_joined,
    region_of_box,
    regions_of,
    touches,
)
from augmentor.extraction.scans import Scan
from augmentor.extraction.views import View, views_of
from augmentor.extraction.volumes import read_mask, read_volume
from augmentor.recipe import ExtractSection

CUT_COLUMN = "roi_side_mm"  # a table that has it holds lesions already
_SIZE = 64


@dataclass
class Found:
    """What one scan gave: rows of the table (without the patient), doubts, what is wrong, the PatientID of its header,
    how many lesions were left out as too small, and {mask: its numbers} where several became one kind of lesion."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    header: str = ""
    specks: int = 0
    joined: dict[str, list[int]] = field(default_factory=dict)
    eight_bit: bool = False


@dataclass(frozen=True)
class _Read:
    """A scan's voxels from the section `first` on; `limits` of the window, in rescaled units."""

    volume: Volume
    voxels: np.ndarray
    first: int
    window: Window | None
    limits: tuple[float, float] | None


def cut_scan(scan: Scan, number: int, section: ExtractSection, folder: Path) -> Found:
    """Write the lesions of the `number`-th scan below `folder`; what is wrong with it is told, not raised."""
    found = Found()
    try:
        _cut_all(scan, number, section, folder, found)
    except EmptyMaskError as error:
        found.notes.append(str(error))
    except DataError as error:
        found.problems += error.about(*map(str, (*scan.image, *scan.mask))).problems
    return found


def _cut_all(scan: Scan, number: int, section: ExtractSection, folder: Path, found: Found) -> None:
    volume = read_volume(scan.image, scan.spacing)
    found.notes += volume.notes
    found.header = volume.patient
    regions = _regions(scan, volume, section, found)
    views = [(n, r, v) for n, r in enumerate(regions, 1) for v in _views(r, volume, section)]
    if not views:
        return
    read = _read_needed(volume, [v for *_, v in views], section)
    found.eight_bit = read.voxels.dtype == np.uint8
    counts: Counter[int] = Counter()
    for lesion, region, view in views:
        counts[lesion] += 1
        label, name = _label(scan, section, region), f"{number:04d}-{lesion:02d}"
        made = _cut_view(read, region, view, section)
        file = f"{file_name(label)}/{name}" + (f"-{counts[lesion]:02d}" if section.every else "")
        path, mask = _write(made, folder, file, section, read)
        row = {"path": path, "label": label, "mask": mask, "lesion": name}
        found.rows.append(row | {"split": scan.split, "fold": scan.fold} | _measures(made, view, read))


def _measures(made: Cut, view: View, read: _Read) -> dict[str, str]:
    in_mm = read.volume.grid.in_mm
    low, high = [f"{limit:.7g}" for limit in read.limits] if read.limits else ("", "")
    return {
        CUT_COLUMN: f"{view.side:.5g}" if in_mm else "",
        "spacing_mm": f"{made.spacing:.6g}" if in_mm else "",
        "window_low": low,
        "window_high": high,
    }


def _regions(scan: Scan, volume: Volume, section: ExtractSection, found: Found) -> list[Region]:
    if scan.boxes:
        return _boxed(scan, volume, section, found)
    voxels, grid, notes = read_mask(scan.mask)
    placed = place(voxels, grid, volume.grid, str(scan.mask[0]), section.by_voxel)
    found.notes += [*notes, *placed.notes]
    if not section.values and section.per == "component" and (numbers := numbers_joined(placed)):
        found.joined[str(scan.mask[0])] = numbers
    if not section.values and section.per == "value" and (numbers := numbers_ignored(placed)):
        found.notes.append(
            f"{scan.mask[0]}: {' and '.join(map(str, numbers))} counts as a lesion, and often marks what is not to be "
            "looked at. Say which numbers are lesions with --values."
        )
    regions = regions_of(placed, tuple(section.values), section.per == "value")
    if not regions:
        there = ", ".join(map(str, np.unique(placed.labels[placed.labels != 0])[:8]))
        found.notes.append(f"{scan.mask[0]}: holds none of --values; it holds {there}.")
    kept = [r for r in regions if r.mask is not None and np.count_nonzero(r.mask) >= section.min_voxels]
    found.specks = len(regions) - len(kept)
    if ends := sum(touches(region, volume.grid, section.dims) for region in kept):
        found.notes.append(_ends(scan, ends) + " and the mask is 0.")
    return kept


def _boxed(scan: Scan, volume: Volume, section: ExtractSection, found: Found) -> list[Region]:
    regions = [region_of_box(box, volume.grid) for box in scan.boxes]
    ends = 0
    for box, region in zip(scan.boxes, regions, strict=True):
        told = f"{scan.image[0]}: the box {', '.join(f'{v:g}' for v in box)}"
        if is_thin(region):
            found.notes.append(f"{told} holds less than a voxel along an axis. Are its numbers voxels?")
        if leaves(box, volume.grid):
            found.notes.append(f"{told} leaves the scan; it was cut at the border.")
        elif touches(region, volume.grid, section.dims):
            ends += 1
    if ends:
        found.notes.append(_ends(scan, ends) + ".")
    return regions


def _ends(scan: Scan, count: int) -> str:
    told = "a lesion reaches" if count == 1 else f"{count} lesions reach"
    return f"{scan.image[0]}: {told} the scan's border, beyond which the image was mirrored"


def doubts_about_numbers(found: Sequence[Found]) -> list[str]:
    """One doubt about all masks whose numbers were taken as one kind of lesion; none where there is none."""
    joined = {mask: numbers for one in found for mask, numbers in one.joined.items()}
    if not joined:
        return []
    masks, first = len(joined), next(iter(joined))
    told = f"{first}: holds" if masks == 1 else f"{masks} masks, for example {first}, hold"
    numbers = sorted({number for own in joined.values() for number in own})
    return [
        f"{told} {'the numbers' if len(numbers) > 1 else 'the number'} {listed([*map(str, numbers)])}: all were taken "
        "as one kind of lesion, and joined where they touch. Say which are lesions with --values, as in 2 or "
        "1=cyst,2=mass, or take each number for one with --per value."
    ]


def _views(region: Region, volume: Volume, section: ExtractSection) -> list[View]:
    grid = volume.grid
    if section.fov and not grid.in_mm:
        raise DataError("does not say how large its pixels are, which --fov needs. Give a column spacing, or no --fov.")
    if section.dims == 3 and min(grid.shape) < 2:
        raise DataError(f"is one section ({'x'.join(map(str, grid.shape))}); cut it with --dims 2.")
    return views_of(region, grid, section.dims, section.margin, section.fov, section.every)


def _read_needed(volume: Volume, views: Sequence[View], section: ExtractSection) -> _Read:
    """The sections that the views need; all of them where a percentile is asked for."""
    window = parse_window(section.window)
    if window and window.percentile:
        voxels = volume.sections(0, volume.grid.shape[2])
        slope, intercept = section.rescale
        low, high = (limit * slope + intercept for limit in window.limits(voxels))
        return _Read(volume, voxels, 0, window, (low, high))
    boxes = [box_of(view, volume.grid, section.size or _SIZE) for view in views]
    first, last = min(b[0][2] for b in boxes), max(b[1][2] for b in boxes)
    limits = (window.low, window.high) if window else None
    return _Read(volume, volume.sections(first, last), first, window, limits)


def _cut_view(read: _Read, region: Region, view: View, section: ExtractSection) -> Cut:
    """Interpolated in the file's units, then rescaled."""
    size, grid = section.size or _SIZE, read.volume.grid
    first, last = box_of(view, grid, size)
    part = read.voxels[first[0] : last[0], first[1] : last[1], first[2] - read.first : last[2] - read.first]
    with np.errstate(over="ignore"):
        bad = part.size - int(np.isfinite(part.astype(np.float32)).sum())
    if bad:
        raise DataError(
            f"{bad} voxels around a lesion are NaN, infinite or beyond 3e38. Repair the scan or leave it out."
        )
    if part.ndim == 4 and (section.dims == 3 or section.window):
        raise DataError("is in colour; windows and --dims 3 are for grey scans. Leave them out, or this scan.")
    made = cut(part, first, grid, region, view, size)
    if part.dtype == np.uint8 and not section.window and section.rescale == (1.0, 0.0):
        return replace(made, image=np.rint(made.image).astype(np.uint8))
    slope, intercept = section.rescale
    return replace(made, image=(made.image * slope + intercept).astype(np.float32))


def _label(scan: Scan, section: ExtractSection, region: Region) -> str:
    label = section.values.get(region.value) or scan.label
    if not label:
        of = f" (its mask says {region.value})" if region.value else ""
        raise DataError(
            f"{scan.image[0]}: no class is known for a lesion{of}. Say --label NAME for all, --label-pattern where "
            "their paths name it, --values 1=NAME,2=NAME by the mask's numbers, or give the table a column label."
        )
    return label


def _write(made: Cut, folder: Path, name: str, section: ExtractSection, read: _Read) -> tuple[str, str]:
    """(path, mask or ""), relative to the folder."""
    window = read.window
    image = window.apply(made.image, read.limits) if window and read.limits else made.image
    form = section.format or ("nifti" if section.dims == 3 or (not window and image.dtype != np.uint8) else "png")
    path, mask = f"{name}{SUFFIX[form]}", f"masks/{name}{SUFFIX[form]}"
    if form == "png" and image.dtype != np.uint8:
        if window is None:
            raise DataError("--format png holds no negative numbers and no fractions: name a --window, or take nifti.")
        low, high = window.range
        image = np.rint((image - low) / (high - low) * DEEPEST).astype(np.uint16)
    _write_array(image, folder / path, made.affine, read.volume.grid.in_mm)
    if made.mask is None:
        return path, ""
    _write_array(made.mask.astype(np.uint8), folder / mask, made.affine, read.volume.grid.in_mm)
    return path, mask


def _write_array(array: np.ndarray, file: Path, affine: np.ndarray, in_mm: bool) -> None:
    """2-D arrays have rows first; a NIfTI file counts columns first, and has a third axis of one section."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.name.endswith(".npy"):
        np.save(file, array)
    elif file.name.endswith(".png"):
        Image.fromarray(np.ascontiguousarray(array)).save(file, compress_level=1)  # small, and many
    elif array.ndim == 3 and array.shape[-1] == 3:
        raise DataError("Colour can't be written as NIfTI; take --format png or npy.")
    else:
        image = nibabel.Nifti1Image(array if array.ndim == 3 else array.T[..., None], affine)
        image.header.set_xyzt_units("mm" if in_mm else "unknown")
        nibabel.save(image, file)
