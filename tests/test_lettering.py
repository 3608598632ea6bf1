"""Words beside tiles: they are there to be read, and gone when the tiles are."""

import io

import numpy as np
import pytest
from PIL import Image

from augmentor.lettering import fitting, font_of, framed, unframed


@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 3)])
@pytest.mark.parametrize("columns", [(), ("0.41", "1.02", "1.13")])
def test_the_tiles_are_read_back_as_they_were_and_the_words_stand_beside_them(tmp_path, shape, columns):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(framed(pixels, ["cyst", "Größeres Hämangiom"], columns))
    assert (unframed(tmp_path / "a.png") == pixels).all()
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    top, left = (whole - own for whole, own in zip(picture.shape[:2], shape[:2], strict=True))
    rows = [picture[top + 16 * n :][:16, :left] for n in range(2)]
    assert all(row.min() < 100 for row in rows)
    assert rows[0].shape == rows[1].shape
    assert (rows[0] != rows[1]).any()
    assert (top > 0) == bool(columns)
    if columns:
        assert all(picture[:top, left + 16 * n :][:, :16].min() < 100 for n in range(3))


def test_a_picture_without_words_is_all_tiles(tmp_path):
    Image.fromarray(np.full((4, 8), 7, np.uint8)).save(tmp_path / "a.png")
    assert unframed(tmp_path / "a.png").shape == (4, 8)


def test_a_long_name_is_cut_and_makes_no_wide_picture():
    font = font_of(12)
    assert fitting("cyst", 100, font) == "cyst"
    short = fitting("a" * 200, 100, font)
    assert short.endswith("a...")
    assert font.getlength(short) <= 100
    drawn = framed(np.zeros((32, 32), np.uint8), ["a" * 500, "b"])
    assert Image.open(io.BytesIO(drawn)).width < 32 + 310


def test_two_letters_that_differ_are_drawn_differently():
    """Also those that Pillow's own font does not have."""
    drawn = [framed(np.zeros((16, 16), np.uint8), [name]) for name in ("ä", "ö", "ß", "\u03ba", "\u0431")]
    assert len(set(drawn)) == 5
