import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.data.placing import Placed
from augmentor.errors import DataError
from augmentor.extraction.regions import Region, region_of_box, regions_of
from augmentor.extraction.views import views_of
from tests.extraction.conftest import CENTRE, GRID
from tests.scan_sets import CT_AFFINE, tilted


def test_the_largest_section_with_a_margin_on_both_sides(region):
    (view,) = views_of(region, GRID, 2, 0.25, None, None)
    assert view.section == 6
    assert view.side == pytest.approx(17 * 0.8 * 1.5)  # 17 columns across
    np.testing.assert_array_equal(view.centre, CENTRE)


@pytest.mark.parametrize(
    ("areas", "chosen"), [([4, 4, 4, 4, 4], 2), ([4, 4, 4, 4], 1), ([4, 1, 1, 4], 0), ([4, 1, 1, 4, 4], 3), ([1, 2], 1)]
)
def test_of_several_largest_sections_the_one_nearest_to_the_middle_is_cut(areas, chosen):
    mask = np.zeros((2, 2, len(areas)), bool)
    for section, area in enumerate(areas):
        mask.reshape(4, -1)[:area, section] = True
    region = Region(np.array([9.5, 9.5, 2.5]), np.array([11.5, 11.5, 2.5 + len(areas)]), mask)
    assert [v.section for v in views_of(region, GRID, 2, 0, None, None)] == [3 + chosen]
    every = [v.section for v in views_of(region, GRID, 2, 0, None, 2)]
    assert every == [3 + n for n in range(len(areas)) if (n - chosen) % 2 == 0]


def test_a_fixed_side_in_millimetres(region):
    assert [v.side for v in views_of(region, GRID, 2, 0.25, 60.0, None)] == [60]
    assert [v.side for v in views_of(region, GRID, 3, 0.25, 60.0, None)] == [60]


def test_every_second_section_is_counted_from_the_largest(region):
    assert [v.section for v in views_of(region, GRID, 2, 0.25, None, 2)] == [4, 6, 8]
    assert [v.section for v in views_of(region, GRID, 2, 0.25, None, 1)] == [4, 5, 6, 7, 8]


def test_sections_that_only_graze_a_lesion_are_left_out():
    mask = np.zeros((30, 30, 5), bool)
    mask[5:25, 5:25, 1:4] = True
    mask[10, 10, 4] = True
    region = Region(np.array([4.5, 4.5, 0.5]), np.array([24.5, 24.5, 4.5]), mask[5:25, 5:25, 1:5])
    assert [v.section for v in views_of(region, Grid((30, 30, 5), CT_AFFINE), 2, 0, None, 1)] == [1, 2, 3]


def test_a_box_is_cut_in_its_middle_section_or_in_every_one():
    box = region_of_box((2, 2, 3, 10, 10, 8), GRID)
    assert [v.section for v in views_of(box, GRID, 2, 0, None, None)] == [5]
    assert [v.section for v in views_of(box, GRID, 2, 0, None, 1)] == [3, 4, 5, 6, 7]


def test_a_cube_holds_the_largest_extent(region):
    (view,) = views_of(region, GRID, 3, 0.5, None, None)
    assert view.section is None
    assert view.side == pytest.approx(17 * 0.8 * 2)


@pytest.mark.parametrize("boxed", [False, True])
def test_a_cube_of_a_tilted_scan_holds_all_of_an_oblique_lesion(boxed):
    """A lesion that runs along the sections' shift is wider across it than its voxels count."""
    grid, _ = tilted(25, "LPS")
    mask = np.zeros(grid.shape, np.uint8)
    mask[20:30, 16:50, 10:26] = True
    region = region_of_box((20, 16, 10, 30, 50, 26), grid) if boxed else regions_of(Placed(mask, np.zeros(3, int)))[0]
    (view,) = views_of(region, grid, 3, 0, None, None)
    tilt = np.tan(np.deg2rad(25))
    # columns and rows of 1 mm, 16 sections of 2 mm that are shifted by the tilt; an outermost voxel is shifted, too
    assert view.side == pytest.approx(34 + 16 * 2 * tilt)
    np.testing.assert_allclose(view.centre, (24.5, 32.5, 17.5))


def test_a_side_far_wider_than_the_scan_is_refused(region):
    with pytest.raises(DataError, match=r"--fov 500 mm: the scan is 32 mm wide"):
        views_of(region, GRID, 2, 0.25, 500.0, None)
