"""The plane of lesions: all of them in their class's panel, none hidden, no text cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from augmentor.report.drawing import plane
from tests.report.drawing.overlaps import overlapping_texts


def points_of(classes: list[str]) -> pd.DataFrame:
    """Class number i has 3 (i + 1) lesions, as many of each origin."""
    counts = [3 * (place + 1) for place in range(len(classes))]
    labels = np.repeat(classes, counts)
    x, y = np.random.default_rng(0).normal(size=(2, len(labels)))
    origins = np.resize(["train", "test", "synthetic"], len(labels))
    return pd.DataFrame({"x": x, "y": y, "label": labels, "origin": origins})


def test_a_panel_shows_its_class_by_origin_and_the_others_behind_it():
    first, second = plane.plane_plot(points_of(["cyst", "scar"])).axes
    assert [axes.get_title() for axes in (first, second)] == ["cyst", "scar"]
    assert [len(layer.get_offsets()) for layer in first.collections] == [6, 1, 1, 1]
    assert [len(layer.get_offsets()) for layer in second.collections] == [3, 2, 2, 2]
    assert first.get_xlim() == second.get_xlim()


def test_origins_differ_in_shape_and_not_only_in_colour():
    marks = [mark["marker"] for mark in plane.MARKS.values()]
    assert len(set(marks)) == len(marks) == len(plane.NAMES)


def test_an_origin_that_is_absent_leaves_the_others():
    points = points_of(["cyst"])
    assert plane.plane_plot(points[points["origin"] != "synthetic"]).axes


def test_of_many_classes_the_largest_are_drawn_in_their_order():
    names = [f"class {number}" for number in range(plane.MAX_PANELS + 2)]
    assert plane.plane_classes(points_of(names)) == names[2:]


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_names_neither_overlap_nor_leave_the_figure(count, columns):
    names = ["a class with a rather long name indeed", *"bcdefgh"][:count]
    assert overlapping_texts(plane.plane_plot(points_of(names), columns)) == []


def test_the_lesions_that_a_fit_held_out_are_called_so():
    figure = plane.plane_plot(points_of(["cyst"]), 1, plane.NAMES_OF_A_FIT)
    assert "real, held out" in [text.get_text() for text in figure.legends[0].get_texts()]
