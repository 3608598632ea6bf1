"""How a benchmark is repeated: the command that was typed, or without one its recipe."""

from __future__ import annotations

import json

import pytest

from augmentor.report.html import report
from tests.report.fake import write_benchmark
from tests.report.page import Page


@pytest.mark.parametrize("command", ["augmentor benchmark --data lesions", None])
def test_a_benchmark_is_repeated_by_its_command_or_without_one_by_its_recipe(tmp_path, command):
    folder = write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False)
    summary = json.loads((folder / "summary.json").read_text())
    del summary["command"]
    (folder / "summary.json").write_text(json.dumps(summary | ({"command": command} if command else {})))
    texts = [text for _, text in Page(report([folder], tmp_path / "report")).texts]
    assert (command in texts) == bool(command)
    assert any("benchmark.toml" in text for text in texts) != bool(command)
