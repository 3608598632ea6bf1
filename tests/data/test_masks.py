from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.data.lesions import make_lesions
from augmentor.data.masks import (
    from_channel,
    load_mask_channels,
    read_mask,
    to_channel,
    without_masks,
    without_masks_in_fit,
)
from augmentor.data.writing import write_image
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
    from augmentor.data.squares import load_images

    seen, _ = load_images([image], size)
    found = read_mask(path, image, size)
    assert found.shape == (size,) * 3
    assert (found == (seen[0, 0] > 0)).mean() > 0.999


def test_any_value_but_zero_is_lesion(tmp_path):
    mask = blob((16, 16)) * np.uint8(255)
    write_image(mask[None], tmp_path / "mask.png", None, "")
    write_image(mask[None], tmp_path / "image.png", None, "")
    assert (read_mask(str(tmp_path / "mask.png"), str(tmp_path / "image.png"), 16) == (mask > 0)).all()


@pytest.mark.parametrize("name", ["mask.jpg", "mask.png", "mask.npy"])
def test_a_mask_of_greys_is_refused_with_their_number_and_what_to_do(tmp_path, name):
    """A JPEG, smoothed edges, a map of probabilities: whatever is above 0 in one is larger than the lesion."""
    soft = Image.fromarray(blob((32, 32)) * np.uint8(255))
    soft = soft if name.endswith("jpg") else soft.resize((64, 64), Image.Resampling.BICUBIC)
    if name.endswith("npy"):
        np.save(tmp_path / name, np.asarray(soft) / np.float32(255))
    else:
        soft.save(tmp_path / name)
    write_image(np.zeros((1, *soft.size), np.uint8), tmp_path / "image.png", None, "")
    with pytest.raises(DataError, match=r"mask\.\w+: holds \d+ values above 0, as a JPEG.*Cut it at half .* PNG"):
        read_mask(str(tmp_path / name), str(tmp_path / "image.png"), 16)


def test_a_mask_of_booleans_is_read(tmp_path):
    mask = blob((16, 16))
    np.save(tmp_path / "mask.npy", mask)
    write_image(np.zeros((1, 16, 16), np.uint8), tmp_path / "image.png", None, "")
    np.testing.assert_array_equal(read_mask(str(tmp_path / "mask.npy"), str(tmp_path / "image.png"), 16), mask)


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


def towards(image, axes):
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    return image.as_reoriented(turn)


def save_pair(folder, mask, image_axes, mask_axes, spacing=(1.0, 1.0, 1.0)):
    """An image that is its mask, 100 inside, and the mask, each stored with axes of its own."""
    affine = np.array([[spacing[0], 0, 0, -7], [0, spacing[1], 0, 3], [0, 0, spacing[2], 40], [0, 0, 0, 1]])
    nibabel.save(towards(nibabel.Nifti1Image((mask * 100).astype(np.int16), affine), image_axes), folder / "i.nii.gz")
    nibabel.save(towards(nibabel.Nifti1Image(mask.astype(np.uint8), affine), mask_axes), folder / "m.nii.gz")
    return str(folder / "m.nii.gz"), str(folder / "i.nii.gz")


def seen(image, size):
    from augmentor.data.squares import load_images

    return load_images([image], size)[0][0, 0] > 0


@pytest.mark.parametrize("mask_axes", ["RAS", "LPS", "LAS", "SAR"])
@pytest.mark.parametrize("image_axes", ["RAS", "LPS", "SRA"])
def test_a_mask_that_counts_another_way_than_its_image_is_turned(tmp_path, image_axes, mask_axes):
    path, image = save_pair(tmp_path, blob((20, 24, 18)), image_axes, mask_axes)
    np.testing.assert_array_equal(read_mask(path, image, 24), seen(image, 24))


