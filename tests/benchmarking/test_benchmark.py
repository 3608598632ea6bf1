import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import augmentor.benchmarking.benchmark as benchmarking
from augmentor.benchmarking import cell_task, gan_task, summary
from augmentor.benchmarking.benchmark import benchmark
from augmentor.benchmarking.design import Design
from augmentor.benchmarking.networks import NETWORKS
from augmentor.benchmarking.scores import METRICS
from augmentor.benchmarking.workers import run_tasks
from augmentor.data.lesions import Lesions
from augmentor.data.splits import Fold
from augmentor.errors import AugmentorError, DataError, LeakageError, UsageError
from augmentor.progress import Progress
from augmentor.report.sources import _OF_A_BENCHMARK
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    lesions = write_set(folder / "lesions", classes=3)
    return lesions, benchmark(lesions, tiny_recipe(), folder / "out")


def cells(results) -> list[dict]:
    return [json.loads(f.read_text()) for f in sorted((results.folder / "cells").glob("*.json"))]


def test_no_test_patients_image_reaches_the_gan_the_expansion_or_the_classifier(finished):
    lesions, results = finished
    patient = dict(zip(lesions.table["path"], lesions.table["patient"], strict=True))
    for cell in cells(results):
        tested = {patient[p] for p in cell["test"]}
        for used in ("train", "gan_train", "gan_held_out"):
            assert not tested & {patient[p] for p in cell[used]}
        assert set(cell["gan_train"]) | set(cell["gan_held_out"]) <= set(cell["train"])
        assert bool(cell["gan_train"]) == (cell["arm"] == "classic+gan")


def test_how_long_it_takes_is_told_while_anything_is_open(finished):
    class Told(Progress):
        def say(self, line):
            lines.append(line)

    lesions, results = finished
    lines: list[str] = []
    benchmark(lesions, tiny_recipe(), results.folder, Told())
    assert any(line.endswith("GAN fits.") and "done before" in line for line in lines)
    next((results.folder / "cells").glob("*.json")).unlink()
    lines.clear()
    benchmark(lesions, tiny_recipe(), results.folder, Told())
    assert any(line.endswith("by a short probe.") for line in lines)


@pytest.mark.slow
def test_the_images_that_are_read_for_training_are_those_that_are_told(tmp_path, monkeypatch):
    """The lists in cells/ are no mere claim: every image that a fold's GAN, screen or classifier reads is recorded."""
    read: dict[str, list[tuple[str, set[str]]]] = {"1": [], "2": []}
    current = []
    for module in ("training.under_way", "expansion.screen", "benchmarking.fold", "benchmarking.auto"):
        _record(monkeypatch, f"augmentor.{module}", lambda *one: read[current[0]].append(one) if current else None)
    for name in ("fit_gan", "run_cell"):
        _note_fold(monkeypatch, name, current)
    few = {"arms": ["classic+gan", "auto"], "classifiers": ["logistic"], "screen": "light"}
    results = benchmark(write_set(tmp_path / "lesions"), tiny_recipe(benchmark=few), tmp_path / "out")
    for cell in cells(results):
        test, told = set(cell["test"]), set(cell["train"])
        readers = {"augmentor.training.under_way", "augmentor.benchmarking.auto"}
        assert {module for module, _ in read[cell["fold"]]} >= readers
        for module, paths in read[cell["fold"]]:
            # Reading the test side as a whole is what predicting is, and only the cell itself may do it.
            assert paths <= told or (paths == test and module == "augmentor.benchmarking.fold")


def _record(monkeypatch, module: str, record) -> None:
    from augmentor.data.squares import load_images

    def recorded(paths, *arguments, **names):
        record(module, set(paths))
        return load_images(paths, *arguments, **names)

    monkeypatch.setattr(f"{module}.load_images", recorded)


