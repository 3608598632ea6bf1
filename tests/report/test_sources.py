"""Which folders a report is made from."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from augmentor.errors import UsageError
from augmentor.report.html import report
from augmentor.report.sources import _OF_A_BENCHMARK, find_sources
from tests.report.fake import write_benchmark, write_enlarged, write_judged, write_reading, write_run
from tests.report.page import Page
from tests.report.undrawn import undrawn_figures


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


@pytest.mark.parametrize("name", ["run.json", "splits.json", "lesions.csv", "recipe.toml", "metrics.jsonl"])
def test_a_gan_that_cant_be_read_is_left_out_of_its_benchmarks_page_which_says_so(tmp_path, name):
    folder = write_benchmark(tmp_path / "benchmark")
    file = folder / "gans" / "fold1-seed0" / name
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.rindex(b"\n") // 2 + 10] if name == "lesions.csv" else b"[}\n")
    (benchmark,) = find_sources([folder]).benchmarks
    assert [gan.folder.name for gan in benchmark.gans] == ["fold2-seed0"]
    (told,) = benchmark.left_out
    assert str(file) in told
    with undrawn_figures():
        page = report([folder], folder).read_text()
    assert "The GAN that it belongs to is left out" in page


FOREIGN = {
    "metrics.jsonl": '{"loss": 0.9}\n{"loss": 0.8}\n',
    "score.json": '{"accuracy": 0.9}',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_tool_beside_our_folders_is_passed_over(tmp_path, name):
    """Only its name is like that of ours."""
    write_enlarged(tmp_path / "expanded")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text(FOREIGN[name])
    found = find_sources([tmp_path])
    assert (len(found.enlarged), found.fits, found.readings) == (1, [], [])
    assert report([tmp_path], tmp_path / "report").exists()
    with pytest.raises(UsageError, match="holds nothing to report"):
        find_sources([tmp_path / "other"])


OF_OUR_NAMES = {  # the file that gives another program away, and all that the program left
    "evaluation.json": {"evaluation.json": '{"accuracy": 0.9}'},
    "score.json": {"score.json": '{"accuracy": 0.9}', "key.json": "{}"},
    "summary.json": {"summary.json": '{"accuracy": 0.9}', "results.csv": "arm,classifier,fold,seed\n"},
    "results.csv": {"results.csv": "accuracy\n0.9\n"},
    "metrics.jsonl": {"metrics.jsonl": '{"loss": 0.9}\n', "recipe.toml": ""},
    "dataset_description.json": {"dataset_description.json": "[]", "manifest.csv": ""},
    "check.json": {"check.json": "[]"},
}


@pytest.fixture
def study(tmp_path):
    """Gives a function that makes a folder with an enlarged set of ours and the files of another program beside it."""

    def make(name: str):
        (tmp_path / "study" / "other").mkdir(parents=True)
        if name == "results.csv":
            write_benchmark(tmp_path / "study" / "other", ("classic",), ("logistic",), gans=False)
        for file, content in OF_OUR_NAMES[name].items():
            (tmp_path / "study" / "other" / file).write_text(content)
        write_enlarged(tmp_path / "study" / "expanded")
        return tmp_path / "study"

    return make


@pytest.mark.parametrize("name", OF_OUR_NAMES)
def test_another_programs_folder_beside_ours_is_left_out_with_a_warning(study, tmp_path, name):
    """All files by which a kind of ours is known are there, and hold something else."""
    folder = study(name)
    found = find_sources([folder, folder])
    kinds = (found.benchmarks, found.fits, found.enlarged, found.readings, found.checks, found.judged)
    assert [len(kind) for kind in kinds] == [0, 0, 1, 0, 0, 0]
    (warning,) = found.left_out
    assert f"other/{name}: is damaged" in warning
    assert "left out of the report; if another program wrote it, nothing is missing" in warning
    page = Page(report([folder], tmp_path / "report"))
    assert any(warning in text for _, text in page.texts)
    assert "Synthetic lesions of expanded" in [text for tag, text in page.texts if tag == "h1"]


def test_a_run_whose_recipe_is_another_programs_is_left_out_with_a_warning(study):
    folder = study("metrics.jsonl")
    (folder / "other" / "metrics.jsonl").write_text('{"kind": "step", "kimg": 0.1}\n')
    (folder / "other" / "recipe.toml").write_text("[flour]\ngrams = 500\n")
    found = find_sources([folder])
    assert (len(found.enlarged), found.fits) == (1, [])
    (warning,) = found.left_out
    assert "other/recipe.toml" in warning


@pytest.mark.parametrize("name", OF_OUR_NAMES)
def test_another_programs_folder_that_was_given_itself_is_an_error(study, tmp_path, name):
    with pytest.raises(UsageError, match=rf"{name}: is damaged"):
        report([study(name) / "other"], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_where_everything_is_left_out_the_error_says_why(study):
    folder = study("evaluation.json")
    shutil.rmtree(folder / "expanded")
    with pytest.raises(UsageError, match=r"holds nothing to report.*evaluation.json: is damaged \(no spaces in it\)"):
        find_sources([folder])


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("evaluation.json", {"accuracy": 0.9}),
        ("score.json", {"accuracy": 0.9}),
        ("summary.json", {"data": {}, "verdict": "none"}),
    ],
)
def test_a_file_that_lacks_what_a_page_tells_is_named(tmp_path, name, left):
    home = {
        "evaluation.json": lambda: write_judged(tmp_path / "here", np.random.default_rng(0)),
        "score.json": lambda: write_reading(tmp_path / "here"),
        "summary.json": lambda: write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False),
    }[name]()
    (home / name).write_text(json.dumps(left))
    with pytest.raises(UsageError, match=rf"{name}: is damaged \(no "):
        report([home], tmp_path / "report")


@pytest.mark.parametrize("name", _OF_A_BENCHMARK)
def test_a_summary_that_lacks_a_part_is_told_by_name(tmp_path, name):
    folder = write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False)
    summary = json.loads((folder / "summary.json").read_text())
    del summary[name]
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UsageError, match=rf"summary.json: is damaged \(no {name} in it\)"):
        report([folder], tmp_path / "report")


@pytest.mark.parametrize("content", ['{"loss": 0.9}\n', "{no}\n"])
def test_damaged_metrics_are_named(tmp_path, content):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    (run / "metrics.jsonl").write_text(content)
    with pytest.raises(UsageError, match=r"metrics.jsonl: is damaged"):
        report([run], tmp_path / "report")
