"""Which folders a report is made from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from augmentor.errors import UsageError
from augmentor.report.sources import find_sources
from tests.report.fake import write_benchmark, write_enlarged, write_judged, write_reading, write_run


def test_the_folders_below_one_that_is_no_source_are_found(tmp_path):
    write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    write_enlarged(tmp_path / "expanded")
    write_reading(tmp_path / "reading")
    (tmp_path / "check.json").write_text(json.dumps({"warnings": ["w"]}))
    found = find_sources([tmp_path])
    assert [len(kind) for kind in (found.benchmarks, found.fits, found.enlarged, found.readings)] == [0, 1, 1, 1]
    assert found.fits[0].name == ""
    assert found.checks[0].warnings == ["w"]


def test_folders_of_one_name_are_told_apart_and_one_given_twice_counts_once(tmp_path):
    runs = [write_run(tmp_path / part / "run", np.random.default_rng(0), steps=10) for part in ("x", "y")]
    assert [fit.name for fit in find_sources([*runs, runs[0]]).fits] == ["x/run", "y/run"]


def test_folders_of_different_kinds_are_told_apart_where_they_stand_together(tmp_path):
    benchmark, run = tmp_path / "x" / "all", tmp_path / "y" / "all"
    benchmark.mkdir(parents=True)
    write_benchmark(benchmark, gans=False)
    write_run(run, np.random.default_rng(0), steps=10)
    found = find_sources([benchmark, run])
    assert [source.name for source in found.together] == ["x/all", "y/all"]
    assert [source.name for source in (*found.benchmarks, *found.fits, *found.evaluated)] == ["", "", ""]
    judged = write_judged(tmp_path / "judged", np.random.default_rng(0))
    assert [source.name for source in find_sources([run, judged]).evaluated] == ["all", "judged"]
    assert [source.name for source in find_sources([run]).together] == [""]


def test_the_gans_of_a_benchmark_begin_with_those_of_all_lesions(tmp_path):
    (benchmark,) = find_sources([write_benchmark(tmp_path)]).benchmarks
    assert [gan.name for gan in benchmark.gans] == ["fold1-seed0", "fold2-seed0"]


def test_the_grid_is_that_of_the_chosen_snapshot(tmp_path):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    (fit,) = find_sources([run]).fits
    assert fit.grid == run / "samples" / "000005.png"


@pytest.mark.parametrize(("name", "told"), [("empty", "holds nothing to report"), ("none", "no such folder")])
def test_a_folder_without_anything_is_refused_with_the_next_step(tmp_path, name, told):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=rf"{told}. Give the folder of a finished `augmentor fit`"):
        find_sources([tmp_path / name])


def test_a_damaged_file_is_named(tmp_path):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    for content in ("{", "null", '["chosen"]'):
        (run / "run.json").write_text(content)
        with pytest.raises(UsageError, match=r"run.json: is damaged"):
            find_sources([run]).shown[0].summary  # noqa: B018


@pytest.mark.parametrize(("name", "content"), [("summary.json", "{}"), ("results.csv", "a,b\n"), ("results.csv", "")])
def test_a_benchmark_that_holds_something_else_is_named(tmp_path, name, content):
    folder = write_benchmark(tmp_path / "benchmark")
    (folder / name).write_text(content)
    (benchmark,) = find_sources([folder]).benchmarks
    with pytest.raises(UsageError, match=f"{name}: is damaged"):
        _ = benchmark.summary, benchmark.results
