import os
import struct
import zlib

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from augmentor.data.images import (
    SUFFIX,
    Intensity,
    file_format,
    file_name,
    intensity_of,
    is_image,
    load_images,
    read_image,
    read_stored,
    slope_intercept,
    storage,
    to_square,
    write_image,
)
from augmentor.data.secondary_capture import write_secondary_capture
from augmentor.errors import DataError, UsageError
from tests.scan_sets import dicom_image, save_dicom, write_series

RANGES = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-1024, 3071), "int32": (-(2**31), 2**31 - 1)}


def texture(dtype, channels=1, shape=(12, 20)):
    """(C, H, W) noise over the whole range of an integer dtype (int16: Hounsfield units), or around -3 in floats."""
    rng = np.random.default_rng(0)
    if dtype not in RANGES:
        return rng.normal(-3, 40, (channels, *shape)).astype(dtype)
    low, high = RANGES[dtype]
    pixels = rng.integers(low, high, (channels, *shape), endpoint=True).astype(dtype)
    pixels.flat[:2] = low, high
    return pixels


def save_picture(file, pixels):
    Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(file)


def save_nifti(file, array, zooms=None):
    image = nibabel.Nifti1Image(array, np.eye(4))
    if zooms:
        image.header.set_zooms(zooms)
    nibabel.save(image, file)


def same(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


# Files to arrays


@pytest.mark.parametrize(
    ("name", "dtype", "channels"),
    [
        *[("grey.png", "uint8", 1), ("grey16.png", "uint16", 1), ("colour.png", "uint8", 3), ("grey.bmp", "uint8", 1)],
        *[("grey.tif", "uint8", 1), ("grey16.tiff", "uint16", 1), ("colour.tif", "uint8", 3)],
        *[("whole.tif", "int32", 1), ("real.tif", "float32", 1), ("UPPER.PNG", "uint8", 1)],
    ],
)
def test_a_picture_is_read_as_it_is(tmp_path, name, dtype, channels):
    pixels = texture(dtype, channels)
    save_picture(tmp_path / name, pixels)
    same(read_image(str(tmp_path / name)).pixels, pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_read_but_for_its_losses(tmp_path, channels):
    ramp = np.broadcast_to(np.linspace(20, 220, 20), (channels, 12, 20)).astype(np.uint8)
    save_picture(tmp_path / "lesion.jpg", ramp)
    found = read_image(str(tmp_path / "lesion.jpg")).pixels
    assert found.shape == ramp.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - ramp).max() < 8


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "1"])
def test_transparency_and_palettes_are_resolved(tmp_path, mode):
    Image.fromarray(texture("uint8")[0]).convert(mode).save(tmp_path / "lesion.png")
    pixels = read_image(str(tmp_path / "lesion.png")).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3 if mode == "RGBA" else 1, 12, 20)


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


UPRIGHT = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("name", ["lesion.jpg", "lesion.tif", "lesion.png"])
def test_a_picture_is_turned_as_its_exif_says(tmp_path, name, orientation):
    stored = np.arange(240, dtype=np.uint8).reshape(12, 20)
    Image.fromarray(stored).save(tmp_path / name, exif=with_orientation(orientation))
    found = read_image(str(tmp_path / name)).pixels[0]
    upright = UPRIGHT[orientation](stored)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() < 8


@pytest.mark.parametrize("mode", ["P", "I;16", "RGB"])
def test_a_turned_picture_keeps_its_greys_and_colours(tmp_path, mode):
    picture = Image.fromarray(texture("uint16" if mode == "I;16" else "uint8")[0])
    picture = picture if mode == "I;16" else picture.convert(mode)
    picture.save(tmp_path / "as-it-is.png")
    picture.save(tmp_path / "turned.png", exif=with_orientation(6))
    as_it_is, turned = (read_image(str(tmp_path / f"{name}.png")).pixels for name in ("as-it-is", "turned"))
    same(turned, np.rot90(as_it_is, -1, axes=(1, 2)))


