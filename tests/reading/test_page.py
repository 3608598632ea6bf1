import numpy as np
import pytest

from augmentor.data.intensity import Intensity
from augmentor.errors import DataError
from augmentor.reading.page import make_page, read_page, write_page


def page_of(lesions, levels, classes=("a", "b")):
    return make_page("id", "anna", list(classes), lesions, levels, Intensity(0, levels - 1, "uint16"))


@pytest.mark.parametrize(("channels", "levels"), [(1, 256), (3, 256), (1, 65536)])
def test_pixels_survive_the_page(tmp_path, channels, levels):
    pixels = np.random.default_rng(0).integers(0, levels, (channels, 8, 8)).astype(np.uint16)
    write_page(page_of({"L1": pixels}, levels), tmp_path / "anna.html")
    content, lesions = read_page(tmp_path / "anna.html")
    assert content["bits"] == (8 if levels == 256 else 16)
    assert (lesions["L1"] == pixels).all()


def test_a_few_bright_pixels_do_not_stretch_the_first_window_of_deep_lesions():
    pixels = np.random.default_rng(0).integers(1000, 1100, (1, 40, 40)).astype(np.uint16)
    pixels[0, 0, 0] = 60000
    low, high = page_of({"L1": pixels}, 65536).window
    assert 1000 <= low < high < 1100


def test_eight_bit_lesions_are_shown_as_they_are():
    assert page_of({"L1": np.full((1, 8, 8), 7, np.uint16)}, 256).window == (0, 255)


def test_equal_pixels_leave_a_window():
    low, high = page_of({"L1": np.full((1, 8, 8), 7, np.uint16)}, 1000).window
    assert low < high


def test_class_names_cannot_break_the_page(tmp_path):
    name = '</script><b onclick="x">&'
    write_page(page_of({"L1": np.zeros((1, 8, 8), np.uint16)}, 256, (name, "b")), tmp_path / "anna.html")
    assert name not in (tmp_path / "anna.html").read_text()
    assert read_page(tmp_path / "anna.html")[0]["classes"] == [name, "b"]


def test_another_file_is_no_page(tmp_path):
    (tmp_path / "anna.html").write_text("<p>Hello")
    with pytest.raises(DataError, match=r"anna\.html: is no page"):
        read_page(tmp_path / "anna.html")
