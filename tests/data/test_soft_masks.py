import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from augmentor.data.soft_masks import greys_of

SMOOTHED = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def disc(size, radius):
    rows, columns = np.mgrid[:size, :size]
    return ((rows - size / 2) ** 2 + (columns - size / 2.2) ** 2 < radius**2) * np.uint8(255)


def as_jpeg(mask, quality):
    packed = io.BytesIO()
    Image.fromarray(mask).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))


def cells(size, count, radius):
    """A label map of `count` cells that touch where they are larger than their distance."""
    places = np.random.default_rng(0).uniform(0, size, (count, 2))
    rows, columns = np.mgrid[:size, :size]
    apart = np.array([(rows - r) ** 2 + (columns - c) ** 2 for r, c in places])
    return np.where(apart.min(axis=0) < radius**2, apart.argmin(axis=0) + 1, 0)


@pytest.mark.parametrize(("size", "radius"), [(24, 6), (64, 12), (256, 20), (512, 150)])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_jpeg_holds_greys(size, radius, quality):
    mask = as_jpeg(disc(size, radius), quality)
    assert greys_of(mask) == len(np.unique(mask)) - 1


@pytest.mark.parametrize("filtered", SMOOTHED)
@pytest.mark.parametrize(("size", "to"), [(64, 128), (64, 256), (256, 64), (512, 224)])
def test_a_mask_that_was_resized_with_smoothing_holds_greys(size, to, filtered):
    assert greys_of(np.asarray(Image.fromarray(disc(size, size / 5)).resize((to, to), filtered)))


@pytest.mark.parametrize("width", [1, 3, 10])
def test_a_map_of_a_probability_holds_greys_in_images_and_volumes(width):
    assert greys_of(ndimage.gaussian_filter(disc(64, 20).astype(float), width).astype(np.uint8))
    ball = np.zeros((24, 24, 24), np.uint8)
    ball[8:16, 8:16, 8:16] = 255
    assert greys_of(ndimage.gaussian_filter(ball, min(width, 3)))


@pytest.mark.parametrize("radius", [1.5, 4, 1000])
@pytest.mark.parametrize(("size", "count"), [(64, 12), (256, 40), (256, 200)])
def test_labels_are_no_greys_however_many_and_however_close(size, count, radius):
    assert greys_of(cells(size, count, radius)) == 0


def test_few_numbers_are_labels_even_in_thin_layers():
    assert greys_of(np.repeat(np.arange(9)[:, None], 40, axis=1)) == 0
    assert greys_of(np.zeros((8, 8), np.uint8)) == 0
    assert greys_of(disc(64, 12)) == 0