def write_deep_png(file, colour, pixels):
    """A PNG of 16 bits a channel, which Pillow does not write. colour: 2 RGB, 4 grey and 6 RGB with transparency."""
    height, width, _ = pixels.shape

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    assert Image.open(file).size == (width, height)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_sixteen_bits_are_refused_and_not_cut_to_eight(tmp_path, colour, channels):
    write_deep_png(tmp_path / "a.png", colour, np.full((8, 8, channels), 3999))
    with pytest.raises(DataError, match=r"a\.png: .*16 bits.*npy"):
        read_image(str(tmp_path / "a.png"))


def test_a_tiff_in_colour_of_sixteen_bits_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 8, 3), 3999, np.uint16), photometric="rgb")
    with pytest.raises(DataError, match=r"a\.tif: "):
        read_image(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_a_tiff_keeps_its_numbers(tmp_path, dtype, compression):
    pixels = np.linspace(*(np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype != "float32" else (-1, 1), 64)
    pixels = pixels.reshape(8, 8).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=compression, photometric="minisblack")
    read = read_image(str(tmp_path / "a.tif")).pixels
    assert read.shape == (1, 8, 8)
    np.testing.assert_array_equal(read[0].astype(np.float64), pixels.astype(np.float64))


@pytest.mark.parametrize("damaged", [b"", b"II*\0\xff\xff\xff\xff", b"no header", b"MM\0*\0\0\0\x08\xff\xff\x01\x12"])
def test_a_picture_with_damaged_exif_is_read_as_it_is(tmp_path, damaged):
    stored = texture("uint8")[0]
    Image.fromarray(stored).save(tmp_path / "plain.jpg")
    Image.fromarray(stored).save(tmp_path / "odd.jpg", exif=b"Exif\0\0" + damaged)
    same(*(read_image(str(tmp_path / name)).pixels for name in ("odd.jpg", "plain.jpg")))


def test_odd_exif_beside_the_orientation_does_no_harm(tmp_path):
    width, orientation = struct.pack(">HHIf", 0x0100, 11, 1, 1.5), struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + width + orientation + bytes(4)
    stored = np.arange(240, dtype=np.uint8).reshape(12, 20)
    Image.fromarray(stored).save(tmp_path / "lesion.jpg", exif=exif)
    found = read_image(str(tmp_path / "lesion.jpg")).pixels[0]
    assert np.abs(found.astype(int) - np.rot90(stored, -1)).max() < 8


def test_a_palette_of_colours_is_colour(tmp_path):
    colours = texture("uint8", 3)
    Image.fromarray(np.moveaxis(colours, 0, -1)).convert("P").save(tmp_path / "lesion.png")
    assert read_image(str(tmp_path / "lesion.png")).pixels.shape == (3, 12, 20)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
@pytest.mark.parametrize(
    ("channels", "stored"),
    [
        (1, lambda p: p[0]),
        (1, lambda p: p),
        (1, lambda p: p[0, ..., None]),
        (3, lambda p: p),
        (3, lambda p: p.transpose(1, 2, 0)),
    ],
)
def test_an_npy_may_have_its_channels_on_either_side(tmp_path, dtype, channels, stored):
    pixels = texture(dtype, channels)
    np.save(tmp_path / "lesion.npy", stored(pixels))
    same(read_image(str(tmp_path / "lesion.npy")).pixels, pixels)


@pytest.mark.parametrize("name", ["lesion.nii", "lesion.nii.gz"])
@pytest.mark.parametrize("extra", [(), (None,), (None, None)])
def test_a_nifti_slice_is_read_upright(tmp_path, name, extra):
    pixels = texture("int16")
    save_nifti(tmp_path / name, pixels[0].T[(..., *extra)])
    same(read_image(str(tmp_path / name)).pixels, pixels)


def test_a_nifti_with_a_slope_gives_scaled_values(tmp_path):
    pixels = texture("int16")
    image = nibabel.Nifti1Image(pixels[0].T.astype(np.float32) * 0.5 - 7, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "lesion.nii")
    found = read_image(str(tmp_path / "lesion.nii")).pixels
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pixels * 0.5 - 7, atol=0.05)