def _note_fold(monkeypatch, name: str, current: list[str]) -> None:
    """While a task runs, `current` holds its fold."""
    original = getattr(benchmarking, name)

    def noted(task, progress):
        current[:] = [task.data.fold.name]
        try:
            return original(task, progress)
        finally:
            current.clear()

    monkeypatch.setattr(benchmarking, name, noted)


def test_the_longest_tasks_go_first(tmp_path, monkeypatch):
    """Else a worker would be alone with one of them at the end: `auto` trains nine times as long as `classic`."""
    asked: list[list[str]] = []

    def recorded(function, tasks, *arguments):
        asked.append([task.spec.arm if hasattr(task, "spec") else task.model for task in tasks])
        if hasattr(tasks[0], "spec"):
            raise KeyboardInterrupt  # the order is known: the cells need not be computed
        return run_tasks(function, tasks, *arguments)

    monkeypatch.setattr(benchmarking, "run_tasks", recorded)
    recipe = tiny_recipe(benchmark={"arms": ["classic", "auto"], "classifiers": ["logistic"]})
    with pytest.raises(KeyboardInterrupt):
        benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert asked == [["cgan"] * 2, ["auto"] * 2 + ["classic"] * 2]


@pytest.mark.parametrize("column", ["patient", "content"])
def test_a_leaking_split_is_refused(tmp_path, monkeypatch, column):
    """This test fails if the guard is removed: the split below puts a test patient (or picture) into training."""
    lesions = write_set(tmp_path / "lesions")

    def leaking(given: Lesions, _count, _seed):
        table = given.table
        first = table.index[table["patient"] == table["patient"].iloc[0]].to_numpy()
        rest = table.index.difference(first).to_numpy()
        if column == "content":
            given.table.loc[rest[0], "content"] = table["content"].iloc[first[0]]
            return [Fold("1", rest, first)]
        return [Fold("1", table.index.difference(first[:1]).to_numpy(), first[:1])]

    monkeypatch.setattr("augmentor.benchmarking.design.outer_folds", leaking)
    with pytest.raises(LeakageError, match=column):
        benchmark(lesions, tiny_recipe(), tmp_path / "out")
    assert not (tmp_path / "out" / "gans").exists()
    assert not (tmp_path / "out" / "cells").exists()


def test_there_is_a_row_a_cell_and_a_prediction_an_image_and_cell(finished):
    lesions, results = finished
    table = pd.read_csv(results.folder / "results.csv")
    assert len(table) == 3 * 2 * 2
    assert table.columns.tolist() == [
        *("arm", "classifier", "fold", "seed", "factor", "n_real", "n_synthetic"),
        *(*METRICS, "seconds"),
    ]
    predictions = pd.read_csv(results.folder / "predictions.csv")
    assert len(predictions) == len(lesions) * 3 * 2
    assert predictions.groupby(["arm", "classifier"])["path"].nunique().eq(len(lesions)).all()
    assert predictions.filter(like="p_").sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)


def test_only_the_gan_arm_has_synthetic_lesions_and_the_real_ones_are_the_same_everywhere(finished):
    _, results = finished
    table = results.table
    assert table.groupby("fold")["n_real"].nunique().eq(1).all()
    synthetic = table.groupby("arm")["n_synthetic"].sum()
    assert synthetic["real"] == synthetic["classic"] == 0


def test_the_summary_has_what_the_report_and_a_reader_need(finished):
    _, results = finished
    summary = json.loads((results.folder / "summary.json").read_text())
    assert set(_OF_A_BENCHMARK) == set(summary) - {"command"}
    assert "2 folds x 1 seed" in summary["verdict"]
    assert {c["verdict"] for c in summary["comparisons"]} <= {"gain", "none", "harm"}
    assert len(summary["comparisons"]) == 2 * 2 * len(METRICS)
    assert len(summary["arms"]) == 3 * 2 * len(METRICS)
    assert len(summary["by_patient"]) == 2 * 2 * len(METRICS)
    assert all(a["low"] <= a["mean"] <= a["high"] for a in summary["arms"])
    assert summary["data"]["patients"] == 18
    assert [f["fold"] for f in summary["fits"]] == ["1", "2"]


