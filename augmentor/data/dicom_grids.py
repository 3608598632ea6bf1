"""Where a DICOM header says that pixels lie: spacing, direction, and the step from a section to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from augmentor.errors import DataError

TURN, PLACE = "ImageOrientationPatient", "ImagePositionPatient"
_UNEVEN = 0.05  # of the distance between sections


def step_between(positions: np.ndarray, normal: np.ndarray, pixel: float, name: str) -> np.ndarray:
    """(3,) mm from a section to the next; positions (N, 3) are sorted along the normal. A tilted gantry's sections
    are shifted against each other; they still begin on one line."""
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    if gaps.min() < 1e-3:
        raise DataError(
            f"{name}: several of its {len(positions)} images lie at one place: times, echoes or phases. "
            "Give each a folder of its own."
        )
    if np.abs(gaps - usual).max() > _UNEVEN * usual + 0.01:
        raise DataError(
            f"{name}: its sections lie {gaps.min():.3g} to {gaps.max():.3g} mm apart: some are missing, or two stacks "
            "are mixed. Complete it or leave it out."
        )
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    line = positions[0] + step * np.arange(len(positions))[:, None]
    if np.abs(positions - line).max() > max(pixel, _UNEVEN * usual + 0.01):
        raise DataError(f"{name}: its sections do not lie above each other: two stacks are mixed. Part them.")
    return step


def affine_of(orientation: np.ndarray, position: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """(column, row, section) -> LPS mm; the third axis is 1 mm along the normal. spacing: down and across."""
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = orientation[:3] * spacing[1], orientation[3:] * spacing[0]
    affine[:3, 2] = np.cross(orientation[:3], orientation[3:])
    affine[:3, 3] = position
    return affine


def group_of(frame: Dataset, shared: Dataset, name: str) -> Dataset | None:
    """A functional group of a frame: its own, else the one that all frames share."""
    found = frame.get(name) or shared.get(name)
    return found[0] if found else None


def is_located(header: Dataset) -> bool:
    return all(numbers(header.get(name), n) is not None for name, n in ((TURN, 6), (PLACE, 3)))


def spacing_of(header: Dataset) -> np.ndarray | None:
    """(2,) mm: down and across, where both are above zero."""
    found = numbers(header.get("PixelSpacing"), 2)
    return found if found is not None and (found > 0).all() else None


def vector(header: Dataset, name: str, count: int) -> np.ndarray:
    found = numbers(header.get(name), count)
    if found is None:
        raise DataError(f"Its {name} is {header.get(name)!r}, not {count} numbers. Repair the header or leave it out.")
    return found


def numbers(value: Any, count: int) -> np.ndarray | None:
    try:
        found = np.array([float(v) for v in value], float)
    except (TypeError, ValueError):
        return None
    return found if found.shape == (count,) and np.isfinite(found).all() else None


def positive(value: Any) -> float | None:
    try:
        return float(value) if float(value) > 0 else None
    except (TypeError, ValueError):
        return None
