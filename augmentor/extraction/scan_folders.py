"""Folders of scans: which mask belongs to which image, by their names or by what DICOM segmentations refer to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from augmentor.errors import DataError, UsageError, first_of
from augmentor.extraction.dicom_folders import pairs_of
from augmentor.extraction.scans import Scan

# How image and mask are called in folders that are met often.
_CONVENTIONS = (
    ("*_image.*", "*_label.*"),
    ("*_image.*", "*_mask.*"),
    ("imagesTr/*_0000.*", "labelsTr/*.*"),
    ("imagesTr/*.*", "labelsTr/*.*"),
    ("images/*", "masks/*"),
    ("images/*", "labels/*"),
)


def read_scan_folder(folder: Path, images: str | None, masks: str | None) -> tuple[list[Scan], list[str]]:
    if bool(images) != bool(masks):
        raise UsageError("Give both --images and --masks, as in --images '*_T1.nii.gz' --masks '*_mask.nii.gz'.")
    if images and masks:
        pairs = _pairs(folder, images, masks)
        if not pairs:
            raise DataError(f"{folder}: nothing below is called {images!r}. Correct --images.")
        return pairs, []
    for convention in _CONVENTIONS:
        if pairs := _pairs(folder, *convention):
            return pairs, []
    segmented, notes = pairs_of(folder)
    if segmented:
        return [Scan(series, (mask,)) for series, mask in segmented], notes
    told = "; ".join(f"{i} and {m}" for i, m in _CONVENTIONS)
    raise DataError(
        f"{folder}: no image with its mask was found by the usual names ({told}), and no DICOM segmentation with its "
        "series. Say how they are called: --images '*_T1.nii.gz' --masks '*_mask.nii.gz'; or give --data a CSV with "
        "the columns image and mask (or box)."
    )


def _pairs(folder: Path, images: str, masks: str) -> list[Scan]:
    """Raises DataError where an image has no mask, or several."""
    found = _matches(folder, masks)
    scans, problems = [], []
    for stars, image in sorted(_matches(folder, images).items()):
        if image in found.values():
            continue
        own = [found[stars]] if stars in found else [m for s, m in found.items() if s[:2] == stars[:2]]
        if len(own) == 1:
            scans.append(Scan((image,), (own[0],)))
        else:
            problems.append(f"{image}: {len(own) or 'no'} masks by {masks!r} belong to it; it needs one.")
    if problems and (scans or found):
        raise DataError(first_of(problems, "images"))
    return scans


def _matches(folder: Path, glob: str) -> dict[tuple[str, ...], Path]:
    """{(what stands for the folders before, the first star, ...): file or folder}."""
    pattern = re.compile(_as_regex(glob))
    found: dict[tuple[str, ...], Path] = {}
    for path in _below(folder):
        match = pattern.fullmatch(path.relative_to(folder).as_posix())
        if match:
            found[match.groups()] = path
    return found


def _below(folder: Path) -> Iterable[Path]:
    paths = sorted(folder.rglob("*"))
    return [p for p in paths if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def _as_regex(glob: str) -> str:
    """Each star a group, and an ending of any kind (`.*`) one: `.nii.gz` is one ending."""
    parts = re.split(r"(\*\*/|\.\*$|\*|\?)", glob)
    made = {"**/": r"((?:.*/)?)", ".*": r"(\.nii\.gz|\.[^./]+)", "*": r"([^/]*?)", "?": r"([^/])"}
    return r"((?:.*/)?)" + "".join(made.get(p, re.escape(p)) for p in parts)
