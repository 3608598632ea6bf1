import numpy as np
import pytest

from augmentor.data.squares import load_images, to_square
from tests.data.made import save_picture, texture


def test_other_images_are_seen_in_the_training_sets_range_and_clipped_to_it(tmp_path):
    np.save(tmp_path / "train.npy", np.int16([[0, 100], [50, 50]]))
    np.save(tmp_path / "other.npy", np.int16([[-50, 200], [25, 75]]))
    _, mapping = load_images([str(tmp_path / "train.npy")], 2)
    images, same_mapping = load_images([str(tmp_path / "other.npy")], 2, mapping)
    assert same_mapping == mapping
    np.testing.assert_allclose(images[0, 0], [[-1, 1], [-0.5, 0.5]])


@pytest.mark.parametrize("shape", [(16, 16, 16), (18, 24, 24), (24, 24, 18)])
@pytest.mark.parametrize("size", [8, 24, 32])
def test_a_ball_stays_round_in_a_cube(shape, size):
    axes = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    ball = sum(a**2 for a in axes) < 4**2
    cube = to_square((ball * 1000).astype(np.int16)[None], size)
    assert cube.shape == (1, size, size, size)
    lengths = [(cube[0] > 500).any(axis).any(0 if axis else 1).sum() for axis in range(3)]
    assert np.ptp(lengths) <= 1
    assert abs(lengths[0] - 8 * size / max(shape)) <= 1.5


def test_a_cube_is_resampled_along_every_axis_alike():
    pixels = texture("uint8", shape=(12, 12, 12))
    turned = to_square(pixels.transpose(0, 2, 3, 1), 8)
    np.testing.assert_allclose(to_square(pixels, 8).transpose(0, 2, 3, 1), turned, atol=1e-3)


@pytest.mark.parametrize("shape", [(20, 20), (12, 20), (20, 12), (13, 20), (20, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_square_holds_the_image_and_its_mirror(shape, channels):
    pixels = texture("int16", channels, shape)
    square = to_square(pixels, 20)
    assert square.shape == (channels, 20, 20)
    assert square.dtype == np.float32
    top, left = (20 - shape[0]) // 2, (20 - shape[1]) // 2
    np.testing.assert_array_equal(square[:, top : top + shape[0], left : left + shape[1]], pixels)
    above, before = min(top, shape[0]), min(left, shape[1])
    np.testing.assert_array_equal(square[:, top - above : top], square[:, top : top + above][:, ::-1])
    np.testing.assert_array_equal(square[:, :, left - before : left], square[:, :, left : left + before][:, :, ::-1])


@pytest.mark.parametrize("shape", [(48, 48), (48, 72), (72, 48)])
@pytest.mark.parametrize("size", [16, 32, 96])
def test_a_disc_stays_round(shape, size):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    disc = (rows - shape[0] / 2 + 0.5) ** 2 + (columns - shape[1] / 2 + 0.5) ** 2 < 8**2
    square = to_square((disc * 1000).astype(np.int16)[None], size)[0] > 500
    height, width = square.any(1).sum(), square.any(0).sum()
    assert height == width
    assert abs(height - 16 * size / max(shape)) <= 1.5


@pytest.mark.parametrize("size", [8, 33])
def test_resampling_adds_no_values_that_the_image_has_not(size):
    pixels = (texture("uint8") > 128) * np.int16(1000)
    square = to_square(pixels, size)
    assert square.min() >= 0
    assert square.max() <= 1000


def test_images_of_several_sizes_are_stacked(tmp_path):
    for name, shape in (("a", (9, 30)), ("b", (16, 16)), ("c", (40, 20))):
        save_picture(tmp_path / f"{name}.png", texture("uint8", 3, shape))
    images, _ = load_images([str(tmp_path / f"{n}.png") for n in "abc"], 16)
    assert images.shape == (3, 3, 16, 16)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
