"""The section of the arms: why nothing was compared, where nothing was."""

from __future__ import annotations

import json

import pytest

from augmentor.report.html import report
from tests.report.fake import write_benchmark
from tests.report.page import Page


@pytest.mark.parametrize(
    ("asked", "left", "told"),
    [
        (("real", "classic+gan"), ("real", "classic+gan"), "the arm classic was not run."),
        (("classic",), ("classic",), "classic is the only arm that was run."),
        (("real", "classic"), ("real",), "no classifier has cells of both classic and another arm that did not fail."),
        (("real", "classic"), ("classic",), "no classifier has cells of both classic and another arm"),
        (("real", "classic"), ("real", "classic"), None),
    ],
)
def test_why_nothing_was_compared_is_told_as_it_was(tmp_path, asked, left, told):
    """`left`: the arms of which not every cell failed."""
    folder = write_benchmark(tmp_path, left, ("logistic",), gans=False)
    summary = json.loads((folder / "summary.json").read_text())
    summary["recipe"]["benchmark"]["arms"] = asked
    if told:
        summary["comparisons"] = []
    (folder / "summary.json").write_text(json.dumps(summary))
    found = [text for _, text in Page(report([folder], folder)).texts if text.startswith("Nothing was compared")]
    assert len(found) == bool(told)
    assert all(text.startswith(f"Nothing was compared: {told}") for text in found)
