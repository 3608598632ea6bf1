"""Numbers as a reader says them."""

from __future__ import annotations

import pytest

from augmentor.report import numbers


@pytest.mark.parametrize(("number", "text"), [(3.14, "+3.1"), (-3.14, "\N{MINUS SIGN}3.1"), (-0.01, "0.0"), (0, "0.0")])
def test_signed(number, text):
    assert numbers.signed(number, ".1f") == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0498, "0.0498"),
        (0.0502, "0.0502"),
        (0.049999, "0.049999"),
        (0.05, "0.050"),
        (0.267, "0.267"),
        (0.0004, "< 0.001"),
        (None, "not measured"),
        (float("nan"), "not measured"),
    ],
)
def test_a_probability_is_told_on_its_side_of_the_limit(p, text):
    assert numbers.probability(p) == text


MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0002, 0.062, "+3.0 (+0.02 to +6.2)"),
        (-0.0002, 0.062, f"+3.0 ({MINUS}0.02 to +6.2)"),
        (-0.062, -0.00002, f"+3.0 ({MINUS}6.2 to {MINUS}0.002)"),
        (0.0, 0.062, "+3.0 (0.0 to +6.2)"),
        (1e-17, 0.062, "+3.0 (0.0 to +6.2)"),
        (None, 0.062, "+3.0"),
    ],
)
def test_a_bound_that_is_not_zero_is_not_told_as_zero(low, high, text):
    assert numbers.difference({"metric": "auc", "difference": 0.03, "low": low, "high": high}) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.7123, 0.65, 0.77, "0.712 (0.650 to 0.770)"),
        (0.7123, None, None, "0.712"),
        (0.7123, float("nan"), float("nan"), "0.712"),
        (None, None, None, "not measured"),
    ],
)
def test_a_value_stands_before_its_interval(value, low, high, text):
    assert numbers.bounded({"value": value, "low": low, "high": high}) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(35, "35 s"), (720, "12 min"), (7500, "2 h 05 min"), (None, "not measured")]
)
def test_duration(seconds, text):
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("metric", "text"), [("auc", "AUC"), ("kid", "KID"), ("balanced_accuracy", "Balanced accuracy")]
)
def test_words(metric, text):
    assert numbers.words(metric) == text
