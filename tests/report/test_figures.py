"""How a figure is written."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from augmentor.report import figures


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
