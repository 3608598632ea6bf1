import re

import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.data.formats import SUFFIX
from augmentor.data.images import read_image, read_stored
from augmentor.data.squares import load_images
from augmentor.data.writing import holds, write_image
from augmentor.errors import UsageError
from tests.data.made import same, texture


@pytest.mark.parametrize(("dtype", "name"), [("uint16", "lesion.png"), ("int16", "lesion.nii.gz"), ("int16", "l.npy")])
def test_sixteen_bits_survive_the_way_from_file_to_network_to_file(tmp_path, dtype, name):
    pixels = texture(dtype, shape=(16, 16))
    write_image(pixels, tmp_path / name, None, "")
    images, mapping = load_images([str(tmp_path / name)], 16)
    assert images.shape == (1, 1, 16, 16)
    write_image(mapping.from_network(images[0]), tmp_path / f"back_{name}", None, "")
    same(read_image(str(tmp_path / f"back_{name}")).pixels, pixels)


@pytest.mark.parametrize("suffix", [".npy", ".nii.gz"])
def test_a_volume_comes_back_with_its_sections_first(tmp_path, suffix):
    pixels = texture("int16", shape=(5, 12, 20))
    write_image(pixels, tmp_path / f"lesion{suffix}", (3.0, 0.5, 0.75), "note")
    found = read_stored(str(tmp_path / f"lesion{suffix}"))
    same(found.pixels, pixels)
    assert found.dims == 3
    assert found.spacing_mm == ((3.0, 0.5, 0.75) if suffix == ".nii.gz" else None)


def test_a_nifti_volume_has_its_spacing_in_the_affine_and_says_millimetres(tmp_path):
    write_image(texture("int16", shape=(5, 12, 20)), tmp_path / "lesion.nii.gz", (3.0, 0.5, 0.75), "note")
    file = nibabel.load(tmp_path / "lesion.nii.gz")
    assert file.shape == (20, 12, 5)
    np.testing.assert_allclose(file.affine, np.diag([0.75, 0.5, 3.0, 1.0]))
    np.testing.assert_allclose(file.get_qform(), file.get_sform())
    assert file.header.get_xyzt_units()[0] == "mm"


def test_an_image_is_written_as_extract_cuts_it_columns_to_the_left_and_rows_to_the_back(tmp_path):
    write_image(texture("int16"), tmp_path / "lesion.nii.gz", (0.5, 0.75), "note")
    file = nibabel.load(tmp_path / "lesion.nii.gz")
    np.testing.assert_allclose(file.affine, np.diag([-0.75, -0.5, 1.0, 1.0]))
    np.testing.assert_allclose(file.get_qform(), file.get_sform())


def test_a_volume_is_no_png(tmp_path):
    with pytest.raises(UsageError, match="--format nifti"):
        write_image(texture("uint8", shape=(5, 12, 20)), tmp_path / "lesion.png", None, "note")


HELD = {
    ".png": ["uint8", "uint16"],
    ".npy": ["uint8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64"],
    ".nii.gz": ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"],
}
HELD_IN_COLOUR = {".png": ["uint8"], ".npy": HELD[".npy"], ".nii.gz": []}
REFUSED = {".png": ["int16", "int64", "float32"], ".npy": [], ".nii.gz": ["int64", "uint64", "float16", "bool"]}
REFUSED_IN_COLOUR = {".png": ["uint16", "float32"], ".npy": [], ".nii.gz": ["uint8", "int16"]}


def pairs(*tables):
    return [
        (suffix, dtype, c)
        for c, table in zip((1, 3), tables, strict=True)
        for suffix in table
        for dtype in table[suffix]
    ]


@pytest.mark.parametrize(("suffix", "dtype", "channels"), pairs(HELD, HELD_IN_COLOUR))
def test_what_is_written_is_read_back(tmp_path, suffix, dtype, channels):
    pixels = (texture("float64", channels) % 100).astype(dtype)
    file = tmp_path / f"lesion{suffix}"
    write_image(pixels, file, (0.5, 0.75), "note")
    found = read_image(str(file))
    same(found.pixels, pixels)
    assert found.spacing_mm == ((0.5, 0.75) if suffix == ".nii.gz" else None)


@pytest.mark.parametrize(
    ("suffix", "dtype", "channels"), [*pairs(REFUSED, REFUSED_IN_COLOUR), (".jpg", "uint8", 1), (".tif", "uint16", 1)]
)
def test_what_a_format_cannot_hold_is_refused_and_leaves_no_file(tmp_path, suffix, dtype, channels):
    pixels = (texture("float64", channels) % 100).astype(dtype)
    with pytest.raises(UsageError, match="--format"):
        write_image(pixels, tmp_path / f"lesion{suffix}", None, "note")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "dtype", "channels"), pairs(REFUSED, REFUSED_IN_COLOUR))
@pytest.mark.parametrize("volume", [False, True])
def test_a_refusal_names_file_values_and_every_format_that_holds_them(tmp_path, suffix, dtype, channels, volume):
    pixels = np.ones((channels, *(4,) * volume, 16, 16), dtype)
    with pytest.raises(UsageError) as told:
        write_image(pixels, tmp_path / f"lesion{suffix}", None, "note")
    assert str(told.value).startswith(f"lesion{suffix}: ")
    kind = "a volume" if volume else "an image"
    assert f"not {kind} with {channels} channel{'s' if channels == 3 else ''} of {dtype}. " in str(told.value)
    others = re.findall(r"--format (\w+)", str(told.value))
    assert others == [form for form in SUFFIX if holds(form, pixels.shape, dtype)]
    assert others


def test_the_file_itself_says_that_it_is_synthetic(tmp_path):
    note = "SYNTHETIC lesion by augmentor, seed 7, " + "and so on " * 10
    for form in ("png", "nifti"):
        write_image(texture("uint8"), tmp_path / f"{form}{SUFFIX[form]}", None, note)
    assert Image.open(tmp_path / "png.png").text["Description"] == note
    assert nibabel.load(tmp_path / "nifti.nii.gz").header["descrip"].item().decode() == note[:79]


@pytest.mark.parametrize("form", ["png", "npy", "nifti"])
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16), (1, 4, 16, 16), (3, 4, 16, 16)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float32"])
def test_a_format_holds_what_can_be_written_in_it(tmp_path, form, shape, dtype):
    try:
        write_image(np.ones(shape, dtype), tmp_path / f"lesion{SUFFIX[form]}", None, "note")
        written = True
    except UsageError:
        written = False
    assert holds(form, shape, dtype) is written
