"""What failed, and whose it was where a page tells of several benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augmentor.report.html import report
from augmentor.report.sections.failures import failed_table
from tests.report.fake import write_benchmark
from tests.report.page import Page, only_row
from tests.report.undrawn import undrawn_figures

NAMES = {"arm": "auto", "classifier": "svm"}


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Page:
    """Of two benchmarks with a failed cell and GANs each; the second has nine more."""
    folders = [tmp_path_factory.mktemp("two") / name / "benchmark" for name in "ab"]
    for folder in folders:
        folder.mkdir(parents=True)
        write_benchmark(folder, ("classic", "classic+gan"), ("logistic",))
    _fail(folders[1], 9)
    with undrawn_figures():
        return Page(report(folders, folders[0].parent.parent / "report"))


def _fail(folder: Path, more: int) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    summary["failed"] += [summary["failed"][0] | {"seed": seed} for seed in range(1, more + 1)]
    (folder / "summary.json").write_text(json.dumps(summary))


def test_every_table_of_two_benchmarks_is_told_whose_it_is(two):
    heads = [tuple(table[0][:3]) for table in two.tables]
    captions = [text for tag, text in two.texts if tag == "span" and ("failed" in text or "GANs" in text)]
    for told in ("Cells that failed, each with the first line of its error", "The GANs that were trained"):
        assert [text for text in captions if text.startswith(told)] == [f"{told}: {name}/benchmark" for name in "ab"]
    assert heads.count(("Run", "Fold", "Seed")) == 2
    failed = [len(table) - 1 for table in two.tables if table[0][:3] == ["Arm", "Classifier", "Fold"]]
    assert failed == [1, 8, 2]  # the last two are folded away
    assert "The other 2: b/benchmark" in [text for tag, text in two.texts if tag == "summary"]


def test_no_paragraph_is_empty(two):
    assert "<p></p>" not in two.source
    assert "</strong> </p>" not in two.source


@pytest.mark.usefixtures("undrawn")
def test_a_benchmark_alone_has_no_name_in_its_captions(tmp_path):
    page = Page(report([write_benchmark(tmp_path, ("classic",), ("logistic",))], tmp_path))
    captions = [text for tag, text in page.texts if tag == "span"]
    assert "The GANs that were trained" in captions
    assert "Cells that failed, each with the first line of its error" in captions


def test_an_error_is_told_by_its_first_line():
    cell = {
        **NAMES,
        "arm": "gan-only",
        "fold": "a",
        "seed": 2,
        "factor": 1.5,
        "per_class": None,
        "error": "ValueError: no\n  frame",
    }
    assert only_row(failed_table([cell], "")) == ["gan-only", "svm", "a", "2", "1.5", "all", "ValueError: no"]


def test_of_a_cell_of_auto_no_factor_is_told():
    failed = {**NAMES, "fold": "a", "seed": 0, "factor": 3.0, "per_class": None, "error": "ValueError: no"}
    assert only_row(failed_table([failed], ""))[4] == "chosen"