@pytest.mark.parametrize("flat", [0, 1, 2])
def test_spacing_is_that_of_the_plane_whichever_way_the_slice_was_cut(tmp_path, flat):
    zooms = [2.0, 3.0]
    zooms.insert(flat, 5.0)
    save_nifti(tmp_path / "lesion.nii", np.expand_dims(texture("int16")[0], flat), zooms)
    assert read_image(str(tmp_path / "lesion.nii")).spacing_mm == (3.0, 2.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_a_dicom_image_is_read_upright_in_its_units(tmp_path, dtype):
    pixels = texture(dtype)[0]
    tags = {"PixelSpacing": [0.5, 0.75], "RescaleSlope": 2, "RescaleIntercept": -10}
    file = save_dicom(dicom_image(pixels, **tags), tmp_path / "lesion.dcm")
    image = read_image(str(file))
    assert image.spacing_mm == (0.5, 0.75)
    same(image.pixels, (pixels[None] * 2.0 - 10).astype(np.float32))
    assert read_image(str(save_dicom(dicom_image(pixels), file))).spacing_mm is None
    same(read_image(str(file)).pixels, pixels[None])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_a_dicom_image_where_bright_means_little_is_turned_over_and_keeps_its_dtype(tmp_path, dtype):
    pixels = texture(dtype)
    tags = {"PhotometricInterpretation": "MONOCHROME1", "Modality": "MG"}
    found = read_image(str(save_dicom(dicom_image(pixels[0], **tags), tmp_path / "lesion.dcm"))).pixels
    same(found, (255 if dtype == "uint8" else 65535 if dtype == "uint16" else -1) - pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_that_was_written_as_dicom_is_read_back(tmp_path, channels):
    pytest.importorskip("highdicom", reason="the extra `dicom` is not installed")
    pixels = texture("uint8", channels)
    write_secondary_capture(pixels, tmp_path / "lesion.dcm", (0.5, 0.75), "SYNTHETIC")
    image = read_image(str(tmp_path / "lesion.dcm"))
    assert image.spacing_mm == (0.5, 0.75)
    same(image.pixels, pixels)


def test_a_volume_that_was_written_as_dicom_is_read_back(tmp_path):
    pytest.importorskip("highdicom", reason="the extra `dicom` is not installed")
    pixels = texture("uint16", shape=(5, 12, 20))
    write_secondary_capture(pixels, tmp_path / "lesion", (3.0, 0.5, 0.75), "SYNTHETIC")
    image = read_stored(str(tmp_path / "lesion"))
    assert image.spacing_mm == pytest.approx((3.0, 0.5, 0.75))
    same(image.pixels, pixels)


@pytest.mark.parametrize("name", ["set.npz", "SET.NPZ"])
@pytest.mark.parametrize("shape", [(4, 12, 20), (4, 12, 20, 3)])
def test_a_row_of_an_npz_is_an_image(tmp_path, name, shape):
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with (tmp_path / name).open("wb") as file:
        np.savez(file, train_images=images)
    found = read_image(f"{tmp_path / name}#train_images/2").pixels
    same(found, images[2][None] if len(shape) == 3 else images[2].transpose(2, 0, 1))


def test_foreign_byte_order_becomes_native(tmp_path):
    pixels = texture("uint16")
    Image.frombytes("I;16B", (20, 12), pixels.astype(">u2").tobytes()).save(tmp_path / "lesion.tif")
    np.save(tmp_path / "lesion.npy", pixels.astype(">u2"))
    same(read_image(str(tmp_path / "lesion.tif")).pixels, pixels)
    same(read_image(str(tmp_path / "lesion.npy")).pixels, pixels)


def test_what_counts_as_an_image_and_how_it_is_written_back(tmp_path):
    names = ["a.PNG", "a.jpg", "a.jpeg", "a.tif", "a.npy", "a.nii", "a.nii.gz", "a.bmp", "a.dcm", "a.DICOM"]
    assert all(is_image(tmp_path / name) for name in names)
    assert not any(is_image(tmp_path / name) for name in ("a.txt", "a.csv", "png", "a.npz"))
    assert [file_format(n) for n in names] == ["png"] * 4 + ["npy", "nifti", "nifti", "png", "dicom", "dicom"]
    assert [file_format(n, dims=3) for n in ("a.npz#train_images/0", "a.npy", "a.nii")] == ["nifti", "npy", "nifti"]


# Files that are none


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def with_hole(value):
    pixels = texture("float32")
    pixels[0, 3, 4] = value
    return pixels


BAD_FILES = {
    "text.png": lambda f: f.write_text("no image"),
    "text.dcm": lambda f: f.write_text("no image"),
    "short.dcm": lambda f: (save_dicom(dicom_image(texture("int16")[0]), f), truncate(f)),
    "slope.dcm": lambda f: save_dicom(dicom_image(texture("int16")[0], RescaleSlope=0), f),
    "nan.dcm": lambda f: save_dicom(dicom_image(texture("int16")[0], RescaleSlope=1e39), f),
    "empty.png": lambda f: f.write_bytes(b""),
    "short.png": lambda f: (save_picture(f, texture("uint8")), truncate(f)),
    "short.nii.gz": lambda f: (save_nifti(f, texture("int16")[0]), truncate(f)),
    "folder.png": lambda f: f.mkdir(),
    "nan.nii.gz": lambda f: save_nifti(f, with_hole(np.nan)[0]),
    "infinite.npy": lambda f: np.save(f, with_hole(np.inf)),
    "nan.tif": lambda f: save_picture(f, with_hole(np.nan)),
    "volumes.npy": lambda f: np.save(f, np.zeros((4, 5, 6, 7))),
    "times.nii": lambda f: save_nifti(f, np.zeros((5, 6, 7, 4), np.int16)),
    "stack.tif": lambda f: Image.new("L", (5, 5)).save(f, save_all=True, append_images=[Image.new("L", (5, 5))]),
    "words.npy": lambda f: np.save(f, np.array([["a", "b"]])),
    "objects.npy": lambda f: np.save(f, np.array([[None, 1]]), allow_pickle=True),
    "complex.npy": lambda f: np.save(f, np.ones((4, 4), complex)),
    "nothing.npy": lambda f: np.save(f, np.ones((0, 4))),
    "colours.nii": lambda f: save_nifti(f, np.zeros((5, 6, 1), [("R", "u1"), ("G", "u1"), ("B", "u1")])),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_lesion_image_is_named(tmp_path, name):
    BAD_FILES[name](tmp_path / name)
    with pytest.raises(DataError) as told:
        read_image(str(tmp_path / name))
    assert str(tmp_path / name) in str(told.value)


@pytest.mark.parametrize("row", ["#train_images/9", "#other/0"])
def test_an_npz_row_that_is_not_there_is_named(tmp_path, row):
    np.savez(tmp_path / "set.npz", train_images=np.zeros((4, 8, 8), np.uint8))
    with pytest.raises(DataError, match=row):
        read_image(f"{tmp_path / 'set.npz'}{row}")


@pytest.mark.parametrize("name", ["gone.png", "gone.npz#train_images/0"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=r"gone\.(png|npz)"):
        read_image(str(tmp_path / name))


# Intensities


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
def test_intensities_go_to_the_network_and_back(dtype, channels):
    pixels = texture(dtype, channels)
    mapping = intensity_of(pixels.min(), pixels.max(), pixels.dtype)
    seen = mapping.to_network(pixels)
    assert seen.dtype == np.float32
    assert (seen.min(), seen.max()) == (-1, 1)
    back = mapping.from_network(seen)
    assert back.dtype == pixels.dtype
    np.testing.assert_allclose(back, pixels, atol=0 if pixels.dtype.kind in "iu" else 1e-4)


def test_large_integers_keep_their_sign_and_ends():
    pixels = texture("int32")
    mapping = intensity_of(pixels.min(), pixels.max(), pixels.dtype)
    back = mapping.from_network(mapping.to_network(pixels))
    assert (back.min(), back.max()) == RANGES["int32"]
    assert np.abs(back.astype(np.int64) - pixels).max() <= 2**8  # float32 has 24 bits


@pytest.mark.parametrize(("dtype", "name"), [("uint16", "lesion.png"), ("int16", "lesion.nii.gz"), ("int16", "l.npy")])
def test_sixteen_bits_survive_the_way_from_file_to_network_to_file(tmp_path, dtype, name):
    pixels = texture(dtype, shape=(16, 16))
    write_image(pixels, tmp_path / name, None, "")
    images, mapping = load_images([str(tmp_path / name)], 16)
    assert images.shape == (1, 1, 16, 16)
    write_image(mapping.from_network(images[0]), tmp_path / f"back_{name}", None, "")
    same(read_image(str(tmp_path / f"back_{name}")).pixels, pixels)


def test_the_range_is_that_of_the_whole_set_and_eight_bits_keep_their_own():
    assert intensity_of(-5, 7, np.dtype(np.int16)) == Intensity(-5, 7, "int16")
    assert intensity_of(90, 100, np.dtype(np.uint8)) == Intensity(0, 255, "uint8")


def test_other_images_are_seen_in_the_training_sets_range_and_clipped_to_it(tmp_path):
    np.save(tmp_path / "train.npy", np.int16([[0, 100], [50, 50]]))
    np.save(tmp_path / "other.npy", np.int16([[-50, 200], [25, 75]]))
    _, mapping = load_images([str(tmp_path / "train.npy")], 2)
    images, same_mapping = load_images([str(tmp_path / "other.npy")], 2, mapping)
    assert same_mapping == mapping
    np.testing.assert_allclose(images[0, 0], [[-1, 1], [-0.5, 0.5]])


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_an_even_set_comes_back(value):
    pixels = np.full((1, 4, 4), value, np.float32)
    mapping = intensity_of(pixels.min(), pixels.max(), pixels.dtype)
    np.testing.assert_array_equal(mapping.from_network(mapping.to_network(pixels)), pixels)


def test_a_range_of_tiny_values_is_spread_like_any_other():
    pixels = texture("float64") * 1e-9
    mapping = intensity_of(pixels.min(), pixels.max(), pixels.dtype)
    assert mapping.to_network(pixels).max() == 1
    stored = storage(mapping, "png")
    slope, intercept = slope_intercept(mapping, stored)
    back = stored.from_network(mapping.to_network(pixels)) * slope + intercept
    np.testing.assert_allclose(back, pixels, atol=slope)


def test_dicom_holds_whole_numbers_from_the_lowest_on_and_spreads_others():
    assert storage(Intensity(-1024, 3071, "int16"), "dicom") == Intensity(0, 4095, "uint16")
    assert storage(Intensity(-1e6, 1e6, "int32"), "dicom") == Intensity(0, 65535, "uint16")
    assert storage(Intensity(0.0, 1.5, "float32"), "dicom") == Intensity(0, 65535, "uint16")
    assert storage(Intensity(0, 255, "uint8"), "dicom") == Intensity(0, 255, "uint8")


# Volumes


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


def save_towards(file, array, spacing, axes):
    """A NIfTI volume of (I, J, K) voxels that lie towards R, A, S, stored with axes that count towards `axes`."""
    image = nibabel.Nifti1Image(array, np.diag([*spacing, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    nibabel.save(image.as_reoriented(turn), file)
    return str(file)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "SAR", "PIR"])
def test_a_nifti_volume_is_turned_to_the_patients_axes(tmp_path, axes):
    array = texture("int16", shape=(5, 12, 20))[0]
    found = read_image(save_towards(tmp_path / "lesion.nii.gz", array, (0.8, 0.8, 0.8), axes))
    same(found.pixels, array.T[None])
    assert found.spacing_mm == pytest.approx((0.8,) * 3)


def test_a_dicom_volume_is_turned_to_the_patients_axes(tmp_path):
    array = texture("int16", shape=(5, 12, 20))[0]
    write_series(tmp_path / "lesion", array, np.diag([0.8, 0.8, 0.8, 1]))  # to the left, to the back, to the head
    same(read_image(str(tmp_path / "lesion")).pixels, array[::-1, ::-1].T[None])


def test_spacing_is_turned_with_the_axes(tmp_path):
    file = save_towards(tmp_path / "lesion.nii.gz", np.zeros((20, 12, 10), np.int16), (0.5, 0.75, 1.0), "SAR")
    assert read_stored(file).spacing_mm == (0.5, 0.75, 1.0)  # of the axes towards R, A and S
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 7, 8), np.int16), np.diag([-1.004, 1, 1, 1])), tmp_path / "b.nii")
    assert read_image(str(tmp_path / "b.nii")).spacing_mm == pytest.approx((1, 1, 1.004))


def test_a_volume_that_does_not_say_where_it_lies_stays_as_it_is(tmp_path):
    array = texture("int16", shape=(5, 12, 20))[0]
    nibabel.save(nibabel.Nifti1Image(array, None), tmp_path / "unsaid.nii")
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / "nowhere.nii")
    content = bytearray((tmp_path / "nowhere.nii").read_bytes())
    content[280:312] = bytes(32)  # srow_x and srow_y of a header that claims a place
    (tmp_path / "nowhere.nii").write_bytes(content)
    for name in ("unsaid.nii", "nowhere.nii"):
        same(read_image(str(tmp_path / name)).pixels, array.T[None])


