import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from augmentor.model.mirroring import both_ways, parities, within
from augmentor.model.originals import Originals
from augmentor.model.thumbnails import (
    as_fine,
    every_other,
    fine_views,
    near_moves,
    shifted_views,
    thumbnails,
    turned_views,
    views,
    wide_moves,
)
from tests.model.test_memorisation import smooth_images
from tests.model.test_memorisation_of_volumes import smooth_volumes


@pytest.mark.parametrize("size", [28, 31, 64, 128])
def test_views_are_thumbnails_of_the_image_that_torch_turned_and_zoomed(size):
    image = np.random.default_rng(0).normal(size=(1, 1, size, size)).astype(np.float32)
    turns = (0, -11.25, 11.25, -22.5, 22.5, -33.75, 33.75, 45)
    shrunk = F.interpolate(torch.tensor(image), min(size, 64), mode="area").numpy()
    moved = [turned_by_torch(shrunk, turn, zoom) for turn in turns for zoom in (1, 1 / 1.12, 1.12)]
    np.testing.assert_allclose(views(image)[0, :24], thumbnails(np.concatenate(moved)), atol=1e-6)


def turned_by_torch(image: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    pixels, angle = torch.tensor(image).double(), math.radians(degrees)
    cosine, sine = math.cos(angle) * zoom, math.sin(angle) * zoom
    matrix = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]], dtype=torch.float64)
    grid = F.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False).numpy()


def test_each_image_has_the_parts_of_its_own_views_both_ways():
    images = smooth_images(3, 6)
    seen = turned_views(images)
    assert seen.shape == (3, 4, 64, 64)
    for image, turned in zip(images, seen, strict=True):
        assert turned == pytest.approx(both_ways(views(image[None])[0]), abs=1e-6)


@pytest.mark.parametrize("size", [16, 28, 64, 100])
def test_thumbnails_have_unit_length_at_any_size(size):
    assert np.linalg.norm(thumbnails(smooth_images(3, 4, size)), axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("size", [28, 64, 128])
def test_an_image_is_found_in_its_own_views_however_it_is_mirrored_or_turned(size):
    images = smooth_images(2, 5, size)
    seen = views(images)
    assert seen.shape == (2, 32, 256)
    assert seen[:, 0] == pytest.approx(thumbnails(images), abs=1e-6)
    for moved in (np.rot90(images, 1, (2, 3)), images[..., ::-1], np.rot90(images[..., ::-1], 3, (2, 3))):
        again, _ = Originals(seen).distances(np.ascontiguousarray(moved))
        assert again == pytest.approx(0, abs=3e-3)


@pytest.mark.parametrize(("size", "count"), [(28, 49), (32, 49), (48, 49), (64, 25), (128, 25)])
def test_an_image_and_the_same_shifted_by_two_pixels_have_a_view_in_common(size, count):
    images = smooth_images(3, 6, size)
    step = 2 * max(size // 64, 1)
    some, others = shifted_views(images), shifted_views(np.roll(images, (step, -step), (2, 3)))
    assert some.shape == (3, 4, 2 * count, 52)
    likeness = np.einsum("mprn,mpsn->mrs", some, others)
    assert likeness[:, count // 2].max(1) == pytest.approx(1, abs=1e-4)


def test_the_middle_shift_is_none_and_the_first_fine_view_is_the_image_as_it_is():
    images = smooth_images(3, 6)
    as_it_is = within(parities(thumbnails(images))).swapaxes(0, 1)
    assert shifted_views(images)[:, :, 12] == pytest.approx(as_it_is, abs=1e-5)
    fine = fine_views(images)
    assert fine.shape == (3, 120, 4, 52)
    assert fine[:, 0] == pytest.approx(as_it_is, abs=1e-5)


def test_about_each_coarse_view_lie_the_finer_turns_at_every_zoom():
    assert as_fine(2).shape == (32,)
    near, wide = near_moves(2)[as_fine(2)], wide_moves(2)[as_fine(2)]
    assert (near.shape, wide.shape) == ((32, 25), (32, 9))
    assert set(near.ravel()) == set(range(120))
    assert all(set(some) <= set(more) for some, more in zip(wide, near, strict=True))
    assert 0 in wide[0]
    assert all(np.array_equal(row, near[0]) for row in near[24:])  # shifts are views that were not turned


@pytest.mark.parametrize(("rows", "dims", "count"), [(50, 2, 18), (98, 2, 32), (250, 3, 54)])
def test_every_other_shift_is_a_sparser_grid_with_the_same_corners_both_ways(rows, dims, count):
    chosen = every_other(rows, dims)
    assert len(chosen) == count
    assert {0, rows // 2 - 1, rows // 2, rows - 1} <= set(chosen)


def test_all_fine_views_of_a_volume_are_near():
    volumes = smooth_volumes(2, 4)
    assert near_moves(3).shape == (39, 39)
    assert as_fine(3).shape == views(volumes).shape[1:2]
    assert fine_views(volumes).shape[:3] == (2, 39, 8)
