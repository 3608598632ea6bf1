import numpy as np
import pytest

from augmentor.data.images import read_image
from augmentor.data.intensity import Intensity, intensity_of, slope_intercept, storage
from augmentor.data.writing import write_image
from tests.data.made import RANGES, texture


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


def test_the_range_is_that_of_the_whole_set_and_eight_bits_keep_their_own():
    assert intensity_of(-5, 7, np.dtype(np.int16)) == Intensity(-5, 7, "int16")
    assert intensity_of(90, 100, np.dtype(np.uint8)) == Intensity(0, 255, "uint8")


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
