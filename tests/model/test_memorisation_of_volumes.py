from functools import lru_cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from augmentor.model.memorisation import CopyCheck, make_copy_check
from augmentor.model.thumbnails import fine_views, shifted_views, thumbnails, views


def smooth_volumes(count: int, seed: int, size: int = 16) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, 1, size, size, size))
    volumes = gaussian_filter(noise, (0, 0, *[size / 8] * 3))
    return np.clip(volumes / np.abs(volumes).max((1, 2, 3, 4), keepdims=True), -1, 1).astype(np.float32)


TRAINING, OTHERS = smooth_volumes(30, 0), smooth_volumes(30, 1)


@lru_cache
def check_of_volumes() -> CopyCheck:
    """Of thirty volumes of as many patients, calibrated on thirty of others."""
    return make_copy_check(TRAINING, range(30), OTHERS)


DISGUISES = {
    "exact": lambda x: x,
    "left for right": lambda x: x[..., ::-1],
    "head for foot": lambda x: x[:, :, ::-1],
    "turned about the slice axis": lambda x: np.rot90(x, 1, (3, 4)),
    "shifted": lambda x: np.roll(x, (1, -1), (2, 4)),
    "turned a little": lambda x: rotate(x, 7, (2, 3), reshape=False, order=1, mode="nearest"),
    "shifted along all axes": lambda x: np.roll(x, (1, -1, 1), (2, 3, 4)),
    "turned a little and shifted": lambda x: np.roll(rotate(x, 7, (3, 4), False, order=1, mode="nearest"), 1, 2),
    "brighter": lambda x: 0.8 * x + 0.15,
    "noisy": lambda x: x + 0.05 * np.random.default_rng(2).normal(size=x.shape).astype(np.float32),
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_planted_copy_is_found_and_its_origin_named(disguise):
    check = check_of_volumes()
    distances, rows = check.originals.distances(disguise(TRAINING))
    assert (distances < check.threshold).mean() >= 0.95
    assert (rows == np.arange(30)).mean() >= 0.95


def test_volumes_of_other_patients_pass():
    check = check_of_volumes()
    distances, _ = check.originals.distances(smooth_volumes(60, 3))
    assert (distances < check.threshold).mean() <= 0.1


@pytest.mark.parametrize("size", [16, 20, 32])
def test_thumbnails_have_unit_length_and_the_first_view_is_the_volume_as_it_is(size):
    volumes = smooth_volumes(2, 4, size)
    small = thumbnails(volumes)
    assert np.linalg.norm(small, axis=1) == pytest.approx(1, abs=1e-5)
    seen = views(volumes)
    assert seen.shape == (2, 35, 512)
    np.testing.assert_allclose(seen[:, 0], small, atol=1e-6)


@pytest.mark.parametrize("by", [(2, 0, 0), (0, 2, 2), (2, -2, 2)])
def test_a_volume_of_32_that_was_shifted_by_two_voxels_has_a_view_in_common(by):
    volumes = smooth_volumes(2, 4, 32)
    others = shifted_views(np.roll(volumes, by, (2, 3, 4)))
    assert others.shape[:3] == (2, 8, 250)
    likeness = np.einsum("mpn,mprn->mr", fine_views(volumes)[:, 1], others)  # neither turned nor zoomed
    assert likeness.max(1) == pytest.approx(1, abs=1e-4)