@pytest.mark.parametrize("mask_axes", ["RAS", "LPS", "LAS", "ARS", "RSA"])
@pytest.mark.parametrize("thick", [1.0, 5.0])
def test_the_mask_of_an_image_is_turned_too(tmp_path, mask_axes, thick):
    path, image = save_pair(tmp_path, blob((20, 24))[..., None], "LPS", mask_axes, (1.0, 1.0, thick))
    np.testing.assert_array_equal(read_mask(path, image, 24), seen(image, 24))


@pytest.mark.parametrize("axes", ["LPS", "SAR"])
def test_a_mask_that_lies_nowhere_is_turned_with_its_image(tmp_path, axes):
    path, image = save_pair(tmp_path, blob((20, 24, 18)), axes, axes)
    np.save(tmp_path / "m.npy", np.asarray(nibabel.load(path).dataobj).T)
    np.testing.assert_array_equal(read_mask(str(tmp_path / "m.npy"), image, 24), seen(image, 24))


@pytest.mark.parametrize("moved", ["aside", "oblique"])
def test_a_mask_that_its_header_puts_elsewhere_is_refused_with_both_names(tmp_path, moved):
    path, image = save_pair(tmp_path, blob((20, 20, 20)), "RAS", "RAS")
    affine = nibabel.load(path).affine
    if moved == "aside":
        affine[0, 3] += 4
    else:
        affine[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    nibabel.save(nibabel.Nifti1Image(np.asarray(nibabel.load(path).dataobj), affine), tmp_path / "m.nii")
    with pytest.raises(DataError, match=r"m\.nii: mask and image \(i\.nii\.gz\) .* in different places"):
        read_mask(str(tmp_path / "m.nii"), image, 20)


@pytest.mark.parametrize("axes", ["RAS", "SAR"])
def test_a_mask_of_thick_sections_stays_one_lesion_on_its_image(tmp_path, axes):
    from scipy import ndimage

    mask = np.zeros((40, 40, 8), bool)
    mask[14:26, 14:26, 2:6] = True
    path, image = save_pair(tmp_path, mask, axes, "LPS", (0.7, 0.7, 5.0))
    found = read_mask(path, image, 57)
    assert ndimage.label(found)[1] == 1
    assert found.mean() * 40**3 == pytest.approx((12 * 0.7) ** 2 * 20, rel=0.05)  # mm3
    assert (found & seen(image, 57)).sum() / (found | seen(image, 57)).sum() > 0.9


@pytest.mark.parametrize("dtype", ["int16", "uint8"])
def test_a_mask_that_its_file_scales_is_read(tmp_path, dtype):
    mask = blob((16, 16, 16))
    path, image = save_pair(tmp_path, mask, "RAS", "RAS")
    header = nibabel.Nifti1Header()
    header.set_data_dtype(dtype)
    nibabel.save(nibabel.Nifti1Image(mask * 1.0 + 1e-7, nibabel.load(image).affine, header), path)
    np.testing.assert_array_equal(read_mask(path, image, 16), mask.T)


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


@pytest.mark.parametrize(("empty", "told"), [(1, "that cell"), (2, "these cells"), (3, "")])
def test_where_masks_are_named_but_for_some_the_cells_are_to_be_filled(tmp_path, empty, told):
    named = ["" if n < empty else "mask.png" for n in range(3)]
    lesions = replace(set_of(tmp_path, named, ["0.png", "1.png", "2.png"]), columns={"mask": "seg"})
    message = without_masks(lesions)
    assert f"{empty} of 3 lesions have no mask (for example 0.png)" in message
    assert (f"Fill in {told} of the column 'seg', leave the row" in message) == bool(told)
    assert ("Give a column `mask`, or fit without" in message) == (not told)


def test_test_lesions_need_no_mask_for_a_fit(tmp_path):
    lesions = set_of(tmp_path, ["", "mask.png", ""], ["0.png", "1.png", "2.png"])
    for split, told in ((["test", "", "test"], ""), (["test", "train", "val"], "1 of 2 lesions have no mask")):
        of_fit = without_masks_in_fit(replace(lesions, table=lesions.table.assign(split=split)))
        assert told in of_fit
        assert bool(of_fit) == bool(told)
