"""Confusion matrices: what is counted, and that nothing is cut off or overlaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from augmentor.report import confusion, figures
from tests.report.overlaps import overlapping_texts


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
