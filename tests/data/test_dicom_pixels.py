import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from augmentor.data import dicom_pixels
from augmentor.data.dicom import read_dicom
from augmentor.errors import DataError
from tests.scan_sets import CT_AFFINE, LPS_TO_RAS, dicom_image, place_tags, save_dicom, voxels_of, write_series

LPS = LPS_TO_RAS @ CT_AFFINE


def test_whole_numbers_stay_whole(tmp_path, stored):
    write_series(tmp_path / "ct", stored, intercept=-1024)
    voxels = voxels_of(read_dicom([tmp_path / "ct"]))
    assert voxels.dtype == np.int16
    np.testing.assert_array_equal(voxels, stored - 1024)


@pytest.mark.parametrize("kind", ["uint16", "int16"])
@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("bits", [12, 16])
def test_the_dtype_does_not_hang_on_the_values(tmp_path, kind, modality, bits):
    """So a set has one dtype, though a single pixel of one of its files may be large."""
    said = {"Modality": modality, "RescaleIntercept": -1024, "RescaleSlope": 1, "BitsStored": bits, "HighBit": bits - 1}
    usual = np.full((4, 4), 100, kind)
    extreme = usual.copy()
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "int16" else (0, 2**bits - 1)
    extreme[0, :2] = low, high
    read = [
        voxels_of(read_dicom([save_dicom(dicom_image(p, **said), tmp_path / name)]))
        for name, p in (("usual", usual), ("extreme", extreme))
    ]
    assert read[0].dtype == read[1].dtype
    np.testing.assert_array_equal(read[0], 100 - 1024)
    limits = np.iinfo(np.int16) if modality == "CT" else np.iinfo(np.int32)
    np.testing.assert_array_equal(read[1][:2, 0, 0], np.clip([low - 1024, high - 1024], limits.min, limits.max))


@pytest.mark.parametrize("modality", ["CR", "MR", "US"])
@pytest.mark.parametrize(("kind", "largest"), [("uint16", 65535), ("int16", -1)])
def test_monochrome1_is_inverted_so_that_more_is_brighter(tmp_path, pixels, modality, kind, largest):
    said = {"PhotometricInterpretation": "MONOCHROME1", "Modality": modality}
    volume = read_dicom([save_dicom(dicom_image(pixels.astype(kind), **said), tmp_path / "one")])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], largest - pixels.T.astype(int))


def test_hounsfield_units_are_not_inverted_however_they_are_displayed(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels, PhotometricInterpretation="MONOCHROME1"), tmp_path / "one")])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], pixels.T)


def test_only_the_bits_that_are_stored_count(tmp_path, pixels):
    said = {"PhotometricInterpretation": "MONOCHROME1", "Modality": "DX", "BitsStored": 12, "HighBit": 11}
    volume = read_dicom([save_dicom(dicom_image(pixels, **said), tmp_path / "one")])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], 4095 - pixels.T.astype(int))


def test_overlays_are_ignored(tmp_path, pixels):
    data = dicom_image(pixels)
    data.add_new(0x60000010, "US", pixels.shape[0])
    data.add_new(0x60000011, "US", pixels.shape[1])
    data.add_new(0x60000100, "US", 1)
    data.add_new(0x60003000, "OW", b"\xff" * (pixels.size // 8))
    np.testing.assert_array_equal(voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))[:, :, 0], pixels.T)


def test_a_lookup_table_is_applied(tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "HU"
    table.add_new(0x00283006, "US", [100, 200, 400, 800])
    data = dicom_image(np.array([[0, 1], [2, 3]], np.uint16))
    data.ModalityLUTSequence = [table]
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[:, :, 0], [[100, 400], [200, 800]])


@pytest.mark.parametrize("scale", [{"RescaleSlope": "0"}, {"RescaleSlope": "1", "RescaleIntercept": "1e12"}])
def test_a_scale_that_is_none_is_refused(tmp_path, pixels, scale):
    volume = read_dicom([save_dicom(dicom_image(pixels, **scale), tmp_path / "one")])
    with pytest.raises(DataError, match="neither may be endless, the slope not zero"):
        voxels_of(volume)


def colour_image(pixels, **tags):
    data = dicom_image(pixels[..., 0], **tags)
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PixelData = np.ascontiguousarray(pixels).tobytes()
    return data


