import os
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from augmentor.data.images import file_of, read_image, read_stored
from augmentor.data.secondary_capture import write_secondary_capture
from augmentor.errors import DataError
from augmentor.extraction.volumes import read_volume
from tests.data.made import same, save_nifti, save_picture, texture
from tests.scan_sets import dicom_image, save_dicom


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


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_whose_zero_is_white_is_turned_over_at_any_depth(tmp_path, dtype, compression):
    stored = np.linspace(0, np.iinfo(dtype).max, 64).reshape(8, 8).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, compression=compression, photometric="miniswhite")
    same(read_image(str(tmp_path / "a.tif")).pixels[0], np.iinfo(dtype).max - stored)


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


def test_an_npz_that_was_written_again_is_read_again(tmp_path):
    for seed in (0, 1):
        images = np.random.default_rng(seed).integers(0, 256, (4, 12, 20)).astype(np.uint8)
        np.savez(tmp_path / "set.npz", train_images=images)
        os.utime(tmp_path / "set.npz", (seed, seed))
        same(read_image(f"{tmp_path / 'set.npz'}#train_images/2").pixels, images[2][None])


def test_foreign_byte_order_becomes_native(tmp_path):
    pixels = texture("uint16")
    Image.frombytes("I;16B", (20, 12), pixels.astype(">u2").tobytes()).save(tmp_path / "lesion.tif")
    np.save(tmp_path / "lesion.npy", pixels.astype(">u2"))
    same(read_image(str(tmp_path / "lesion.tif")).pixels, pixels)
    same(read_image(str(tmp_path / "lesion.npy")).pixels, pixels)


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


@pytest.mark.parametrize(("unit", "factor"), [("meter", 0.001), ("micron", 1000.0), ("mm", 1.0), ("unknown", 1.0)])
def test_spacing_is_in_millimetres_whatever_the_headers_unit(tmp_path, unit, factor):
    for shape in ((6, 7, 8), (6, 7)):
        image = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.diag([0.8 * factor] * 3 + [1]))
        image.header.set_xyzt_units(unit)
        nibabel.save(image, tmp_path / "lesion.nii")
        assert read_image(str(tmp_path / "lesion.nii")).spacing_mm == pytest.approx((0.8,) * len(shape))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_an_npy_volume_may_have_its_channels_on_either_side(tmp_path, channels, last):
    pixels = texture("uint8", channels, (5, 12, 20))
    np.save(tmp_path / "lesion.npy", np.moveaxis(pixels, 0, -1) if last else pixels)
    same(read_image(str(tmp_path / "lesion.npy")).pixels, pixels)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: is no file"):
        read_image(str(tmp_path / "pipe.png"))


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/a/set.npz#train_images/3", "/a/set.npz"),
        ("/a/SET.NPZ#x/0", "/a/SET.NPZ"),
        ("/a/1#2/3.png", "/a/1#2/3.png"),
        ("/a/series", "/a/series"),
    ],
)
def test_the_file_of_an_image_is_the_archive_where_it_is_a_row_of_one(path, file):
    assert file_of(path) == Path(file)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("unit", ["mm", "micron"])
def test_a_nifti_whose_headers_disagree_is_as_large_as_in_its_extraction_and_is_doubted(tmp_path, flat, unit):
    image = nibabel.Nifti1Image(np.zeros((6, 7, 1 if flat else 8), np.int16), None)
    image.header.set_xyzt_units(unit)
    factor = 1000 if unit == "micron" else 1
    image.set_qform(np.diag([0.5 * factor, 0.5 * factor, 3 * factor, 1]), code=1)
    image.set_sform(np.diag([factor, factor, 2 * factor, 1]), code=1)
    nibabel.save(image, tmp_path / "lesion.nii")
    found, scan = read_stored(str(tmp_path / "lesion.nii")), read_volume([tmp_path / "lesion.nii"])
    assert found.spacing_mm[::-1] == pytest.approx(scan.grid.spacing[: 2 if flat else 3])
    assert found.spacing_mm[-1] == pytest.approx(1)
    assert found.notes == scan.notes
    assert "two orientations disagree" in found.notes[0]


def test_without_a_place_the_spacing_is_pixdims(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((6, 7, 8), np.int16), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image.header["pixdim"][1:4] = 0.5, 0.75, 3
    nibabel.save(image, tmp_path / "lesion.nii")
    found = read_stored(str(tmp_path / "lesion.nii"))
    assert (found.spacing_mm, found.notes) == ((3.0, 0.75, 0.5), ())
