import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.data.placing import Placed
from augmentor.errors import DataError
from augmentor.extraction.regions import is_thin, numbers_joined, region_of_box, regions_of, touches
from tests.extraction.conftest import GRID, SHAPE
from tests.scan_sets import ball


def test_components_are_lesions_and_touching_ones_are_one():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    labels[3, 3, 3] = 2  # shares a corner
    labels[6:8, 6:8, 6:8] = 2
    found = regions_of(Placed(labels, np.array([10, 0, 0])))
    assert [np.count_nonzero(r.mask) for r in found] == [9, 8]
    np.testing.assert_array_equal(found[0].lower, (10.5, 0.5, 0.5))
    np.testing.assert_array_equal(found[0].upper, (13.5, 3.5, 3.5))
    np.testing.assert_array_equal(found[1].start, (16, 6, 6))


def test_a_lesion_a_value_joins_its_parts():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1, 1, 1] = labels[7, 7, 7] = 2
    labels[4, 4, 4] = 5
    found = regions_of(Placed(labels, np.zeros(3, int)), by_value=True)
    assert [(r.value, np.count_nonzero(r.mask)) for r in found] == [(2, 2), (5, 1)]


def test_only_the_values_asked_for_are_lesions_and_two_values_are_two_lesions():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:3, 1:3, 1:3], labels[3, 3, 3], labels[6, 6, 6] = 1, 2, 7
    found = regions_of(Placed(labels, np.zeros(3, int)), values=(1, 2))
    assert [(r.value, np.count_nonzero(r.mask)) for r in found] == [(1, 8), (2, 1)]


@pytest.mark.parametrize("box", [(10, 20, 20, 26), (0.25, 20 / 36, 0.5, 26 / 36)])
def test_a_box_in_pixels_or_in_shares_of_a_picture(box):
    found = region_of_box(box, Grid((40, 36, 1), np.eye(4)))
    np.testing.assert_allclose(found.lower, (9.5, 19.5, -0.5))
    np.testing.assert_allclose(found.upper, (19.5, 25.5, 0.5))
    assert found.mask is None


def test_six_shares_are_a_box_as_four_are():
    in_voxels = region_of_box((10, 9, 3, 30, 27, 9), GRID)
    in_shares = region_of_box((0.25, 0.25, 0.25, 0.75, 0.75, 0.75), GRID)
    np.testing.assert_allclose(in_shares.lower, in_voxels.lower)
    np.testing.assert_allclose(in_shares.upper, in_voxels.upper)


def test_six_numbers_of_0_and_1_are_one_voxel_and_no_shares():
    found = region_of_box((0, 0, 0, 1, 1, 1), GRID)
    np.testing.assert_array_equal(found.upper - found.lower, 1)


@pytest.mark.parametrize(
    ("box", "thin"),
    [
        ((3, 3, 3, 4, 4, 4), False),
        ((3, 3, 3, 9, 9, 3.5), True),
        ((3, 3.2, 3, 9, 4.1, 9), True),
        ((-5, 3, 3, 0.4, 9, 9), True),
        ((0.4, 0.4, 0.4, 0.4 + 1 / 40, 0.4 + 1 / 36, 0.4 + 1 / 12), False),
        ((0.25, 0.25, 0.25, 0.26, 0.5, 0.5), True),
    ],
)
def test_a_box_of_less_than_a_voxel_is_thin(box, thin):
    assert is_thin(region_of_box(box, GRID)) is thin


@pytest.mark.parametrize(
    ("held", "told"), [((1,), []), ((255,), []), ((1, 2), [1, 2]), ((1, 255), [1, 255]), ((-1,), [-1]), ((), [])]
)
def test_numbers_that_would_be_joined_are_known(held, told):
    labels = np.zeros((9, 9, 9), np.int32)
    labels[0, 0, : len(held)] = held
    assert numbers_joined(Placed(labels, np.zeros(3, int))) == told


def test_a_box_is_cut_at_the_scans_border():
    found = region_of_box((-5, 2, 3, 50, 8, 6), GRID)
    np.testing.assert_array_equal(found.lower, (-0.5, 1.5, 2.5))
    np.testing.assert_array_equal(found.upper, (39.5, 7.5, 5.5))


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ((1, 2, 3, 4), r"has 4 numbers and the scan 12 sections; give x0,y0,z0,x1,y1,z1"),
        ((5, 2, 3, 5, 8, 6), "The box 5, 2, 3, 5, 8, 6 has no extent"),
        ((9, 2, 3, 5, 8, 6), "has no extent"),
        ((float("nan"), 2, 3, 5, 8, 6), "has no extent"),
        ((41, 2, 3, 50, 8, 6), "lies outside of the scan"),
        ((-9, 2, 3, -1, 8, 6), "lies outside of the scan"),
    ],
)
def test_a_box_that_is_none_is_refused(box, told):
    with pytest.raises(DataError, match=told):
        region_of_box(box, GRID)


@pytest.mark.parametrize(
    ("centre", "in_sections", "in_all"),
    [((20, 17, 6), False, False), ((5, 17, 6), True, True), ((20, 33, 6), True, True), ((20, 17, 1), False, True)],
)
def test_what_reaches_the_border_is_known(centre, in_sections, in_all):
    (region,) = regions_of(Placed(ball(SHAPE, centre, 5.0).astype(np.uint8), np.zeros(3, int)))
    assert (touches(region, GRID, 2), touches(region, GRID, 3)) == (in_sections, in_all)
