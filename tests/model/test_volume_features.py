import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import hog, local_binary_pattern

from augmentor.model.features import texture_features
from augmentor.model.volume_features import middle_sections, volume_features

NOISE = np.random.default_rng(0).normal(size=(6, 1, 16, 16, 16)).clip(-1, 1).astype(np.float32)


def test_a_volume_has_its_row_of_numbers_and_none_have_none():
    assert texture_features(NOISE).shape == (6, 16 + 3 * 2 * 10 + 3 * 128 + 2)
    assert np.isfinite(texture_features(np.zeros((1, 2, 16, 16, 16), np.float32))).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("radius", [1, 2])
def test_patterns_are_counted_in_all_sections_as_if_each_stood_alone(axis, radius):
    found = volume_features(NOISE[:1])[0]
    levels = np.clip((NOISE[0, 0] + 1) / 2 * 255, 0, 255).astype(np.uint8)
    codes = [local_binary_pattern(s, 8, radius, "uniform").astype(int) for s in np.moveaxis(levels, axis, 0)]
    start = 16 + 20 * axis + 10 * (radius - 1)
    assert found[start : start + 10] == pytest.approx(np.bincount(np.ravel(codes), minlength=10) / levels.size)


@pytest.mark.parametrize("size", [16, 17, 32])
def test_gradients_are_those_of_each_directions_middle_section(size):
    volume = np.random.default_rng(1).uniform(-1, 1, (1, 2, size, size, size)).astype(np.float32)
    grey, cell = (volume[0].mean(0) + 1) / 2, size // 4
    middle = (grey[size // 2], grey[:, size // 2], grey[:, :, size // 2])
    expected = np.concatenate([hog(section, 8, (cell, cell), (1, 1)) for section in middle])
    np.testing.assert_allclose(volume_features(volume)[0, 76 : 76 + len(expected)], expected, atol=1e-6)


def test_of_a_large_volume_every_second_section_is_looked_at():
    volume = np.random.default_rng(2).uniform(-1, 1, (1, 1, 32, 32, 32)).astype(np.float32)
    changed = volume.copy()
    changed[0, 0, 1::2] = 0
    patterns = slice(16, 26)  # of the first direction, radius 1
    np.testing.assert_array_equal(volume_features(volume)[0, patterns], volume_features(changed)[0, patterns])


def test_grain_along_one_axis_alone_is_seen_in_the_planes_that_hold_it():
    """Smoothed along the first axis: the patterns of the sections across it stay, the others change."""
    smooth = gaussian_filter(NOISE, (0, 0, 2, 0, 0)) * 3
    before, after = (volume_features(x)[:, 16:76].reshape(-1, 3, 20).mean(0) for x in (NOISE, smooth.clip(-1, 1)))
    change = np.abs(before - after).sum(1)
    assert change[0] < change[1] / 2
    assert change[0] < change[2] / 2


def test_middle_sections_are_one_of_each_direction():
    sections = middle_sections(NOISE)
    assert sections.shape == (6, 3, 16, 16)
    np.testing.assert_array_equal(sections[:, 0], NOISE[:, 0, 8])
    np.testing.assert_array_equal(sections[:, 2], NOISE[:, 0, :, :, 8])
