"""The figures: what they draw, what they write, and that nothing is cut off or overlaps."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from augmentor.report import figures

ARMS = ["real", "classic", *(f"classic+generator-{number}" for number in range(8))]
CLASSIFIERS = ["logistic", "forest", "densenet", "efficientnet_lite", "support_vector_machine"]


@pytest.fixture(scope="module")
def arms() -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product([CLASSIFIERS, ARMS], names=["classifier", "arm"]).to_frame(index=False)
    rows["metric"], rows["mean"] = "balanced_accuracy", random.uniform(0.7, 0.9, len(rows))
    return rows.assign(low=rows["mean"] - 0.05, high=rows["mean"] + 0.05)


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Ten lesions of `a`, of which one was taken for `b`, and none of `b`; two arms, one classifier."""
    table = pd.DataFrame({"label": "a", "predicted": ["a"] * 9 + ["b"], "p_b": 0.5, "p_a": 0.5})
    return pd.concat([table.assign(arm=arm, classifier="forest") for arm in ("classic", "real")])


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Titles and tick labels that share pixels, and those that leave the figure."""
    figure.draw_without_rendering()
    every_axis = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    # Matplotlib keeps ticks just outside of the view, which it doesn't draw.
    ticks = [
        tick.label1
        for axis in every_axis
        for tick in axis.get_major_ticks()
        if min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]
    texts = [*ticks, *(axes.title for axes in figure.axes), *figure.texts]
    texts += [text for legend in figure.legends for text in legend.texts]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]
    outside = [(name, "figure") for name, box in boxes if box.x0 < 0 or box.x1 > figure.bbox.x1]
    return outside + [(a[0], b[0]) for a, b in combinations(boxes, 2) if a[1].overlaps(b[1])]


@pytest.mark.parametrize("columns", [1, 3])
def test_ten_long_arms_and_five_classifiers_neither_overlap_nor_leave_the_figure(arms, columns):
    figure = figures.arms_plot(arms, "balanced_accuracy", columns)
    assert len(figure.axes) == len(CLASSIFIERS)
    assert len(figure.texts) == 1
    assert overlapping_texts(figure) == []


@pytest.mark.parametrize("columns", [2, 4])
def test_ten_confusion_matrices_neither_overlap_nor_leave_the_figure(predictions, columns):
    many = pd.concat([predictions.assign(arm=arm) for arm in ARMS])
    assert overlapping_texts(figures.confusion_plot(many, columns)) == []


def test_arms_plot_draws_means_intervals_and_the_classic_line(arms):
    axes = figures.arms_plot(arms, "balanced_accuracy").axes[0]
    expected = arms[arms["classifier"] == CLASSIFIERS[0]].set_index("arm").loc[ARMS]
    assert [line.get_xdata()[0] for line in axes.lines[:-1]] == expected["mean"].tolist()
    assert [bar.get_segments()[0][:, 0].tolist() for bar in axes.collections] == expected[
        ["low", "high"]
    ].values.tolist()
    assert axes.lines[-1].get_xdata() == [expected.loc["classic", "mean"]] * 2


def test_missing_numbers_leave_gaps(arms):
    empty = arms[arms["classifier"] == "logistic"].assign(low=None, high=None)
    empty.loc[3, "mean"] = None
    assert figures.png(figures.arms_plot(empty, "balanced_accuracy"))


def test_difference_plot_has_a_zero_line_and_signed_points(arms):
    comparisons = arms[arms["arm"] != "classic"].assign(difference=lambda rows: rows["mean"] - 0.8)
    figure = figures.difference_plot(comparisons.assign(low=-0.12, high=0.1))
    axes = figure.axes[0]
    assert axes.lines[-1].get_xdata() == [0, 0]
    assert axes.xaxis.get_major_formatter()(-0.05) == "\N{MINUS SIGN}5"
    assert axes.xaxis.get_major_formatter()(0.05) == "+5"


def test_confusion_shares_count_each_true_class_and_keep_the_order_of_the_columns(predictions):
    shares = figures.confusion_shares(predictions)
    real = shares[shares["arm"] == "real"].set_index(["label", "predicted"])
    assert list(dict.fromkeys(shares["label"])) == ["b", "a"]
    assert real.loc[("a", "b"), "share"] == pytest.approx(0.1)
    assert real.loc[("a", "a"), "images"] == 9
    assert np.isnan(real.loc[("b", "b"), "share"])
    assert len(figures.confusion_plot(predictions).axes) == 2


def test_only_the_first_classifier_is_drawn_when_there_are_many(predictions):
    many = pd.concat([predictions.assign(classifier=name) for name in "stuvwxyz"])
    assert figures.confusion_classifiers(predictions) == ["forest"]
    assert figures.confusion_classifiers(many) == ["s"]
    assert len(figures.confusion_plot(many).axes) == 2


def test_training_plot_survives_null_measurements():
    lines = [{"kind": "step", "kimg": 1.0, "loss_d": 1.0, "loss_g": 2.0}]
    lines += [{"kind": "snapshot", "kimg": at, "discrimination_train": 0.8} for at in (1.0, 2.0)]
    above, below = figures.training_plot(pd.DataFrame(lines).assign(discrimination_held_out=None)).axes
    assert [line.get_label() for line in above.lines] == ["equilibrium", "training lesions"]
    assert above.lines[0].get_ydata() == [0.5, 0.5]
    assert [line.get_label() for line in below.lines] == ["discriminator", "generator"]


def test_save_writes_a_small_picture_and_its_numbers(arms, tmp_path):
    path = tmp_path / "figures" / "arms.png"
    figures.save(figures.arms_plot(arms, "balanced_accuracy"), path, arms)
    assert path.stat().st_size < figures.MAX_PNG_BYTES
    with Image.open(path) as picture:
        assert picture.width > 1000
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), arms)


def test_a_name_with_dollars_is_no_formula(predictions):
    assert figures.png(figures.confusion_plot(predictions.assign(arm="$\\frac$")))


@pytest.mark.parametrize(("number", "text"), [(3.14, "+3.1"), (-3.14, "\N{MINUS SIGN}3.1"), (-0.01, "0.0"), (0, "0.0")])
def test_signed(number, text):
    assert figures.signed(number, ".1f") == text
