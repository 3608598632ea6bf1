"""Confusion matrices: what is counted, and that nothing is cut off or overlaps."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from augmentor.report.drawing import confusion, figures
from tests.report.drawing.overlaps import overlapping_texts


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Ten lesions of `a`, of which one was taken for `b`, and none of `b`; two arms, one classifier."""
    table = pd.DataFrame({"label": "a", "predicted": ["a"] * 9 + ["b"], "p_b": 0.5, "p_a": 0.5})
    return pd.concat([table.assign(arm=arm, classifier="forest") for arm in ("classic", "real")])


@pytest.mark.parametrize("columns", [2, 4])
def test_ten_confusion_matrices_neither_overlap_nor_leave_the_figure(predictions, columns):
    many = pd.concat([predictions.assign(arm=arm) for arm in "abcdefghij"])
    assert overlapping_texts(confusion.confusion_plot(many, columns)) == []


@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("length", [40, 80])
def test_long_class_names_leave_the_matrices_their_place(predictions, columns, length, recwarn):
    long = {name: f"{name}{' of the portal venous phase' * 4}"[:length] for name in "ab"}
    many = predictions.replace(long).rename(columns={f"p_{short}": f"p_{name}" for short, name in long.items()})
    figure = confusion.confusion_plot(many, columns)
    figure.draw_without_rendering()
    widths = [axes.get_position().width * figure.get_figwidth() for axes in figure.axes]
    assert min(widths) > 0.75  # inches
    assert not recwarn.list


def test_confusion_shares_count_each_true_class_and_keep_the_order_of_the_columns(predictions):
    shares = confusion.confusion_shares(predictions)
    real = shares[shares["arm"] == "real"].set_index(["label", "predicted"])
    assert list(dict.fromkeys(shares["label"])) == ["b", "a"]
    assert real.loc[("a", "b"), "share"] == pytest.approx(0.1)
    assert real.loc[("a", "a"), "images"] == 9
    assert np.isnan(real.loc[("b", "b"), "share"])
    assert len(confusion.confusion_plot(predictions).axes) == 2


def test_only_the_first_classifier_is_drawn_when_there_are_many(predictions):
    many = pd.concat([predictions.assign(classifier=name) for name in "stuvwxyz"])
    assert confusion.confusion_classifiers(predictions) == ["forest"]
    assert confusion.confusion_classifiers(many) == ["s"]
    assert len(confusion.confusion_plot(many).axes) == 2


def test_a_name_with_dollars_is_no_formula(predictions):
    assert figures.png(confusion.confusion_plot(predictions.assign(arm="$\\frac$")))


def of_classes(names: list[str]) -> pd.DataFrame:
    """Three arms that take every class for every other one as often."""
    pairs = pd.MultiIndex.from_product([("real", "classic", "classic+gan"), names, names])
    table = pairs.set_names(["arm", "label", "predicted"]).to_frame(index=False)
    return table.assign(classifier="svm", **{f"p_{name}": 0.5 for name in names})


@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("count", [6, 7, 8, 12, 16])
@pytest.mark.parametrize("name", ["class", "pigmented benign keratosis of type"])
def test_the_names_of_many_classes_do_not_overlap(count, name, columns):
    figure = confusion.confusion_plot(of_classes([f"{name} {number:02d}" for number in range(count)]), columns)
    assert overlapping_texts(figure) == []


@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("count", [2, 3, 5, 8, 12])
@pytest.mark.parametrize("name", ["class", "pigmented benign keratosis of type"])
def test_a_hundred_percent_has_room_in_its_cell(count, name, columns):
    classes = [f"{name} {number:02d}" for number in range(count)]
    right = of_classes(classes).assign(predicted=lambda rows: rows["label"])
    figure = confusion.confusion_plot(right, columns)
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert max(text.get_window_extent().width for text in axes.texts) < axes.bbox.width / count


def test_every_share_stands_out_on_its_blue():
    """By the contrast that WCAG 2.1 demands of text."""
    blues = matplotlib.colormaps["Blues"]
    for share in np.linspace(0, 1, 101):
        matrix = pd.DataFrame([[share, 1 - share], [0.0, 0.0]], index=list("ab"), columns=list("ab"))
        axes = Figure().add_subplot()
        confusion._draw_matrix(axes, matrix)
        light = [_luminance(color) for color in (axes.texts[0].get_color(), blues(share))]
        assert (max(light) + 0.05) / (min(light) + 0.05) > 4.4


def _luminance(color: object) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
