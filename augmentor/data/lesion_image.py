"""One lesion image or volume in memory, with its geometry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from augmentor.data.grids import Grid


@dataclass(frozen=True)
class LesionImage:
    """`pixels` (C, H, W) or (C, D, H, W), C 1 or 3, in the file's own dtype, in this machine's byte order.

    `spacing_mm` of a pixel is (rows, columns), of a voxel (slices, rows, columns); None where the file does not say.
    `notes` are doubts, not errors. `grid` (columns, rows, sections) is where the file says that its pixels lie: only as
    they are stored.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    grid: Grid | None = None

    @property
    def dims(self) -> int:
        return self.pixels.ndim - 1


def content_hash(pixels: np.ndarray) -> str:
    """What the column `content` holds of an image's pixels, their dtype and their shape."""
    return hashlib.sha256(
        str((pixels.shape, pixels.dtype)).encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()[:16]
