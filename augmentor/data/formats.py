"""Which files are images, what a file is called, and in which format an image is written back."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

FileFormat = Literal["png", "npy", "nifti", "dicom"]
SUFFIX: dict[FileFormat, str] = {"png": ".png", "npy": ".npy", "nifti": ".nii.gz", "dicom": ".dcm"}
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
DICOM_SUFFIXES = (".dcm", ".dicom")
SUFFIXES = (*PICTURE_SUFFIXES, *NIFTI_SUFFIXES, *DICOM_SUFFIXES)
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.(csv|json)", re.IGNORECASE)  # by Windows; by tables
_LEFT_BY_SYSTEMS = {"__macosx", "@eadir", "@tmp", "@recycle", "#recycle", "$recycle.bin", "lost+found"}
_LONGEST = 60  # bytes of a file name: systems take 255 and paths of 260, into which others' folders go too


def file_name(text: str) -> str:
    """A class or fold as a file or folder name that every system takes; equal texts give equal names."""
    safe = re.sub(r"[^\w .+-]", "_", text).encode()[:_LONGEST].decode(errors="ignore").strip(". ")
    if safe and safe == text and not _TAKEN.fullmatch(safe):
        return safe
    return f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:6]}".lstrip("-")


def is_image(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def names_dicom(path: Path) -> bool:
    """Whether the name says DICOM; `is_dicom` looks into the file."""
    return path.name.lower().endswith(DICOM_SUFFIXES)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that a system leaves beside one's own: thumbnails, what was thrown away."""
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def visible_below(folder: Path) -> list[Path]:
    """All files and folders below, sorted, but for hidden ones and what lies in them."""
    paths = sorted(folder.rglob("*"))
    return [path for path in paths if not any(map(is_hidden, path.relative_to(folder).parts))]


def stem(name: str) -> str:
    """The name without its image suffix (`.nii.gz` is one)."""
    ending = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(s)), "")
    return name[: len(name) - len(ending)]


def file_format(path: str, dims: int = 2) -> FileFormat:
    """The format in which images (dims 2) or volumes (3) like this one are written back."""
    lower = path.lower()
    if lower.endswith(NIFTI_SUFFIXES):
        return "nifti"
    if names_dicom(Path(path)):
        return "dicom"
    if lower.endswith(".npy"):
        return "npy"
    return "png" if dims == 2 else "nifti"  # volumes of an npz
