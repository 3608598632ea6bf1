"""Numbers as a reader says them."""

from __future__ import annotations

import pytest

from augmentor.report import numbers


@pytest.mark.parametrize(("number", "text"), [(3.14, "+3.1"), (-3.14, "\N{MINUS SIGN}3.1"), (-0.01, "0.0"), (0, "0.0")])
def test_signed(number, text):
    assert numbers.signed(number, ".1f") == text


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
