import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.extraction.shear import cube_axes, is_sheared, skew
from tests.scan_sets import CT_AFFINE, tilted


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SRA", "ASL", "PIR"])
@pytest.mark.parametrize("degrees", [-30, -5, 5, 30])
def test_a_tilted_scan_keeps_the_axes_of_its_sections_and_gets_the_normal_on_them(degrees, axes):
    grid, _ = tilted(degrees, axes)
    found, own = cube_axes(grid), grid.affine[:3, :3] / grid.spacing
    across = axes.index("S" if "S" in axes else "I")
    kept = [axis for axis in range(3) if axis != across]
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found[:, kept], own[:, kept], atol=1e-12)
    assert found[:, across] @ own[:, across] == pytest.approx(np.cos(np.deg2rad(degrees)))
    np.testing.assert_allclose(own @ skew(grid), found, atol=1e-12)
    assert is_sheared(grid)


@pytest.mark.parametrize("degrees", [0, 30])
def test_axes_that_are_orthogonal_stay_however_they_are_turned(degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = CT_AFFINE.copy()
    affine[:3, :3] = np.round(turn @ CT_AFFINE[:3, :3], 3)
    grid = Grid((40, 36, 12), affine)
    assert not is_sheared(grid)
    np.testing.assert_array_equal(skew(grid), np.eye(3))
    np.testing.assert_array_equal(cube_axes(grid), affine[:3, :3] / grid.spacing)


@pytest.mark.parametrize(("degrees", "sheared"), [(1, False), (1.3, True)])
def test_a_shear_counts_from_a_fiftieth_on(degrees, sheared):
    assert is_sheared(tilted(degrees, "LPS")[0]) is sheared
