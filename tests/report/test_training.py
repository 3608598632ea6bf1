"""The table of the GANs."""

from __future__ import annotations

from augmentor.report.sections.training import fits_table
from tests.report.page import only_row


def test_a_gan_that_failed_is_named_beside_the_others():
    fit = {"run": "gans/a", "fold": "a", "seed": 0, "per_class": 20, "error": "ValueError: no\n  frame"}
    told = only_row(fits_table([fit], ""))
    assert told == ["gans/a", "a", "0", "20", "not measured", "not measured", "failed: ValueError: no"]


def test_without_gans_there_is_no_table_of_them():
    assert fits_table([], "") is None
