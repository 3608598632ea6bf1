import numpy as np
import pytest

from augmentor.data.geometry import Grid, Placed
from augmentor.errors import DataError
from augmentor.extraction.roi import Region, View, box_of, cut, region_of_box, regions_of, touches, views_of
from tests.scan_sets import CT_AFFINE, LPS_TO_RAS, ball

SHAPE = (40, 36, 12)
GRID = Grid(SHAPE, CT_AFFINE)
CENTRE = np.array([20.0, 17.0, 6.0])


@pytest.fixture
def region():
    (found,) = regions_of(Placed(ball(SHAPE, CENTRE, 7.0).astype(np.uint8), np.zeros(3, int)))
    return found


def cut_from(array, grid, region, view, size):
    first, last = box_of(view, grid, size)
    return cut(array[tuple(slice(a, b) for a, b in zip(first, last, strict=True))], first, grid, region, view, size)


def world_index(grid):
    """(I, J, K, 3): the world coordinates of every voxel, a picture of where one is."""
    return grid.world(np.indices(grid.shape).reshape(3, -1).T).reshape(*grid.shape, 3)


# Where the lesions are


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


# What is cut of them


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


# How it is cut


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LPI", "SRA", "PSL", "AIR"])
@pytest.mark.parametrize("dims", [2, 3])
def test_every_pixel_comes_from_where_the_affine_says(axes, dims):
    """The image cut from a picture of coordinates holds the coordinates that its affine gives each pixel."""
    import nibabel

    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(CT_AFFINE), nibabel.orientations.axcodes2ornt(axes)
    )
    affine = CT_AFFINE @ nibabel.orientations.inv_ornt_aff(turn, SHAPE)
    drawn = nibabel.apply_orientation(ball(SHAPE, CENTRE, 7.0).astype(np.uint8), turn)
    grid = Grid(drawn.shape, affine)
    (region,) = regions_of(Placed(drawn, np.zeros(3, int)))
    (view,) = views_of(region, grid, dims, 0.1, None, None)
    where = world_index(grid)
    made = [cut_from(where[..., a].astype(np.float32), grid, region, view, 16) for a in range(3)]
    index = np.indices(made[0].image.shape).reshape(dims, -1).T
    pixels = index[:, ::-1] if dims == 2 else index  # rows count first in a picture, columns in an affine
    told = Grid((16, 16, 16), made[0].affine).world(np.pad(pixels, ((0, 0), (0, 3 - dims))))
    np.testing.assert_allclose(np.stack([m.image.ravel() for m in made], axis=1), told, atol=0.06)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_lesions_centre_stays_within_half_a_voxel(region, dims):
    (view,) = views_of(region, GRID, dims, 0.25, None, None)
    made = cut_from(np.zeros(SHAPE, np.float32), GRID, region, view, 32)
    points = np.argwhere(made.mask)
    points = np.pad(points[:, ::-1], ((0, 0), (0, 1))) if dims == 2 else points
    moved = Grid((32, 32, 32), made.affine).world(points.mean(axis=0)) - GRID.world(CENTRE)
    assert (np.abs(moved) < GRID.spacing / 2).all()


def test_columns_run_to_the_left_and_rows_to_the_back():
    grid = Grid(SHAPE, CT_AFFINE)
    region = region_of_box((10, 10, 5, 30, 30, 8), grid)
    (view,) = views_of(region, grid, 2, 0, None, None)
    affine = cut_from(np.zeros(SHAPE), grid, region, view, 8).affine
    np.testing.assert_allclose(affine[:3, 0], (-2, 0, 0))
    np.testing.assert_allclose(affine[:3, 1], (0, -2, 0))


def test_a_picture_stays_as_it_is():
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, (24, 30)).astype(np.float32)
    grid = Grid((30, 24, 1), LPS_TO_RAS, in_mm=False, located=False)
    region = region_of_box((5, 4, 21, 20), grid)
    (view,) = views_of(region, grid, 2, 0, None, None)
    made = cut_from(picture.T[:, :, None], grid, region, view, 16)
    np.testing.assert_allclose(made.image, picture[4:20, 5:21], atol=1e-3)
    assert made.mask is None


