"""Sheared grids: voxels whose three axes are not orthogonal, as a CT's with a tilted gantry."""

from __future__ import annotations

import numpy as np

from augmentor.data.grids import Grid

_MOST_COSINE = 0.02  # between two axes, by which a sphere's diameters come to differ by 2 %; headers are rounded, too


def cube_axes(grid: Grid) -> np.ndarray:
    """(3, 3) unit columns in RAS: where the axes of a cube run, in the order of the voxels' axes.

    They are the voxels' own where these are orthogonal, else the two of the sections and the normal on them
    (Gram-Schmidt).
    """
    own = _own_axes(grid)
    if np.abs(own.T @ own - np.eye(3)).max() <= _MOST_COSINE:
        return own
    order = [axis for axis in range(3) if axis != grid.section_axis] + [grid.section_axis]
    axes = np.empty((3, 3))
    orthogonal, lengths = np.linalg.qr(own[:, order])
    axes[:, order] = orthogonal * np.sign(np.diag(lengths))
    return axes


def skew(grid: Grid) -> np.ndarray:
    """(3, 3): leads from mm along a cube's axes to mm along the voxels'; exactly 1 where these are orthogonal."""
    own, axes = _own_axes(grid), cube_axes(grid)
    return np.eye(3) if np.array_equal(own, axes) else np.linalg.solve(own, axes)


def is_sheared(grid: Grid) -> bool:
    """Whether a cube's axes are not the voxels'."""
    return not np.array_equal(_own_axes(grid), cube_axes(grid))


def _own_axes(grid: Grid) -> np.ndarray:
    return np.asarray(grid.affine[:3, :3] / grid.spacing)
