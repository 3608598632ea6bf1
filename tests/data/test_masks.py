import numpy as np
import pytest

from augmentor.data.images import write_image
from augmentor.data.lesions import make_lesions
from augmentor.data.masks import from_channel, load_mask_channels, read_mask, to_channel
from augmentor.errors import DataError


def blob(shape, seed=0):
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return field > np.quantile(field, 0.7)


def write_pair(folder, name, mask, image=None, spacing=(1.0, 1.0, 1.0)):
    image = np.zeros(mask.shape, np.int16) if image is None else image
    write_image(image[None], folder / f"{name}.nii.gz", spacing[: image.ndim], "")
    write_image(mask.astype(np.uint8)[None], folder / f"{name}_mask.nii.gz", (1.0, 1.0, 1.0)[: mask.ndim], "")
    return str(folder / f"{name}_mask.nii.gz"), str(folder / f"{name}.nii.gz")


def set_of(tmp_path, masks, images):
    columns = {"path": images, "label": ["a"] * len(images), "patient": list("pqrs")[: len(images)], "mask": masks}
    return make_lesions(columns, tmp_path)


@pytest.mark.parametrize("shape", [(16, 16), (32, 32, 32)])
def test_a_mask_comes_back_from_its_channel(shape):
    mask = blob(shape)
    channel = to_channel(mask)
    assert channel.shape == (1, *shape)
    assert channel.dtype == np.float32
    assert np.abs(channel).max() <= 1
    np.testing.assert_array_equal(from_channel(channel)[0], mask)


def test_the_channel_is_the_distance_to_the_edge():
    mask = np.zeros((32, 32), bool)
    mask[:, 16:] = True
    np.testing.assert_allclose(to_channel(mask)[0, 3, 12:20] * 4, [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5])
    assert set(to_channel(mask)[0, 0, [0, 31]]) == {-1.0, 1.0}


@pytest.mark.parametrize("size", [16, 32])
def test_a_mask_is_brought_to_the_networks_size_as_its_image_is(tmp_path, size):
    mask = blob((20, 24, 24))
    path, image = write_pair(tmp_path, "lesion", mask, (mask * 1000).astype(np.int16))
    from augmentor.data.images import load_images

    seen, _ = load_images([image], size)
    found = read_mask(path, image, size)
    assert found.shape == (size,) * 3
    assert (found == (seen[0, 0] > 0)).mean() > 0.999


def test_any_value_but_zero_is_lesion(tmp_path):
    mask = blob((16, 16)) * np.uint8(255)
    write_image(mask[None], tmp_path / "mask.png", None, "")
    write_image(mask[None], tmp_path / "image.png", None, "")
    assert (read_mask(str(tmp_path / "mask.png"), str(tmp_path / "image.png"), 16) == (mask > 0)).all()


def test_masks_that_cannot_be_used_are_named_all_at_once(tmp_path):
    good = write_pair(tmp_path, "good", blob((16, 16, 16)))
    empty = write_pair(tmp_path, "empty", np.zeros((16, 16, 16), bool))
    small = write_pair(tmp_path, "small", blob((12, 12, 12)), np.zeros((16, 16, 16), np.int16))
    other = write_pair(tmp_path, "other", blob((16, 16, 16)), spacing=(2.0, 1.0, 1.0))
    masks, images = zip(good, empty, small, other, strict=True)
    with pytest.raises(DataError) as told:
        load_mask_channels(set_of(tmp_path, list(masks), list(images)), 16)
    assert len(told.value.problems) == 3
    for problem, words in zip(told.value.problems, ("no pixel is set", "(12, 12, 12)", "(2.0, 1.0, 1.0)"), strict=True):
        assert words in problem
    assert load_mask_channels(set_of(tmp_path, [good[0]], [good[1]]), 16).shape == (1, 1, 16, 16, 16)


def test_a_lesion_without_a_mask_is_told_with_what_to_do(tmp_path):
    good = write_pair(tmp_path, "good", blob((16, 16, 16)))
    with pytest.raises(DataError, match=r"1 of 2 lesions have no mask .*--with-mask"):
        load_mask_channels(set_of(tmp_path, [good[0], ""], [good[1], good[1]]), 16)


def test_a_mask_of_which_nothing_is_left_is_told(tmp_path):
    speck = np.zeros((64, 64), bool)
    speck[20, 20] = True
    path, image = write_pair(tmp_path, "speck", speck)
    with pytest.raises(DataError, match="nothing of it is left at 16"):
        read_mask(path, image, 16)
