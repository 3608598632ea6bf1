"""Folders of scans: which mask belongs to which image, by their names or by what DICOM segmentations refer to."""

from __future__ import annotations

import re
from pathlib import Path

from augmentor.data.formats import names_dicom, visible_below
from augmentor.data.mask_names import ENDINGS, FOLDERS
from augmentor.data.tables import advice_on_files
from augmentor.errors import DataError, UsageError, first_of
from augmentor.extraction.dicom_folders import pairs_of
from augmentor.extraction.scans import Scan
from augmentor.extraction.volumes import is_scan

# How image and mask are called in folders that are met often.
_CHANNELS = ("imagesTr/*_0000.*", "labelsTr/*.*")  # nnU-Net's; a case's others are called _0001 and so on
_CONVENTIONS = (
    *(("*_image.*", f"*_{ending}.*") for ending in ENDINGS),
    _CHANNELS,
    ("imagesTr/*.*", "labelsTr/*.*"),
    *(("images/*", f"{masks}/*") for masks in FOLDERS),
)


def read_scan_folder(folder: Path, images: str | None, masks: str | None) -> tuple[list[Scan], list[str]]:
    """The scans, and what was left out, in words. Raises DataError or UsageError."""
    if bool(images) != bool(masks):
        raise UsageError("Give both --images and --masks, as in --images '*_T1.nii.gz' --masks '*_mask.nii.gz'.")
    if images and masks:
        pairs, notes = _pairs(folder, images, masks)
        if not pairs:
            raise DataError(f"{folder}: nothing below is called {images!r} and can be a scan. Correct --images.")
        return pairs, notes
    for convention in _CONVENTIONS:
        pairs, notes = _pairs(folder, *convention)
        if pairs:
            return pairs, [*notes, *(_other_channels(folder) if convention == _CHANNELS else [])]
    segmented, notes = pairs_of(folder)
    if segmented:
        return [Scan(series, (mask,)) for series, mask in segmented], notes
    told = "; ".join(f"{i} and {m}" for i, m in _CONVENTIONS)
    raise DataError(
        f"{folder}: no image with its mask was found by the usual names ({told}), and no DICOM segmentation with its "
        "series. Say how they are called: --images '*_T1.nii.gz' --masks '*_mask.nii.gz'; or give --data a CSV with "
        f"the columns image and mask (or box).{advice_on_files(folder)}"
    )


def _pairs(folder: Path, images: str, masks: str) -> tuple[list[Scan], list[str]]:
    """The scans, and the masks that belong to no image. Raises DataError where an image has no mask, or several."""
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
    used = {mask for scan in scans for mask in scan.mask}
    alone = [m for m in found.values() if m not in used and is_scan(m)]
    notes = [f"{m}: is the mask of no image by {images!r}; it was left out." for m in alone]
    return scans, first_of(notes, "masks")


def _other_channels(folder: Path) -> list[str]:
    others = [p for p in _matches(folder, "imagesTr/*.*").values() if re.search(r"_(?!0000)\d{4}\.", p.name)]
    if not others:
        return []
    return [
        f"{len(others)} images are further channels of a case and were left out, for example {others[0]}: lesions are "
        "cut from _0000 alone. Say which one is meant: --images 'imagesTr/*_0001.*' --masks 'labelsTr/*.*'."
    ]


def _matches(folder: Path, glob: str) -> dict[tuple[str, ...], Path]:
    """{(what stands for the folders before, the first star, ...): file or folder}; sidecars are passed over."""
    pattern = re.compile(_as_regex(glob))
    found: dict[tuple[str, ...], Path] = {}
    for path in visible_below(folder):
        match = pattern.fullmatch(path.relative_to(folder).as_posix())
        if match and _may_be_scan(path):
            found[match.groups()] = path
    return found


def _may_be_scan(path: Path) -> bool:
    """Whether it is a folder, or a file that is a scan by its content or its name (a broken one is told of later)."""
    return path.is_dir() or is_scan(path) or names_dicom(path)


def _as_regex(glob: str) -> str:
    """Each star a group, and an ending of any kind (`.*`) one: `.nii.gz` is one ending."""
    parts = re.split(r"(\*\*/|\.\*$|\*|\?)", glob)
    made = {"**/": r"((?:.*/)?)", ".*": r"(\.nii\.gz|\.[^./]+)", "*": r"([^/]*?)", "?": r"([^/])"}
    return r"((?:.*/)?)" + "".join(made.get(p, re.escape(p)) for p in parts)
