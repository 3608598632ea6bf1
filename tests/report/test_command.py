"""The command `report`, as the function that it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augmentor.cli.reports import report
from tests.report.fake import write_benchmark, write_enlarged, write_run


@pytest.mark.usefixtures("undrawn")
def test_one_folder_gets_its_report_and_several_get_one_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_run(Path("run"), np.random.default_rng(0), steps=10)
    Path("benchmark").mkdir()
    write_benchmark(Path("benchmark"), ("real", "classic"), ("logistic",), gans=False)
    report([Path("run")])
    assert "Report: run/report.html" in capsys.readouterr().out
    report([Path("run"), Path("benchmark")])
    printed = capsys.readouterr().out
    assert "Report: report/report.html" in printed
    assert "were not shown" in printed
    assert {file.name for file in Path("report").iterdir()} == {"report.html", "figures", "tables"}


@pytest.mark.usefixtures("undrawn")
def test_what_is_left_out_is_told_beside_the_results(tmp_path, capsys):
    write_enlarged(tmp_path / "expanded")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "evaluation.json").write_text("{}")
    report([tmp_path], tmp_path / "report")
    printed = capsys.readouterr()
    assert printed.err.startswith("Warning: ")
    assert "evaluation.json: is damaged" in printed.err
    assert "Warning" not in printed.out
