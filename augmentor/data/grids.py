"""Grids in space: where a scan's voxels lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import nibabel
import numpy as np

from augmentor.errors import DataError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MOST_ANISOTROPY = 10
_ODD_SPACING = (0.01, 100.0)  # mm
_MM = {1: 1000.0, 3: 0.001}  # by NIfTI's code for metres and microns; millimetres, and what is not said, stay


@dataclass(frozen=True)
class Grid:
    """`shape` (I, J, K); `affine` (4, 4) leads from a voxel's index to RAS millimetres.

    `in_mm` is False for a picture that does not say how large its pixels are, and `located` for one that does not say
    where it lies: its grid counts pixels, from zero.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    in_mm: bool = True
    located: bool = True

    @cached_property
    def spacing(self) -> np.ndarray:
        """(3,) mm, or pixels where `in_mm` is False."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def anisotropy(self) -> float:
        """The largest spacing over the smallest, of the axes with more than one voxel."""
        spacing = [s for s, n in zip(self.spacing, self.shape, strict=True) if n > 1] or [1.0]
        return float(max(spacing) / min(spacing))

    @cached_property
    def axes(self) -> str:
        """Where the three indices count towards, for example `LPS`; the nearest of the body's axes."""
        return "".join(nibabel.aff2axcodes(self.affine))

    @property
    def section_axis(self) -> int:
        """Across the sections: the only voxel, else the clearly largest spacing, else the body's long axis."""
        if 1 in self.shape:
            return self.shape.index(1) if self.shape[2] != 1 else 2
        order = np.argsort(self.spacing)
        if self.spacing[order[2]] > 1.25 * self.spacing[order[1]]:
            return int(order[2])
        return next(i for i, axis in enumerate(self.axes) if axis in "SI")

    def world(self, index: np.ndarray) -> np.ndarray:
        """(3,) or (N, 3) voxel indices -> mm."""
        return nibabel.affines.apply_affine(self.affine, index)


@dataclass(frozen=True)
class Volume:
    """One scan. `sections(a, b)` reads the voxels of a <= k < b: (I, J, b - a), or (I, J, b - a, 3) in colour.

    `kind` picture: a PNG or the like, whose rows and columns stay as they are. `notes` are doubts, not errors.
    `patient` is the one of a DICOM header: it never leaves this process but as a pseudonym.
    """

    grid: Grid
    sections: Callable[[int, int], np.ndarray]
    kind: Literal["volume", "picture"] = "volume"
    notes: tuple[str, ...] = ()
    patient: str = ""


def whole(array: np.ndarray) -> Callable[[int, int], np.ndarray]:
    """`Volume.sections` of an array that is in memory."""
    return lambda first, last: array[:, :, first:last]


def three(shape: Sequence[int]) -> tuple[int, int, int]:
    first, second, third, *_ = (*shape, 1, 1)
    return int(first), int(second), int(third)


def mm_of(header: Any) -> float:
    """Of one of the units that a NIfTI header counts in."""
    return _MM.get(int(header["xyzt_units"]) & 7, 1.0) if "xyzt_units" in header else 1.0


def nifti_grid(image: Any) -> Grid:
    """Of a NIfTI file that nibabel has opened, or of one of its forebears, which always say where they lie."""
    header, affine = image.header, np.array(image.affine, float)
    affine[:3] *= mm_of(header)
    located = bool(header["sform_code"] or header["qform_code"]) if "sform_code" in header else True
    return Grid(three(image.shape), affine, located=located)


def check_grid(grid: Grid, name: str) -> tuple[str, ...]:
    """The doubts about a grid. Raises DataError for one that can't lie in space."""
    if not is_somewhere(grid):
        raise DataError(
            f"{name}: its header puts the voxels nowhere (affine {np.round(grid.affine[:3], 3).tolist()}). "
            "Repair the header or leave the scan out."
        )
    told = " x ".join(f"{s:.3g}" for s in grid.spacing)
    doubts = []
    if grid.in_mm and not _ODD_SPACING[0] <= grid.spacing.min() <= grid.spacing.max() <= _ODD_SPACING[1]:
        doubts.append(f"{name}: voxels are {told} mm, which no scanner makes. Is the header's spacing in mm?")
    if grid.anisotropy > MOST_ANISOTROPY:
        doubts.append(
            f"{name}: voxels are {told} mm, {grid.anisotropy:.0f} times longer than wide (over {MOST_ANISOTROPY}): "
            "between sections everything will be interpolated. Is the spacing right?"
        )
    return tuple(doubts)


def is_somewhere(grid: Grid) -> bool:
    affine = grid.affine
    if not np.isfinite(affine).all() or np.abs(affine).max() > 1e6 or not grid.spacing.all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / grid.spacing)) >= 1e-9)
