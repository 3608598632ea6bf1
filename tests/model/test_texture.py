import numpy as np
import pytest
from skimage.feature import hog, local_binary_pattern

from augmentor.model.texture import level_histogram, oriented_gradients, pattern_shares

RNG = np.random.default_rng(0)
SIZES = [6, 9, 28, 64]  # cells of two pixels, sides that are no multiple of four, several images in a part and one


def noise(size, count=20):
    return RNG.integers(0, 256, (count, size, size)).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius", [1, 2])
def test_patterns_occur_as_often_as_scikit_image_finds_them(size, radius):
    levels = noise(size)
    codes = [local_binary_pattern(image, 8, radius, "uniform").astype(int) for image in levels]
    expected = [np.bincount(image.ravel(), minlength=10) / image.size for image in codes]
    np.testing.assert_allclose(pattern_shares(levels, radius), expected, atol=1e-12)


@pytest.mark.parametrize("radius", [1, 2])
def test_a_neighbour_of_equal_brightness_counts_wherever_it_stands(radius):
    flat = np.full((1, 40, 40), 77, np.uint8)
    inside = (40 - 2 * radius) ** 2 / 40**2  # all but those whose neighbours are outside
    assert pattern_shares(flat, radius)[0, 8] == pytest.approx(inside)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_scikit_image(size):
    """Of 8-bit levels: many lie just between two orientations, or have none."""
    grey = (noise(size) // 64).astype(np.float32) / 3
    cell = max(2, size // 4)
    expected = [hog(image, 8, (cell, cell), (1, 1)) for image in grey]
    np.testing.assert_allclose(oriented_gradients(grey), expected, atol=1e-6)


def test_an_image_has_the_same_texture_alone_and_among_others():
    many = noise(64, 25)
    for found in (
        level_histogram,
        lambda x: pattern_shares(x, 1),
        lambda x: pattern_shares(x, 2),
        lambda x: oriented_gradients(x.astype(np.float32) / 255),
    ):
        np.testing.assert_array_equal(found(many)[20:21], found(many[20:21]))


def test_levels_are_counted_in_sixteenths():
    levels = np.repeat(np.arange(0, 256, 16), 16).reshape(1, 16, 16).astype(np.uint8)
    assert level_histogram(levels) == pytest.approx(np.ones((1, 16)))
    assert level_histogram(np.zeros((1, 4, 4), np.uint8))[0] == pytest.approx([16] + [0] * 15)
