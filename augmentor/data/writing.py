"""One array -> one image or volume file: PNG, npy or NIfTI."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from PIL import Image, PngImagePlugin

from augmentor.data.formats import SUFFIX, FileFormat
from augmentor.data.grids import LPS_TO_RAS
from augmentor.errors import UsageError

_NIFTI_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_ENDINGS: dict[str, FileFormat] = {".png": "png", ".npy": "npy", ".nii": "nifti", ".nii.gz": "nifti"}
_RULES: dict[FileFormat, str] = {  # those of `holds`
    "png": "PNG holds 8-bit or grey 16-bit images",
    "nifti": f"NIfTI holds one channel of {', '.join(_NIFTI_DTYPES)}",
    "dicom": "a DICOM Secondary Capture holds 8-bit or grey 16-bit values",
}


def holds(form: FileFormat, shape: tuple[int, ...], dtype: str) -> bool:
    """Whether a format takes pixels (C, H, W) or (C, D, H, W) of this dtype, as they are stored (`storage`)."""
    grey, volume = shape[0] == 1, len(shape) == 4
    if form == "nifti":
        return grey and dtype in _NIFTI_DTYPES
    plain = dtype == "uint8" or (dtype == "uint16" and grey)
    return form == "npy" or (plain and not (form == "png" and volume))


def require_held(form: FileFormat, pixels: np.ndarray, name: str) -> None:
    """Raise UsageError where a format does not take such pixels, see `holds`; name: the file's."""
    shape, dtype = pixels.shape, str(pixels.dtype)
    if holds(form, shape, dtype):
        return
    kind = f"{'a volume' if len(shape) == 4 else 'an image'} with {shape[0]} channel{'s' * (shape[0] > 1)}"
    others = " or ".join(f"--format {other}" for other in SUFFIX if holds(other, shape, dtype))
    raise UsageError(f"{name}: {_RULES[form]} here, not {kind} of {dtype}. Choose {others}.")


def write_image(pixels: np.ndarray, path: Path, spacing_mm: tuple[float, ...] | None, note: str) -> None:
    """Write (C, H, W) or (C, D, H, W) in its own dtype in the format that `path`'s suffix names, PNG, npy or NIfTI; the
    file says `note` where it can.

    Raises UsageError where the format can't hold the pixels.
    """
    form = next((form for ending, form in _ENDINGS.items() if path.name.endswith(ending)), None)
    if form is None:
        raise UsageError(f"{path.name}: images are written as {', '.join(SUFFIX.values())}. Choose one with --format.")
    require_held(form, pixels, path.name)
    if form == "nifti":
        _write_nifti(pixels, path, spacing_mm, note)
    elif form == "png":
        _write_png(pixels, path, note)
    else:
        np.save(path, pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1))


def _write_nifti(pixels: np.ndarray, path: Path, spacing_mm: tuple[float, ...] | None, note: str) -> None:
    steps = list(reversed(spacing_mm or [1.0] * (pixels.ndim - 1)))
    array = pixels[0].T.reshape(*reversed(pixels.shape[1:]), *[1] * (4 - pixels.ndim))  # a slice is a volume of one
    affine = np.diag([*steps, *[1.0] * (4 - len(steps))])
    if pixels.ndim == 3:  # as `extract` cuts sections: columns to the left, rows to the back
        affine = LPS_TO_RAS @ affine
    image = nibabel.Nifti1Image(array, affine)
    image.set_qform(affine, "scanner")
    image.set_sform(affine, "scanner")
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note.encode()[:79]
    nibabel.save(image, path)


def _write_png(pixels: np.ndarray, path: Path, note: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", note)
    plane = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    # Lesions have grain and masks have runs: looking for longer repeats takes twice as long and saves nothing.
    Image.fromarray(np.ascontiguousarray(plane)).save(path, pnginfo=info, compress_level=1, compress_type=Image.RLE)