@pytest.mark.parametrize(("unit", "factor"), [("meter", 0.001), ("micron", 1000.0), ("mm", 1.0), ("unknown", 1.0)])
def test_spacing_is_in_millimetres_whatever_the_headers_unit(tmp_path, unit, factor):
    for shape in ((6, 7, 8), (6, 7)):
        image = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.diag([0.8 * factor] * 3 + [1]))
        image.header.set_xyzt_units(unit)
        nibabel.save(image, tmp_path / "lesion.nii")
        assert read_image(str(tmp_path / "lesion.nii")).spacing_mm == pytest.approx((0.8,) * len(shape))


def thick(shape=(40, 40, 8), spacing=(0.7, 0.7, 5.0)):
    """A ball of 8 mm in thick sections, (I, J, K) float32."""
    axes = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    return (100 * (sum(a**2 for a in axes) < 8**2)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("axes", ["RAS", "SAR"])
def test_thick_sections_become_cubes_before_they_are_squared(tmp_path, dtype, axes):
    from scipy import ndimage

    file = save_towards(tmp_path / "lesion.nii.gz", thick().astype(dtype), (0.7, 0.7, 5.0), axes)
    image = read_image(file)
    assert image.pixels.dtype == dtype
    assert image.pixels.shape == (1, 57, 40, 40)
    assert max(image.pixels.shape) * image.spacing_mm[0] == pytest.approx(40)
    assert image.spacing_mm == pytest.approx((0.7,) * 3, rel=0.01)
    same(image.pixels[:, 25, :, :], thick().astype(dtype)[None, :, :, 3].transpose(0, 2, 1))  # the centre of a section
    square = to_square(image.pixels, 57)[0]
    assert ndimage.label(square > 50)[1] == 1
    spans = [np.ptp(np.flatnonzero((square > 50).any(axis=tuple({0, 1, 2} - {a})))) * 0.7 for a in range(3)]
    assert spans == pytest.approx([20, 15, 15], abs=2)  # four sections of 5 mm


def test_a_header_of_absurd_sections_does_not_fill_the_memory(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 7, 8), np.int16), np.diag([1e-3, 1e-3, 50, 1])), tmp_path / "a.nii")
    assert max(read_image(str(tmp_path / "a.nii")).pixels.shape) == 512


