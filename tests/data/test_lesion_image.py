import numpy as np
import pytest

from augmentor.data.lesion_image import content_hash


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (1, 6, 8)).astype(np.uint8)


def test_equal_pixels_have_one_hash_however_they_lie_in_memory(pixels):
    assert content_hash(pixels) == content_hash(pixels.copy()) == content_hash(np.asfortranarray(pixels))
    assert len(content_hash(pixels)) == 16


def test_another_value_dtype_or_shape_has_another_hash(pixels):
    other = pixels.copy()
    other[0, 3, 4] ^= 1
    found = [content_hash(p) for p in (pixels, other, pixels.view(np.int8), pixels.reshape(1, 8, 6))]
    assert len(set(found)) == 4
