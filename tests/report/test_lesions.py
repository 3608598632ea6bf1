"""Real beside synthetic lesions: what is shown is what is counted."""

from __future__ import annotations

import re

import numpy as np
import pytest

from augmentor.report.html import report
from augmentor.training.samples import REAL, SYNTHETIC
from tests.report.fake import CLASSES, write_run
from tests.report.page import Page


@pytest.mark.parametrize(("size", "all_shown"), [(16, True), (220, False)])
def test_alt_texts_count_the_lesions_that_are_shown(tmp_path, size, all_shown):
    """Of large ones some are left out, so that the page stays small enough to send."""
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10, size=size)
    told = [image["alt"] or "" for image in Page(report([run], run)).attributes("img")]
    for label in CLASSES:
        shown = 0
        for origin in ("real", "synthetic"):
            found = [re.fullmatch(rf"{origin} {label}, (\d+) of (\d+)", text) for text in told]
            places = [(int(match[1]), int(match[2])) for match in found if match]
            assert places == [(number, len(places)) for number in range(1, len(places) + 1)]
            shown += len(places)
        assert (shown == REAL + SYNTHETIC) == all_shown