def test_even_voxels_and_images_reach_the_network_as_they_are_stored(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape, affine in (
        ("cubes", (20, 24, 18), np.diag([0.8123, 0.8123, 0.8123, 1])),
        ("nowhere", (20, 24, 18), None),
        ("image", (20, 24), np.diag([-0.7, -1.9, 5, 1])),
    ):
        array = rng.normal(0, 100, shape).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / f"{name}.nii.gz")
        same(read_image(str(tmp_path / f"{name}.nii.gz")).pixels, array.T[None])
        seen, mapping = load_images([str(tmp_path / f"{name}.nii.gz")], 16)
        same(seen[0], mapping.to_network(to_square(array.T[None], 16)))


def test_an_image_is_written_as_extract_cuts_it_columns_to_the_left_and_rows_to_the_back(tmp_path):
    write_image(texture("int16"), tmp_path / "lesion.nii.gz", (0.5, 0.75), "note")
    file = nibabel.load(tmp_path / "lesion.nii.gz")
    np.testing.assert_allclose(file.affine, np.diag([-0.75, -0.5, 1.0, 1.0]))
    np.testing.assert_allclose(file.get_qform(), file.get_sform())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_an_npy_volume_may_have_its_channels_on_either_side(tmp_path, channels, last):
    pixels = texture("uint8", channels, (5, 12, 20))
    np.save(tmp_path / "lesion.npy", np.moveaxis(pixels, 0, -1) if last else pixels)
    same(read_image(str(tmp_path / "lesion.npy")).pixels, pixels)


