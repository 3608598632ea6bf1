"""How a figure is written."""

from __future__ import annotations

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from augmentor.report.drawing import figures


def test_a_picture_is_small_and_its_numbers_lie_beside_it(tmp_path):
    figure, path = Figure(figsize=(8, 3)), tmp_path / "figures" / "line.png"
    figure.add_subplot().plot([1, 2, 3])
    numbers = pd.DataFrame({"x": [0.1, 0.25], "name": ["a", "b"]})
    figures.save(figures.png(figure), path, numbers)
    assert path.stat().st_size < figures.MAX_PNG_BYTES
    with Image.open(path) as picture:
        assert picture.width > 1000
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), numbers)
    assert {file.name for file in path.parent.iterdir()} == {"line.png", "line.csv"}


def test_long_names_break_where_their_parts_meet():
    assert figures.wrapped("classic+acgan", 8) == "classic+\nacgan"


@pytest.mark.parametrize("name", ["cyst", "肝囊肿", "pigmented benign keratosis, acral", "x" * 80])
def test_a_shortened_name_is_one_line_that_begins_and_ends_as_the_name(name):
    told = figures.shortened(name, 12)
    assert len(told) <= 12
    assert name.startswith(told.split("…")[0])
    assert name.endswith(told.split("…")[-1])
    assert ("…" in told) is (len(name) > 12)


def test_only_fonts_that_are_there_in_both_weights_stand_behind_the_first(caplog):
    assert figures.installed(["No Such Font", "DejaVu Serif", "cmr10"]) == ["DejaVu Serif"]  # cmr10 is not bold
    assert figures.STYLE["font.family"][0] == "DejaVu Sans"
    with matplotlib.rc_context(figures.STYLE):
        figure = Figure()
        figure.add_subplot().set_title("a")
    figures.png(figure)
    assert not caplog.records
