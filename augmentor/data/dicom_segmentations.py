"""DICOM segmentations, read as labels on their grid."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from augmentor.data.dicom import dataset_of, header_of, is_segmentation
from augmentor.data.dicom_pixels import require_decodable
from augmentor.data.extras import need
from augmentor.data.grids import LPS_TO_RAS, Grid
from augmentor.errors import DataError


def read_segmentation(file: Path) -> tuple[np.ndarray, Grid] | None:
    """The segments of a DICOM SEG as labels (I, J, K), each its number, on their grid; None for other DICOM files.

    Raises DataError where segments overlap, or highdicom (the extra `dicom`) is not installed.
    """
    header = header_of(file)
    if not is_segmentation(header):
        return None
    highdicom = need("highdicom", "dicom", f"{file}: a DICOM SEG is read by highdicom")
    require_decodable(dataset_of(file), file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmentation = highdicom.seg.segread(file)
        try:
            volume = segmentation.get_volume(combine_segments=True)
        except RuntimeError as error:
            raise DataError(f"{file}: {error} Save each segment as a file of its own.") from error
    return np.asarray(volume.array), Grid(tuple(volume.spatial_shape), LPS_TO_RAS @ volume.affine)