def test_a_volume_is_no_png(tmp_path):
    with pytest.raises(UsageError, match="--format nifti"):
        write_image(texture("uint8", shape=(5, 12, 20)), tmp_path / "lesion.png", None, "note")


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


# To the network's size


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
    told = []
    images, _ = load_images([str(tmp_path / f"{n}.png") for n in "abc"], 16, None, lambda *done: told.append(done))
    assert images.shape == (3, 3, 16, 16)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    assert told == [(1, 3), (2, 3), (3, 3)]


# Arrays to files

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


def test_the_file_itself_says_that_it_is_synthetic(tmp_path):
    note = "SYNTHETIC lesion by augmentor, seed 7, " + "and so on " * 10
    for form in ("png", "nifti"):
        write_image(texture("uint8"), tmp_path / f"{form}{SUFFIX[form]}", None, note)
    assert Image.open(tmp_path / "png.png").text["Description"] == note
    assert nibabel.load(tmp_path / "nifti.nii.gz").header["descrip"].item().decode() == note[:79]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_a_png_of_other_values_leads_back_to_them_within_half_a_step(tmp_path, dtype):
    pixels = np.clip(texture(dtype), -1024, 3071)
    mapping = intensity_of(pixels.min(), pixels.max(), pixels.dtype)
    stored = storage(mapping, "png")
    assert stored == Intensity(0, 65535, "uint16")
    write_image(stored.from_network(mapping.to_network(pixels)), tmp_path / "lesion.png", None, "")
    slope, intercept = slope_intercept(mapping, stored)
    back = read_image(str(tmp_path / "lesion.png")).pixels * slope + intercept
    assert np.abs(back - pixels).max() <= slope / 2 * 1.02  # float32 in the network adds a little


