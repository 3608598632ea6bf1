"""Lesions as DICOM Secondary Capture: an image is one file, a volume a folder with one file for each section.

Written by highdicom (the extra `dicom`) from nothing but the pixels: no field comes from any source. A Secondary
Capture (PS3.3 A.8.1) has no plane in space; position, orientation and frame of reference are added to it, as PS3.2
allows (a Standard Extended SOP Class), so that viewers and readers stack a volume's sections with the right spacing.
Burned In Annotation (type 3) is left out: nobody has looked whether a source's pixels hold text.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.data.extras import need
from augmentor.data.writing import require_held
from augmentor.version import VERSION

# The time of writing: without it a lesion is the same file whenever it is written.
_TIMES = (
    *("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime"),
    *("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
)
# Where columns and rows run, as in the NIfTI form of the same lesion and as `extract` cuts it: of an image to the left
# and to the back, of a volume (True) to the right and to the front.
_WAYS = {False: (("L", "P"), [1, 0, 0, 0, 1, 0]), True: (("R", "A"), [-1, 0, 0, 0, -1, 0])}


def require_highdicom() -> Any:
    """highdicom, imported. Raises UsageError where the extra is not installed."""
    return need("highdicom", "dicom", "Writing DICOM needs highdicom", ", or choose --format nifti, png or npy")


def write_secondary_capture(
    pixels: np.ndarray,
    path: Path,
    spacing_mm: tuple[float, ...] | None,
    note: str,
    rescale: tuple[float, float] = (1.0, 0.0),
    synthetic: bool = True,
    place: str = "",
    bits: int | None = None,
) -> None:
    """Write (C, H, W) as the file `path`, or (C, D, H, W) as the folder `path` of sections 0001.dcm, 0002.dcm, ...

    pixels: uint8 (C 1 or 3) or uint16 (C 1). rescale: slope and intercept that lead from the stored values to the
    original ones. note: what the file says of itself, in DerivationDescription. place: which file of its set it is.
    bits: how many bits the stored values of the whole set take, all by default; a reader learns from them what the
    original values can be. Equal arguments but for `path` give equal UIDs: one lesion is one object however often it is
    written. Any other lesion has others, and so has one of equal pixels at another place: two masks may be alike, or
    two real images.
    Raises UsageError for other pixels, and where the extra `dicom` is not installed.
    """
    require_held("dicom", pixels, path.name)
    require_highdicom()
    content = repr((place, note, rescale, spacing_mm, pixels.shape)).encode() + pixels.tobytes()
    lesion = _Lesion(note, rescale, synthetic, content, bits or 8 * pixels.dtype.itemsize)
    if pixels.ndim == 3:
        lesion.section(pixels, spacing_mm, 1, None).save_as(path, enforce_file_format=True)
        return
    path.mkdir()
    steps = spacing_mm or (1.0, 1.0, 1.0)
    for number, plane in enumerate(np.moveaxis(pixels, 1, 0), 1):
        dataset = lesion.section(plane, steps[1:], number, steps[0])
        dataset.save_as(path / f"{number:04d}.dcm", enforce_file_format=True)


class _Lesion:
    """What all files of one lesion share."""

    def __init__(self, note: str, rescale: tuple[float, float], synthetic: bool, content: bytes, bits: int):
        self.note, self.rescale, self.synthetic, self.bits = note, rescale, synthetic, bits
        self._content = hashlib.sha256(content)

    def uid(self, of: str) -> str:
        """One below 2.25, the root for numbers of 128 bits that need no registration (PS3.5 B.2)."""
        content = self._content.copy()
        content.update(of.encode())
        return f"2.25.{int.from_bytes(content.digest()[:16], 'big')}"

    def section(
        self, plane: np.ndarray, spacing_mm: tuple[float, ...] | None, number: int, step_mm: float | None
    ) -> Any:
        """(C, H, W), the number-th section of a volume or the only one, as a dataset."""
        highdicom = require_highdicom()
        grey = len(plane) == 1
        dataset = highdicom.sc.SCImage(
            pixel_array=np.ascontiguousarray(plane[0] if grey else np.moveaxis(plane, 0, -1)),
            photometric_interpretation="MONOCHROME2" if grey else "RGB",
            bits_allocated=8 * plane.dtype.itemsize,
            coordinate_system="PATIENT",
            patient_orientation=_WAYS[step_mm is not None][0],
            study_instance_uid=self.uid("study"),
            series_instance_uid=self.uid("series"),
            series_number=1,
            sop_instance_uid=self.uid(f"instance {number}"),
            instance_number=number,
            manufacturer="augmentor",
            patient_id="SYNTHETIC" if self.synthetic else None,
            patient_name="SYNTHETIC^" if self.synthetic else None,
            pixel_spacing=(float(spacing_mm[0]), float(spacing_mm[1])) if spacing_mm else None,
        )
        self._describe(dataset, grey)
        if spacing_mm:
            self._place(dataset, number, step_mm)
        return dataset

    def _describe(self, dataset: Any, grey: bool) -> None:
        kind = "SYNTHETIC" if self.synthetic else "RESAMPLED"
        dataset.ImageType = ["DERIVED", "SECONDARY", kind]
        dataset.DerivationDescription = self.note
        dataset.SeriesDescription = f"{kind} lesion"
        dataset.ManufacturerModelName, dataset.SoftwareVersions = "augmentor", VERSION
        for name in _TIMES:
            if name in dataset:
                del dataset[name]
        for equipment in dataset.get("ContributingEquipmentSequence", []):
            del equipment.ContributionDateTime
        if grey:
            dataset.BitsStored, dataset.HighBit = self.bits, self.bits - 1
            dataset.RescaleSlope, dataset.RescaleIntercept = (f"{value:.10g}"[:16] for value in self.rescale)
            dataset.RescaleType = "US"  # unspecified: the units are those of the data set

    def _place(self, dataset: Any, number: int, step_mm: float | None) -> None:
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = self.uid("frame"), ""
        dataset.ImageOrientationPatient = _WAYS[step_mm is not None][1]
        dataset.ImagePositionPatient = [0, 0, f"{(number - 1) * (step_mm or 0):.10g}"]
        if step_mm is not None:
            dataset.SliceThickness = dataset.SpacingBetweenSlices = f"{step_mm:.10g}"