def test_the_verdict_is_about_arms_with_synthetic_lesions_alone(finished):
    _, results = finished
    assert "real" in {c["arm"] for c in results.summary["comparisons"]}
    assert "classic+gan with" in results.summary["verdict"]
    assert "real with" not in results.summary["verdict"]


def test_the_test_share_of_three_even_folds_is_a_half():
    folds = [Fold(str(i), np.arange(8), np.arange(4)) for i in range(3)]
    assert summary._test_share(Design({0: folds, 1: folds}, [], [])) == 0.5


def test_the_command_is_the_one_that_was_given_and_none_from_python(finished, tmp_path):
    lesions, results = finished
    assert "command" not in results.summary
    shutil.copytree(results.folder, tmp_path / "out")
    typed = "augmentor benchmark --data lesions"
    assert benchmark(lesions, tiny_recipe(), tmp_path / "out", command=typed).summary["command"] == typed


def test_the_folder_of_a_fit_is_no_benchmarks(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    run = fit(lesions, tiny_recipe(), tmp_path / "run", latest=False)
    before = (run.folder / "recipe.toml").read_text()
    with pytest.raises(UsageError, match="already holds files"):
        benchmark(lesions, tiny_recipe(), run.folder)
    assert (run.folder / "recipe.toml").read_text() == before


def test_the_same_lesions_under_another_name_are_the_same_cells(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    few = {"arms": ["classic", "classic+gan"], "classifiers": ["logistic"]}
    for path in ("lesions", "./lesions/"):
        results = benchmark(lesions, tiny_recipe(benchmark=few, data={"path": path}), tmp_path / "out")
        few |= {"arms": ["classic", "classic+gan", "gan-only"]}
    assert not results.summary["failed"]
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 6


def test_a_split_that_is_not_used_is_told(tmp_path):
    lesions, told = write_set(tmp_path / "lesions"), "it has val rows and no test rows"
    recipe = tiny_recipe(benchmark={"arms": ["classic"], "classifiers": ["logistic"]})
    for patient, split, unused in (("", "train", False), ("0", "val", True), ("1", "test", False)):
        lesions.table.loc[lesions.table["patient"].str[2:] == patient, "split"] = split
        warnings = benchmark(lesions, recipe, tmp_path / split).summary["data"]["warnings"]
        assert sum(told in line for line in warnings) == unused
        [few] = [line for line in warnings if "no verdict is possible" in line]
        assert ("drop the test split" in few) == (split == "test")


def test_an_output_folder_with_files_is_refused_before_anything_is_fitted(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="already holds files"):
        benchmark(lesions, tiny_recipe(), tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_folder_in_which_one_was_killed_as_it_began_is_taken(tmp_path, monkeypatch):
    """After its lock and before its recipe, or in the middle of it."""
    out, begun = tmp_path / "out", []
    out.mkdir()
    for name in (".lock", "benchmark.toml.0123456789abcdef.part"):
        (out / name).touch()
    monkeypatch.setattr(benchmarking, "_complete", lambda started, _: begun.append(started.out))
    benchmark(write_set(tmp_path / "lesions"), tiny_recipe(), out)
    assert begun == [out]


def test_the_four_verbs_of_the_readme(tmp_path, monkeypatch):
    """The Python example of the README, at a size for a test."""
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "lesions", patients=8)
    from augmentor import benchmark as measure
    from augmentor import evaluate, expand, read_lesions

    lesions = read_lesions("lesions", patient_pattern="<patient>_<anything>")
    run = fit(lesions, tiny_recipe())
    fidelity = evaluate(run, per_class=10)
    enlarged = expand(run, factor=1)
    results = measure(lesions, tiny_recipe())
    assert fidelity.near_copies <= 1
    assert len(enlarged) == len(run.training)
    assert results.table["sensitivity"].between(0, 1).all()


def test_a_fold_whose_gan_could_hold_nobody_out_is_told_before_anything_is_trained(tmp_path):
    lesions = write_set(tmp_path / "lesions", patients=2, per_patient=4)
    with pytest.raises(DataError, match="holds patients out"):
        benchmark(lesions, tiny_recipe(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_arm_that_got_too_few_lesions_says_so(tmp_path, monkeypatch):
    def short(_run, wanted, _seed, _screen):
        images = np.zeros((1, 1, 16, 16), np.float32)
        return images, [next(iter(wanted))]

    monkeypatch.setattr("augmentor.benchmarking.pool.synthesise", short)
    recipe = tiny_recipe(benchmark={"arms": ["classic", "classic+gan"], "classifiers": ["logistic"]})
    results = benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert len([w for w in results.summary["data"]["warnings"] if "passed the screen" in w]) == 2
    assert results.table["n_synthetic"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("model", ["dcgan", "acgan"])
def test_the_papers_gans_are_arms_like_any_other(tmp_path, model):
    recipe = tiny_recipe(benchmark={"arms": ["classic", f"classic+{model}"], "classifiers": ["logistic"]})
    results = benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert {f["model"] for f in results.summary["fits"]} == {model}
    assert f"classic+{model}" in results.summary["verdict"]


ALL_ARMS = ("real", "classic", "resampled", "mixup", "classic+gan", "gan-only", "pretrain-gan", "auto")


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All arms of one GAN, with both curves."""
    folder = tmp_path_factory.mktemp("everything")
    more = {"arms": ALL_ARMS, "synthetic_curve": [0.5, 2], "real_curve": [4]}
    lesions = write_set(folder / "lesions", patients=8)
    return lesions, benchmark(lesions, tiny_recipe(benchmark=more), folder / "out")


@pytest.mark.slow
def test_a_gan_is_fitted_once_for_all_arms_of_a_fold_and_once_a_size_of_the_real_curve(everything):
    _, results = everything
    assert sorted((f["fold"], f["per_class"] or 0) for f in results.summary["fits"]) == [
        ("1", 0), ("1", 4), ("2", 0), ("2", 4),
    ]  # fmt: skip


@pytest.mark.slow
def test_every_arm_has_the_lesions_that_its_name_says(everything):
    _, results = everything
    table = results.table[results.table["fold"] == "1"].set_index(["arm", "classifier"])
    real = table.loc[("classic", "paper-cnn"), "n_real"]
    counts = {arm: tuple(table.loc[(arm, "paper-cnn"), ["n_real", "n_synthetic"]]) for arm in ALL_ARMS}
    assert counts["real"] == counts["mixup"] == (real, 0)
    assert counts["resampled"] == (3 * real, 0)
    assert counts["classic+gan"] == counts["pretrain-gan"] == (real, 2 * real)
    assert counts["gan-only"] == (0, 2 * real)
    assert ("pretrain-gan", "logistic") not in table.index  # an estimator can't be trained in two stages


@pytest.mark.slow
def test_the_curves_have_a_point_a_size(everything):
    _, results = everything
    curves = results.summary["curves"]
    assert [p["synthetic"] for p in curves["synthetic"]] == [0.5, 2.0]
    assert [p["real"] for p in curves["real"]] == [4, None]


@pytest.mark.slow
def test_auto_tells_what_it_tried_and_where_it_chose_none_it_is_classic(everything):
    _, results = everything
    found = {(c["arm"], c["classifier"], c["fold"]): c for c in cells(results) if c["per_class"] is None}
    for (arm, classifier, fold), cell in found.items():
        if arm == "auto":
            assert cell["chosen"]["tried"][0]["factor"] == 1
            if cell["chosen"]["factor"] == 1:
                assert cell["probabilities"] == found["classic", classifier, fold]["probabilities"]
                assert cell["n_synthetic"] == 0


@pytest.mark.slow
def test_a_second_start_computes_nothing_again_and_says_the_same(everything, monkeypatch):
    lesions, results = everything
    _forbid_computing(monkeypatch)
    recipe = tiny_recipe(benchmark=results.summary["recipe"]["benchmark"])
    again = benchmark(lesions, recipe, results.folder)
    same = ("verdict", "arms", "comparisons", "by_patient", "curves", "mcnemar", "choices", "fits")
    assert {k: again.summary[k] for k in same} == {k: results.summary[k] for k in same}


def test_another_arm_computes_only_itself(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    first = {"arms": ["classic"], "classifiers": ["logistic"]}
    benchmark(lesions, tiny_recipe(benchmark=first), tmp_path / "out")
    before = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "out" / "cells").iterdir()}
    more = first | {"arms": ["real", "classic"]}
    results = benchmark(lesions, tiny_recipe(benchmark=more), tmp_path / "out")
    after = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "out" / "cells").iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(after) == 4
    assert len(results.table) == 4


def test_a_gan_is_fitted_for_open_cells_alone(tmp_path, monkeypatch):
    lesions, out = write_set(tmp_path / "lesions"), tmp_path / "out"
    first = {"arms": ["classic", "classic+gan"], "classifiers": ["logistic"]}
    whole = benchmark(lesions, tiny_recipe(benchmark=first), out)
    assert len(whole.summary["fits"]) == 2
    shutil.rmtree(out / whole.summary["fits"][0]["run"])
    with monkeypatch.context() as patch:
        patch.setattr("augmentor.training.under_way.build_gan", lambda *_: pytest.fail("no cell needs it"))
        more = first | {"arms": ["real", "classic", "classic+gan"]}
        results = benchmark(lesions, tiny_recipe(benchmark=more), out)
    assert len(results.table) == 6
    assert results.summary["fits"] == whole.summary["fits"][1:]
    assert (out / "embedding.csv").exists()  # of the fold whose GAN is there
    another = first | {"classifiers": ["logistic", "svm"]}
    fits = benchmark(lesions, tiny_recipe(benchmark=another), out).summary["fits"]
    assert [f["run"] for f in fits] == [f["run"] for f in whole.summary["fits"]]


@pytest.mark.parametrize("arm", ["classic", "classic+gan"])
def test_an_image_that_changes_on_the_way_ends_a_benchmark_and_fails_no_arm(tmp_path, monkeypatch, arm):
    lesions, out = write_set(tmp_path / "lesions"), tmp_path / "out"

    def change(*_arguments):
        for path in lesions.paths:
            Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
        return 0.0

    monkeypatch.setattr(benchmarking.Probe, "cell", change)
    recipe = tiny_recipe(benchmark={"arms": [arm], "classifiers": ["logistic"]})
    with pytest.raises(DataError, match="holds other pixels than when the benchmark was started"):
        benchmark(lesions, recipe, out)
    assert not list(out.rglob("cells/*.json"))
    assert not (out / "summary.json").exists()
    assert not (out / "gans").exists() or not [f for f in (out / "gans").iterdir() if f.is_dir()]


def _forbid_computing(monkeypatch) -> None:
    def refuse(*_arguments, **_names):
        raise AssertionError("this was computed before")

    monkeypatch.setattr("augmentor.benchmarking.cell_task.train_classifier", refuse)
    monkeypatch.setattr("augmentor.training.under_way.build_gan", refuse)


def test_a_failed_cell_is_recorded_and_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    original = cell_task.train_classifier

    def broken(name, *arguments, **names):
        if name == "svm":
            raise ValueError("no convergence")
        return original(name, *arguments, **names)

    lesions = write_set(tmp_path / "lesions")
    recipe = tiny_recipe(benchmark={"arms": ["real", "classic"], "classifiers": ["logistic", "svm"]})
    with monkeypatch.context() as patch:
        patch.setattr(cell_task, "train_classifier", broken)
        results = benchmark(lesions, recipe, tmp_path / "out")
    assert len(results.table) == 4
    assert [f["classifier"] for f in results.summary["failed"]] == ["svm"] * 4
    assert all("no convergence" in f["error"] for f in results.summary["failed"])
    mended = benchmark(lesions, recipe, tmp_path / "out")  # failed cells are tried again
    assert len(mended.table) == 8
    assert mended.summary["failed"] == []


def test_a_classifier_that_can_not_be_built_fails_its_own_cells_alone(tmp_path, monkeypatch):
    """The probe of the costs tries it before any cell is computed."""

    def out_of_memory(*_):
        raise torch.OutOfMemoryError("Tried to allocate 8 GiB")

    monkeypatch.setitem(NETWORKS, "cnn", replace(NETWORKS["cnn"], build=out_of_memory))
    recipe = tiny_recipe(benchmark={"arms": ["classic"], "classifiers": ["logistic", "cnn"]})
    results = benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert results.table["classifier"].tolist() == ["logistic"] * 2
    assert [f["classifier"] for f in results.summary["failed"]] == ["cnn"] * 2
    assert all("Tried to allocate 8 GiB" in f["error"] for f in results.summary["failed"])


def test_a_gan_that_fails_fails_its_cells_and_no_others(tmp_path, monkeypatch):
    def broken(*_arguments, **_names):
        raise ValueError("no memory")

    monkeypatch.setattr("augmentor.benchmarking.gan_task.fit_or_resume", broken)
    recipe = tiny_recipe(benchmark={"arms": ["classic", "classic+gan"], "classifiers": ["logistic"]})
    results = benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert results.table["arm"].tolist() == ["classic", "classic"]
    assert all("no memory" in f["error"] for f in results.summary["failed"])
    assert all("no memory" in f["error"] for f in results.summary["fits"])


@pytest.mark.parametrize(("module", "broken"), [(gan_task, "fit_or_resume"), (cell_task, "train_classifier")])
def test_a_full_disk_ends_a_benchmark_and_fails_no_arm(tmp_path, monkeypatch, module, broken):
    def full(*_arguments, **_names):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, broken, full)
    recipe = tiny_recipe(benchmark={"arms": ["classic", "classic+gan"], "classifiers": ["logistic"]})
    with pytest.raises(OSError, match="No space left"):
        benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_gan_that_fails_in_one_fold_is_told_by_the_verdict_and_beside_its_arm(tmp_path, monkeypatch):
    original = gan_task.fit_or_resume

    def broken(lesions, recipe, folder, **names):
        if folder.name.startswith("fold3-"):
            raise ValueError("no memory")
        return original(lesions, recipe, folder, **names)

    monkeypatch.setattr(gan_task, "fit_or_resume", broken)
    asked = {"folds": 3, "arms": ["classic", "classic+gan"], "classifiers": ["logistic"]}
    summary = benchmark(write_set(tmp_path / "lesions"), tiny_recipe(benchmark=asked), tmp_path / "out").summary
    assert "too few folds are left" in summary["verdict"]
    assert "2 of 3 cells" in summary["verdict"]
    assert {(row["arm"], row.get("failed")) for row in summary["arms"]} == {("classic", None), ("classic+gan", 1)}
    assert {(row["cells"], row["test_sets"]) for row in summary["comparisons"]} == {(2, 2)}


def test_a_benchmark_in_which_everything_fails_says_so(tmp_path, monkeypatch):
    def broken(*_arguments, **_names):
        raise ValueError("no memory")

    monkeypatch.setattr("augmentor.benchmarking.cell_task.train_classifier", broken)
    recipe = tiny_recipe(benchmark={"arms": ["classic"], "classifiers": ["logistic"]})
    with pytest.raises(AugmentorError, match="no memory"):
        benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")


KILLED = """
import os, signal, sys
from pathlib import Path
from augmentor.benchmarking import benchmark as module
from augmentor.data.readers import read_lesions
from augmentor.recipe import load_recipe
original, seen = module.{function}, []
def dying(task, progress):
    seen.append(task)
    if len(seen) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(task, progress)
module.{function} = dying
lesions = read_lesions("lesions", patient_pattern="<patient>_<anything>")
module.benchmark(lesions, load_recipe(Path("recipe.toml")), Path("out"))
"""


THREE_ARMS = tiny_recipe(benchmark={"arms": ["classic", "classic+gan", "auto"], "classifiers": ["logistic"]})


@pytest.fixture(scope="module")
def uninterrupted(made_once):
    """The table of the benchmark that the next test kills."""

    def fill(folder):
        benchmark(write_set(folder / "lesions"), THREE_ARMS, folder / "out").table.to_pickle(folder / "table.pkl")

    return pd.read_pickle(made_once("uninterrupted", fill) / "table.pkl")


@pytest.mark.slow
@pytest.mark.parametrize(("function", "at", "kept"), [("fit_gan", 2, 0), ("run_cell", 4, 3)])
def test_a_killed_benchmark_goes_on_and_ends_as_if_it_had_not_been(tmp_path, uninterrupted, function, at, kept):
    lesions, recipe = write_set(tmp_path / "lesions"), THREE_ARMS
    recipe.save(tmp_path / "recipe.toml")
    command = [sys.executable, "-c", KILLED.format(function=function, at=at)]
    killed = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) == kept
    resumed = benchmark(lesions, recipe, tmp_path / "out")
    columns = resumed.table.columns.difference(["seconds"])
    pd.testing.assert_frame_equal(resumed.table[columns], uninterrupted[columns])
    assert len(list((tmp_path / "out" / "cells").glob("*.json"))) == 6


@pytest.mark.slow
def test_two_workers_give_what_one_gives(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    few = {"arms": ["classic", "classic+gan"], "classifiers": ["logistic"], "screen": "light"}
    one = benchmark(lesions, tiny_recipe(benchmark=few), tmp_path / "one")
    two = benchmark(lesions, tiny_recipe(benchmark=few | {"workers": 2}), tmp_path / "two")
    columns = one.table.columns.difference(["seconds"])
    pd.testing.assert_frame_equal(one.table[columns], two.table[columns])


@pytest.mark.slow
def test_on_a_cluster_a_killed_workers_cells_are_computed_by_another_each_once(cluster, tmp_path):
    address, workers = cluster
    lesions = write_set(tmp_path / "lesions")
    few = {"arms": ["real", "classic", "classic+gan"], "classifiers": ["logistic", "svm"]}
    out = tmp_path / "out"
    killer = Thread(target=_kill_after_cells, args=(out / "cells", 2, workers[0]))
    killer.start()
    results = benchmark(lesions, tiny_recipe(benchmark=few | {"scheduler": address}), out)
    killer.join()
    assert workers[0].poll() is not None
    assert workers[1].poll() is None
    found = cells(results)
    names = [(c["arm"], c["classifier"], c["fold"], c["seed"]) for c in found]
    assert len(names) == len(set(names)) == 3 * 2 * 2
    assert not results.summary["failed"]
    alone = benchmark(lesions, tiny_recipe(benchmark=few), tmp_path / "alone")
    columns = alone.table.columns.difference(["seconds"])
    pd.testing.assert_frame_equal(results.table[columns], alone.table[columns])


def _kill_after_cells(folder: Path, count: int, worker: subprocess.Popen) -> None:
    while len(list(folder.glob("*.json"))) < count:
        time.sleep(0.05)
    worker.kill()
