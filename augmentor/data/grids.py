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
_SAME_SPACING, _SAME_ORIGIN = 0.01, 0.1  # of a voxel: what two accounts of one header may differ by
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


def nifti_doubts(header: Any, name: str) -> tuple[str, ...]:
    """A doubt about a NIfTI header whose two accounts (sform; pixdim and qform) disagree: on which way the axes count,
    on spacing by more than 1 %, or on the place of the first voxel by more than a tenth of one."""
    if "sform_code" not in header or not header["sform_code"]:
        return ()
    sform, mm = header.get_sform(), mm_of(header)
    edges = np.linalg.norm(sform[:3, :3], axis=0)
    if not (np.isfinite(sform).all() and edges.all()):
        return ()
    told = [words for words in (_other_steps(header, edges * mm, mm), _other_place(header, sform, edges, mm)) if words]
    if not told:
        return ()
    return (
        f"{name}: its two orientations disagree: {'; '.join(told)}. sform was taken; look at the image "
        "and repair the header.",
    )


def _other_steps(header: Any, edges: np.ndarray, mm: float) -> str:
    """edges: (3,) mm, of a voxel by sform. An axis of one voxel has no step."""
    shape = three(header.get_data_shape())
    steps = np.abs(header["pixdim"][1:4].astype(float)) * mm
    off = [not abs(step - edge) <= _SAME_SPACING * edge for step, edge in zip(steps, edges, strict=True)]
    if not any(differs and n > 1 for differs, n in zip(off, shape, strict=True)):
        return ""
    return f"voxels are {_mm(edges)} mm by sform, {_mm(steps)} mm by pixdim"


def _other_place(header: Any, sform: np.ndarray, edges: np.ndarray, mm: float) -> str:
    """edges: (3,) of a voxel by sform, in the header's unit."""
    if not header["qform_code"]:
        return ""
    try:
        qform = header.get_qform()
    except (nibabel.spatialimages.HeaderDataError, ValueError):
        qform = np.full((4, 4), np.nan)
    if not np.isfinite(qform).all():
        return "qform can't be read"
    axes = ["".join(map(str, nibabel.aff2axcodes(form))) for form in (sform, qform)]
    if axes[0] != axes[1]:
        swapped = " (left and right are swapped)" if ("L" in axes[0]) != ("L" in axes[1]) else ""
        return f"sform says {axes[0]}, qform says {axes[1]}{swapped}"
    origins = sform[:3, 3], qform[:3, 3]
    if np.linalg.norm(origins[0] - origins[1]) <= _SAME_ORIGIN * edges.min():
        return ""
    first, second = (np.round(origin * mm, 2).tolist() for origin in origins)
    return f"the first voxel lies at {first} mm by sform, at {second} mm by qform"


def _mm(edges: np.ndarray) -> str:
    return " x ".join(f"{edge:.4g}" for edge in edges)


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
