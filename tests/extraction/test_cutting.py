import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.data.placing import Placed
from augmentor.extraction.cutting import box_of, cut
from augmentor.extraction.regions import region_of_box, regions_of
from augmentor.extraction.views import View, views_of
from tests.extraction.conftest import CENTRE, GRID, SHAPE
from tests.scan_sets import CT_AFFINE, LPS_TO_RAS, ball, tilted


def cut_from(array, grid, region, view, size):
    first, last = box_of(view, grid, size)
    return cut(array[tuple(slice(a, b) for a, b in zip(first, last, strict=True))], first, grid, region, view, size)


def world_index(grid):
    """(I, J, K, 3): the world coordinates of every voxel, a picture of where one is."""
    return grid.world(np.indices(grid.shape).reshape(3, -1).T).reshape(*grid.shape, 3)


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


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SRA", "AIR"])
@pytest.mark.parametrize("size", [16, 24, 48])
def test_a_sphere_stays_one_in_a_cube_of_a_tilted_scan(axes, size):
    grid, sphere = tilted(25, axes)
    (region,) = regions_of(Placed(sphere.astype(np.uint8), np.zeros(3, int)))
    (view,) = views_of(region, grid, 3, 0.25, None, None)
    made = cut_from(np.where(sphere, 150, -50).astype(np.int16), grid, region, view, size)
    across = made.affine[:3, :3] / made.spacing
    np.testing.assert_allclose(across.T @ across, np.eye(3), atol=1e-9)
    for inside in (made.mask, made.image > 50):
        index = np.argwhere(inside)
        spread = np.sqrt(np.linalg.eigvalsh(np.cov(index.T)))
        assert spread.max() < 1.05 * spread.min()
        np.testing.assert_allclose(index.mean(axis=0), (size - 1) / 2, atol=0.2)
        assert len(index) * made.spacing**3 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.06)
    assert np.median(made.image[made.mask]) == pytest.approx(150, abs=2)
    assert np.median(made.image[[0, -1]]) == pytest.approx(-50, abs=2)
    assert (np.diag(made.affine)[:3] > 0).all()


def test_a_tilted_scans_cube_needs_no_more_voxels_than_are_read():
    grid, sphere = tilted(25, "LPS", radius_mm=6)
    (region,) = regions_of(Placed(sphere.astype(np.uint8), np.zeros(3, int)))
    (view,) = views_of(region, grid, 3, 0.25, None, None)
    noise = np.random.default_rng(0).normal(0, 100, grid.shape).astype(np.float32)
    of_all = cut(noise, np.zeros(3, int), grid, region, view, 32)
    of_part = cut_from(noise, grid, region, view, 32)
    np.testing.assert_allclose(of_part.image, of_all.image, atol=1)
    np.testing.assert_array_equal(of_part.mask, of_all.mask)
    np.testing.assert_allclose(of_part.affine, of_all.affine)


@pytest.mark.parametrize("axes", ["LPS", "ASR"])
def test_every_pixel_of_a_tilted_scans_cube_comes_from_where_its_affine_says(axes):
    grid, sphere = tilted(25, axes)
    (region,) = regions_of(Placed(sphere.astype(np.uint8), np.zeros(3, int)))
    (view,) = views_of(region, grid, 3, 0.1, None, None)
    where = world_index(grid)
    made = [cut_from(where[..., a].astype(np.float32), grid, region, view, 16) for a in range(3)]
    told = Grid((16, 16, 16), made[0].affine).world(np.indices((16, 16, 16)).reshape(3, -1).T)
    np.testing.assert_allclose(np.stack([m.image.ravel() for m in made], axis=1), told, atol=0.06)


def test_beyond_a_tilted_scans_border_the_mask_is_empty():
    grid, sphere = tilted(25, "LPS", centre=(30, 6, 20))
    (region,) = regions_of(Placed(sphere.astype(np.uint8), np.zeros(3, int)))
    made = cut_from(np.zeros(grid.shape, np.float32), grid, region, View(np.add(region.start, (12, 3, 6)), 60.0), 40)
    places = Grid((40, 40, 40), np.linalg.inv(grid.affine) @ made.affine).world(np.argwhere(made.mask))
    assert len(places) * made.spacing**3 == pytest.approx(sphere.sum() * np.abs(np.linalg.det(grid.affine)), rel=0.06)
    assert (places >= -0.5).all()


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
