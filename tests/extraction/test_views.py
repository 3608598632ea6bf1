import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.errors import DataError
from augmentor.extraction.regions import Region, region_of_box
from augmentor.extraction.views import views_of
from tests.extraction.conftest import CENTRE, GRID
from tests.scan_sets import CT_AFFINE


def test_the_largest_section_with_a_margin_on_both_sides(region):
    (view,) = views_of(region, GRID, 2, 0.25, None, None)
    assert view.section == 6
    assert view.side == pytest.approx(17 * 0.8 * 1.5)  # 17 columns across
    np.testing.assert_array_equal(view.centre, CENTRE)


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


def test_a_side_far_wider_than_the_scan_is_refused(region):
    with pytest.raises(DataError, match=r"--fov 500 mm: the scan is 32 mm wide"):
        views_of(region, GRID, 2, 0.25, 500.0, None)