def test_colours_are_kept_and_equal_ones_are_grey(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (6, 10, 3)).astype(np.uint8)
    said = {"PhotometricInterpretation": "RGB", "Modality": "US"}
    voxels = voxels_of(read_dicom([save_dicom(colour_image(rgb, **said), tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[:, :, 0], rgb.swapaxes(0, 1))
    grey = np.repeat(rgb[..., :1], 3, axis=2)
    voxels = voxels_of(read_dicom([save_dicom(colour_image(grey, **said), tmp_path / "two")]))
    np.testing.assert_array_equal(voxels[:, :, 0], grey[..., 0].T)


@pytest.mark.parametrize(("bits", "kept"), [(8, 0), (12, 4), (16, 8)])
def test_colours_in_words_of_sixteen_bits_keep_the_upper_eight_of_those_stored(tmp_path, bits, kept):
    rgb = np.random.default_rng(0).integers(0, 2**bits, (6, 10, 3)).astype(np.uint16)
    said = {"PhotometricInterpretation": "RGB", "Modality": "US", "BitsStored": bits, "HighBit": bits - 1}
    voxels = voxels_of(read_dicom([save_dicom(colour_image(rgb, **said), tmp_path / "one")]))
    assert voxels.dtype == np.uint8
    np.testing.assert_array_equal(voxels[:, :, 0], (rgb >> kept).swapaxes(0, 1))


def test_a_palette_of_sixteen_bits_keeps_the_upper_eight(tmp_path):
    data = dicom_image(np.array([[0, 1], [2, 0]], np.uint8), PhotometricInterpretation="PALETTE COLOR", Modality="US")
    for name, values in (("Red", [0, 65535, 2560]), ("Green", [0, 0, 5120]), ("Blue", [0, 32768, 7680])):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [3, 0, 16])
        setattr(data, f"{name}PaletteColorLookupTableData", np.array(values, "<u2").tobytes())
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[1, 0, 0], (255, 0, 128))
    np.testing.assert_array_equal(voxels[0, 1, 0], (10, 20, 30))


def test_half_sampled_colours_are_shorter_than_their_pixels_and_read(tmp_path):
    data = dicom_image(np.zeros((4, 6), np.uint8), PhotometricInterpretation="YBR_FULL_422", Modality="US")
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PixelData = bytes([90, 90, 128, 128] * 12)
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels, np.full((6, 4, 1), 90))


def test_palettes_become_colours(tmp_path):
    data = dicom_image(np.array([[0, 1], [2, 0]], np.uint8), PhotometricInterpretation="PALETTE COLOR", Modality="US")
    for name, values in (("Red", [0, 255, 10, 7]), ("Green", [0, 0, 20, 7]), ("Blue", [0, 128, 30, 7])):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 8])
        setattr(data, f"{name}PaletteColorLookupTableData", bytes(values))
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[1, 0, 0], (255, 0, 128))
    np.testing.assert_array_equal(voxels[0, 1, 0], (10, 20, 30))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_packed_pixels_are_those_that_were_packed(tmp_path, syntax):
    pixels = np.random.default_rng(0).integers(0, 4000, (64, 48)).astype(np.uint16)
    data = dicom_image(pixels, **place_tags(LPS))
    try:
        data.compress(syntax)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"no encoder for {syntax.name} here: {error}")
    np.testing.assert_array_equal(voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))[:, :, 0], pixels.T)


@pytest.mark.parametrize(
    ("name", "syntax"), [("JPEG 2000", JPEG2000Lossless), ("JPEG-LS", JPEGLSLossless), ("JPEG Lossless", None)]
)
def test_a_missing_codec_says_which_extra_brings_it(tmp_path, pixels, monkeypatch, name, syntax):
    data = dicom_image(pixels)
    data.file_meta.TransferSyntaxUID = syntax or "1.2.840.10008.1.2.4.70"
    data.PixelData = pydicom.encaps.encapsulate([b"\xff" * 100])
    data["PixelData"].VR = "OB"
    file = save_dicom(data, tmp_path / "one")
    monkeypatch.setattr(dicom_pixels, "_can_decode", lambda _: False)
    with pytest.raises(DataError, match=rf'packed as {name}.*pip install -c constraints.txt "\.\[codecs\]"'):
        voxels_of(read_dicom([file]))


def test_pixels_that_are_cut_off_are_told(tmp_path, pixels):
    data = dicom_image(pixels)
    data.PixelData = data.PixelData[:100]
    with pytest.raises(DataError, match="promises 480 bytes of pixels, and 100 are there"):
        voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))


def test_an_image_without_pixels_is_told(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels, PixelData=None), tmp_path / "one")])
    with pytest.raises(DataError, match="one: has no pixels"):
        voxels_of(volume)