@pytest.mark.parametrize(
    ("dtype", "form"), [("uint8", "png"), ("uint16", "png"), ("int16", "nifti"), ("float32", "npy")]
)
def test_values_that_a_format_holds_are_stored_as_they_are(dtype, form):
    mapping = intensity_of(texture(dtype).min(), texture(dtype).max(), texture(dtype).dtype)
    assert storage(mapping, form) == mapping
    assert slope_intercept(mapping, mapping) == (1, 0)


def test_class_names_become_folder_names_that_stay_apart():
    assert file_name("cyst 1") == "cyst 1"
    assert file_name("grade 1.5") == "grade 1.5"
    names = [file_name(text) for text in ("mal/ign", "mal:ign", "../x", "..", "a\\b", "")]
    assert len(set(names)) == len(names)
    assert len(file_name("\u65e5" * 300).encode()) < 80
    assert file_name("a" * 300) != file_name("a" * 301)
    assert not [n for n in names if not n or "/" in n or "\\" in n or ":" in n or n.startswith(".")]


@pytest.mark.parametrize("name", ["manifest.csv", "Datalist.JSON", "con", "NUL.x", "Lpt1"])
def test_a_class_takes_no_name_of_a_table_and_none_that_windows_keeps_for_itself(name):
    assert file_name(name).startswith(f"{name}-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: is no file"):
        read_image(str(tmp_path / "pipe.png"))
