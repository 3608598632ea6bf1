"""What a report leaves in a folder: its own files whole, nothing of the one before it, and everything of others."""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from augmentor.errors import UsageError
from augmentor.report.html import report
from augmentor.report.place import PAGE, left_in, replacing
from tests.report.fake import write_benchmark, write_enlarged, write_reading, write_run
from tests.report.undrawn import undrawn_figures


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_report_in_the_place_of_another_leaves_what_one_in_a_new_folder_does(reported, tmp_path):
    everything = reported / "all"
    without_patients = [everything / "expanded", everything / "reading"]
    with undrawn_figures():
        report([everything / "run", everything / "benchmark"], tmp_path / "shared")
    assert (tmp_path / "shared" / "figures" / "lesions.png").exists()
    report(without_patients, tmp_path / "shared")
    report(without_patients, tmp_path / "fresh")
    assert files_of(tmp_path / "shared") == files_of(tmp_path / "fresh")
    assert not (tmp_path / "shared" / "tables").exists()


def test_a_page_names_all_that_lies_beside_it(reported):
    assert sorted(left_in(reported / "report")) == sorted(files_of(reported / "report"))


@pytest.mark.usefixtures("undrawn")
def test_a_report_in_a_source_replaces_its_own_and_keeps_a_users_picture(tmp_path):
    folder = write_benchmark(tmp_path)
    report([folder], folder)
    (folder / "figures" / "mine.png").write_bytes(b"mine")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"failed": [], "curves": {}}))
    report([folder], folder)
    assert (folder / "figures" / "mine.png").read_bytes() == b"mine"
    assert not (folder / "tables" / "failed.csv").exists()
    assert not (folder / "figures" / "curve-real.png").exists()
    assert (folder / "tables" / "arms.csv").exists()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["report.html", "figures/arms.png", "tables/failed.csv", "figures"])
@pytest.mark.parametrize("given", [True, False])
def test_a_file_that_no_report_left_is_refused_and_kept(tmp_path, name, given):
    """In a folder that only holds sources, and in one that holds nothing else."""
    folder = tmp_path / "study"
    (folder / "benchmark").mkdir(parents=True)
    write_benchmark(folder / "benchmark", ("classic",), ("logistic",), gans=False)
    out = folder if given else tmp_path / "out"
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_text("mine")
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match=rf"{name}: was not left by .* Move it away, or give another --out"):
        report([folder], out)
    assert files_of(tmp_path) == before


def test_a_folder_of_folders_gets_its_report_again_and_again(tmp_path):
    write_enlarged(tmp_path / "expanded")
    write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    (tmp_path / "notes.txt").write_text("mine")
    report([tmp_path], tmp_path)
    before = files_of(tmp_path)
    report([tmp_path], tmp_path)
    assert files_of(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("earlier", [True, False])
def test_a_report_that_fails_on_the_way_leaves_what_was_there(tmp_path, earlier):
    (tmp_path / "benchmark").mkdir()
    folder = write_benchmark(tmp_path / "benchmark", ("real", "classic"), ("logistic",), gans=False)
    if earlier:
        report([folder], tmp_path / "out")
    (folder / "predictions.csv").write_text("")
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match=r"predictions.csv: is damaged"):
        report([folder], tmp_path / "out")
    assert files_of(tmp_path) == before
    assert (tmp_path / "out").exists() == earlier


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("earlier", "moved"), [(False, 0), (False, 3), (True, 0), (True, 3), (True, 5)])
def test_what_a_report_that_was_killed_has_left_is_gone_after_the_next_one(tmp_path, monkeypatch, earlier, moved):
    """Killed while it is drawn, where it would take its place, and between its files."""
    folder, out = write_reading(tmp_path / "reading"), tmp_path / "there" / "out"
    if earlier:
        report([write_run(tmp_path / "run", np.random.default_rng(0), steps=10)], out)
    with monkeypatch.context() as patch:
        kill_at(patch, moved)
        with pytest.raises(KeyboardInterrupt):
            report([folder], out)
    assert list((tmp_path / "there").rglob(".*.part*"))
    report([folder], out)
    report([folder], tmp_path / "fresh" / "out")
    assert files_of(tmp_path / "there") == files_of(tmp_path / "fresh")
    assert [*tmp_path.rglob(".*.part*")] == []


def kill_at(patch: pytest.MonkeyPatch, moved: int) -> None:
    """Nothing is moved any more after so many files or folders, nor cleared away."""
    counted = count()

    def until_then(move):
        def step(self: Path, to: Path) -> Path:
            if next(counted) >= moved:
                raise KeyboardInterrupt
            return move(self, to)

        return step

    for name in ("replace", "rename"):
        patch.setattr(Path, name, until_then(getattr(Path, name)))
    patch.setattr(shutil, "rmtree", lambda *_, **__: None)


@pytest.mark.parametrize("earlier", [True, False])
def test_of_two_reports_at_once_one_stays_whole(tmp_path, earlier):
    out = tmp_path / "out"
    if earlier:
        out.mkdir()

    def write(part: Path, name: str) -> None:
        (part / "figures").mkdir()
        (part / "figures" / f"{name}.png").write_text(name)
        (part / PAGE).write_text(
            f'<meta name="generator" content="augmentor 1"><meta name="file" content="figures/{name}.png">'
        )

    with replacing(out) as first:
        with replacing(out) as second:
            write(second, "second")
        write(first, "first")
    assert files_of(out).keys() == {PAGE, "figures/first.png"}
    assert b"first.png" in files_of(out)[PAGE]
    assert [*tmp_path.rglob(".*")] == []
