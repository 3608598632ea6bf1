import numpy as np
import pytest
import skimage.feature
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage.feature import local_binary_pattern

from augmentor.model.texture import hog, lbp_histogram, level_histogram

RNG = np.random.default_rng(0)
SIZES = [2, 5, 6, 9, 15, 28, 33, 64]  # cells of two pixels, and sides that are no multiple of four, among them


def noise(size, count=20):
    return RNG.integers(0, 256, (count, size, size)).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius", [1, 2])
def test_patterns_occur_as_often_as_scikit_image_finds_them(size, radius):
    """But for one pixel in 1000, with a neighbour that is just as bright: there its rounding decides."""
    levels = noise(size)
    codes = [local_binary_pattern(image, 8, radius, "uniform").astype(int) for image in levels]
    expected = [np.bincount(image.ravel(), minlength=10) / image.size for image in codes]
    others = np.abs(lbp_histogram(levels, radius) - expected).sum(1) / 2
    assert others.mean() < 0.001


def pictures():
    """With neighbours that are just as bright as the centre: slopes that end at 0, blurred noise, no texture at all."""
    rows, columns = np.mgrid[:40, :40]
    slopes = [np.clip(columns - rows * way + at, 0, 255) for way in (1, -1) for at in range(-20, 20, 3)]
    blurred = [gaussian_filter(image.astype(float), 2) for image in noise(40, 4)]
    return np.stack([*slopes, *blurred, np.full((40, 40), 77)]).astype(np.uint8)


@pytest.mark.parametrize("radius", [1, 2])
def test_a_neighbour_that_is_just_as_bright_counts_wherever_it_stands(radius):
    levels = pictures()
    angles = np.arange(8) * np.pi / 4
    steps = np.stack([-radius * np.sin(angles), radius * np.cos(angles)], 1)[:, :, None, None]
    places = np.mgrid[:40, :40].astype(float)
    for image, found in zip(levels.astype(float), lbp_histogram(levels, radius), strict=True):
        around = [map_coordinates(image, places + step, order=1, mode="grid-constant") for step in steps]
        bits = np.stack(around) >= image - 1e-9
        uniform = np.abs(np.diff(bits.astype(int), axis=0)).sum(0) <= 2
        codes = np.where(uniform, bits.sum(0), 9)
        np.testing.assert_array_equal(found, np.bincount(codes.ravel(), minlength=10) / codes.size)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_scikit_image(size):
    """Of few levels: many gradients lie just between two orientations, or are none."""
    grey = (noise(size) // 64).astype(np.float32) / 3
    cell = max(2, size // 4)
    expected = [skimage.feature.hog(image, 8, (cell, cell), (1, 1)) for image in grey]
    np.testing.assert_allclose(hog(grey), expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_an_image_has_the_same_texture_alone_and_among_others(size):
    many = noise(size, 25)
    for found in (
        level_histogram,
        lambda x: lbp_histogram(x, 1),
        lambda x: lbp_histogram(x, 2),
        lambda x: hog(x.astype(np.float32) / 255),
    ):
        np.testing.assert_array_equal(found(many)[20:21], found(many[20:21]))


def test_levels_are_counted_in_sixteenths():
    levels = np.repeat(np.arange(0, 256, 16), 16).reshape(1, 16, 16).astype(np.uint8)
    assert level_histogram(levels) == pytest.approx(np.ones((1, 16)))
    assert level_histogram(np.zeros((1, 4, 4), np.uint8))[0] == pytest.approx([16] + [0] * 15)
