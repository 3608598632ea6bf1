import json
import re

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


def test_a_missing_file_is_told_as_missing(tmp_path):
    with pytest.raises(DataError, match=r"anna\.html: no such file\. .*make the reading again"):
        read_page(tmp_path / "anna.html")


CONTENT = re.compile(rb'(?<=id="reading">).*?(?=</script>)', re.DOTALL)


def changed(**fields):
    return lambda text: json.dumps(json.loads(text) | fields).encode()


def first_lesion(change):
    """The lesions of a page, the first as `change` makes it."""

    def damage(text):
        content = json.loads(text)
        content["lesions"][0] = change(content["lesions"][0])
        return json.dumps(content).encode()

    return damage


def without(name):
    return lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key != name}).encode()


DAMAGE = {
    "half a text": lambda text: text[: len(text) // 2],
    "no text": lambda text: text[:0],
    "blank blocks": lambda text: text[:-60] + bytes(60),
    "no UTF-8": lambda text: text.replace(b"anna", b"ann\xff"),
    "a list": lambda text: b"[" + text + b"]",
    "a number as text": changed(size="8"),
    "a fraction": changed(size=7.5),
    "no side": changed(size=-1),
    "another side": changed(size=9),
    "other channels": changed(channels=3),
    "other bits": changed(bits=24),
    "fewer levels": changed(levels=3),
    "no lesions": changed(lesions=[]),
    "no list of lesions": changed(lesions={"L1": "AA=="}),
    "half of base64": first_lesion(lambda lesion: lesion | {"pixels": lesion["pixels"][:41]}),
    "fewer pixels": first_lesion(lambda lesion: lesion | {"pixels": lesion["pixels"][:40]}),
    "no base64": first_lesion(lambda lesion: lesion | {"pixels": "?" + lesion["pixels"][1:]}),
    "no id": first_lesion(lambda lesion: {"pixels": lesion["pixels"]}),
    "no pixels": first_lesion(lambda lesion: {"id": lesion["id"]}),
    "an id twice": first_lesion(lambda lesion: lesion | {"id": "L2"}),
}
FIELDS = ("reading", "reader", "classes", "channels", "size", "bits", "levels", "low", "high", "window", "lesions")
DAMAGE |= {f"no {name} at all": without(name) for name in FIELDS}


@pytest.mark.parametrize("levels", [256, 65536])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_page_is_told_in_one_line_with_the_next_step(tmp_path, damage, levels):
    drawn = np.random.default_rng(0).integers(0, levels, (2, 1, 8, 8)).astype(np.uint16)
    file = tmp_path / "anna.html"
    write_page(page_of({"L1": drawn[0], "L2": drawn[1]}, levels), file)
    assert len(read_page(file)[1]) == 2
    file.write_bytes(CONTENT.sub(lambda found: damage(found[0]), file.read_bytes()))
    with pytest.raises(DataError, match=r"anna\.html: is no page .*damaged \(.+\)\. Restore it, or make") as told:
        read_page(file)
    assert len(str(told.value)) < 400
    assert "\n" not in str(told.value)


def test_every_field_of_a_page_is_damaged_above(tmp_path):
    write_page(page_of({"L1": np.zeros((1, 8, 8), np.uint16)}, 256), tmp_path / "anna.html")
    assert set(read_page(tmp_path / "anna.html")[0]) == set(FIELDS)


@pytest.mark.parametrize("kept", np.linspace(0, 0.999, 12))
def test_a_page_that_is_cut_short_is_told(tmp_path, kept):
    file = tmp_path / "anna.html"
    write_page(page_of({"L1": np.zeros((1, 64, 64), np.uint16)}, 256), file)
    end = CONTENT.search(file.read_bytes()).end()
    file.write_bytes(file.read_bytes()[: int(kept * end)])
    with pytest.raises(DataError, match="or damaged"):
        read_page(file)
