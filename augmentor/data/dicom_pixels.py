"""The pixels of a DICOM dataset, decoded, in the modality's values."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, get_decoder, pixel_array
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import RLELossless

from augmentor.data.extras import install
from augmentor.errors import DataError

_WITH_UNITS = ("CT", "PT")  # Hounsfield units and activity keep their sign, however they are displayed
_SHORT = np.iinfo(np.int16)
# How many times smaller than its pixels a frame can be: two bytes of RLE stand for 128; a blank JPEG 2000 is tiny.
_MOST_PACKING = {False: 5000, True: 64}


def decode(data: Dataset, file: Path, frame: int | None = None, scale: Dataset | None = None) -> np.ndarray:
    """One frame in the modality's values: (columns, rows[, 3])."""
    require_decodable(data, file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = pixel_array(data, index=frame)
        meaning = str(data.get("PhotometricInterpretation", ""))
        if meaning == "PALETTE COLOR":
            pixels = pydicom.pixels.apply_color_lut(pixels, data)
        if pixels.ndim == 3:
            bits = 16 if meaning == "PALETTE COLOR" else int(data.BitsStored)
            return _grey_where_equal(pixels, bits).swapaxes(0, 1)
        if meaning == "MONOCHROME1" and str(data.get("Modality", "")) not in _WITH_UNITS:
            pixels = _inverted(pixels, data)
        if "ModalityLUTSequence" in data:
            pixels = apply_modality_lut(pixels, data)
        else:
            source = data if scale is None else scale
            pixels = _rescaled(pixels, source.get("RescaleSlope"), source.get("RescaleIntercept"), data)
    return pixels.T


def _grey_where_equal(pixels: np.ndarray, bits: int) -> np.ndarray:
    """(rows, columns, 3) -> (rows, columns) where the three are equal; of words of 16 bits, of which colours fill the
    lower `bits`, the upper 8 of these."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> max(0, bits - 8)).astype(np.uint8)
    return pixels[..., 0] if (pixels == pixels[..., :1]).all() else pixels


def _inverted(pixels: np.ndarray, data: Dataset) -> np.ndarray:
    largest = -1 if data.PixelRepresentation else 2 ** int(data.BitsStored) - 1
    return (largest - pixels.astype(np.int32)).astype(pixels.dtype)


def _rescaled(pixels: np.ndarray, slope: Any, intercept: Any, data: Dataset) -> np.ndarray:
    """Stored values -> the modality's; integers stay integers where the slope is 1 and the intercept whole.

    Their dtype is the header's to say, so that it is one in a set whatever a single pixel holds: in CT int16, at whose
    ends values are cut off (no tissue reaches them), elsewhere what holds all that the stored bits can.
    """
    m, b = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
    if m == 1 and b == 0:
        return pixels
    if not (np.isfinite([m, b]).all() and abs(b) < 1e9 and m != 0):
        raise DataError(f"Its slope is {m:g} and its intercept {b:g}; neither may be endless, the slope not zero.")
    if m == 1 and b.is_integer():
        whole, bits = pixels.astype(np.int32) + int(b), int(data.BitsStored)
        if str(data.get("Modality", "")) == "CT" and bits <= _SHORT.bits:
            return whole.clip(_SHORT.min, _SHORT.max).astype(np.int16)
        least = -(2 ** (bits - 1)) if data.PixelRepresentation else 0
        fits = _SHORT.min <= least + b and least + 2**bits - 1 + b <= _SHORT.max
        return whole.astype(np.int16) if fits else whole
    return (pixels * m + b).astype(np.float32)


def require_decodable(data: Dataset, file: Path) -> None:
    if "PixelData" not in data:
        raise DataError(f"{file}: has no pixels. Leave it out.")
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not _can_decode(syntax):
        raise DataError(f"{file}: its pixels are packed as {syntax.name}, which needs a decoder: {install('codecs')}.")
    promised = get_expected_length(data)
    room = len(data.PixelData) * (_MOST_PACKING[syntax == RLELossless] if syntax.is_compressed else 1)
    if promised > room or not promised:
        raise DataError(
            f"{file}: its header promises {promised:,} bytes of pixels, and {len(data.PixelData):,} are there. "
            "It is cut off or broken: copy it again or leave it out."
        )


def _can_decode(syntax: pydicom.uid.UID) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False