def test_colours_are_cut_alike():
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, (30, 24, 1, 3)).astype(np.float32)
    grid = Grid((30, 24, 1), LPS_TO_RAS, in_mm=False, located=False)
    region = region_of_box((5, 4, 21, 20), grid)
    (view,) = views_of(region, grid, 2, 0, None, None)
    made = cut_from(picture, grid, region, view, 12)
    assert made.image.shape == (12, 12, 3)
    for c in range(3):
        np.testing.assert_allclose(made.image[..., c], cut_from(picture[..., c], grid, region, view, 12).image)


def test_beyond_the_border_the_image_is_mirrored_and_its_mask_is_empty():
    array = np.zeros(SHAPE, np.float32)
    array += np.arange(SHAPE[0])[:, None, None]
    mask = np.zeros(SHAPE, np.uint8)
    mask[:6, 10:16, 4:8] = 1
    (region,) = regions_of(Placed(mask, np.zeros(3, int)))
    made = cut_from(array, GRID, region, View(np.array([-0.5, 12.5, 5]), 16.0, 5), 20)
    np.testing.assert_allclose(made.image, made.image[:, ::-1], atol=0.3)
    assert made.mask.any()
    assert not (made.mask & made.mask[:, ::-1]).any()


def test_a_lesion_at_the_border_keeps_its_volume():
    drawn = ball(SHAPE, (1, 17, 6), 7.0)
    (region,) = regions_of(Placed(drawn.astype(np.uint8), np.zeros(3, int)))
    (view,) = views_of(region, GRID, 3, 0.6, None, None)
    made = cut_from(np.zeros(SHAPE, np.float32), GRID, region, view, 48)
    assert made.mask.sum() * made.spacing**3 == pytest.approx(drawn.sum() * np.prod(GRID.spacing), rel=0.1)


@pytest.mark.parametrize(
    ("centre", "in_sections", "in_all"),
    [((20, 17, 6), False, False), ((5, 17, 6), True, True), ((20, 33, 6), True, True), ((20, 17, 1), False, True)],
)
def test_what_reaches_the_border_is_known(centre, in_sections, in_all):
    (region,) = regions_of(Placed(ball(SHAPE, centre, 5.0).astype(np.uint8), np.zeros(3, int)))
    assert (touches(region, GRID, 2), touches(region, GRID, 3)) == (in_sections, in_all)


def test_values_never_leave_their_range():
    array = np.where(ball(SHAPE, CENTRE, 7.0), 1000, -1000).astype(np.int16)
    region = region_of_box((10, 8, 4, 30, 27, 9), GRID)
    (view,) = views_of(region, GRID, 3, 0.2, None, None)
    image = cut_from(array, GRID, region, view, 48).image
    assert (image.min(), image.max()) == (-1000, 1000)


def test_fine_stripes_become_grey_not_coarser_stripes():
    stripes = np.zeros((200, 200, 1), np.float32)
    stripes[::2] = 100
    grid = Grid(stripes.shape, np.eye(4))
    view = View(np.array([99.5, 99.5, 0]), 160.0, 0)
    image = cut_from(stripes, grid, region_of_box((20, 20, 180, 180), grid), view, 32).image
    assert image.std() < 5
    assert image.mean() == pytest.approx(50, abs=2)


def test_a_thin_lesion_does_not_vanish():
    mask = np.zeros((120, 120, 1), np.uint8)
    mask[60, 20:100] = 1
    (region,) = regions_of(Placed(mask, np.zeros(3, int)))
    grid = Grid(mask.shape, np.eye(4))
    (view,) = views_of(region, grid, 2, 0.25, None, None)
    assert cut_from(mask.astype(np.float32), grid, region, view, 16).mask.any()
