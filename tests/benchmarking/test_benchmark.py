import json

import numpy as np
import pandas as pd
import pytest

import augmentor.benchmarking.benchmark as benchmarking
from augmentor.benchmarking.benchmark import benchmark
from augmentor.benchmarking.statistics import METRICS
from augmentor.data.lesions import Lesions
from augmentor.data.splits import Fold
from augmentor.errors import DataError, LeakageError, UsageError
from tests.lesion_sets import tiny_recipe, write_set


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


def test_the_images_that_are_read_for_training_are_those_that_are_told(tmp_path, monkeypatch):
    """The lists in cells/ are no mere claim: every image that a fold's GAN, screen or classifier reads is recorded."""
    read: list[tuple[str, list[str]]] = []
    for module in ("augmentor.training.fit", "augmentor.expansion.screen", "augmentor.benchmarking.crossval"):
        monkeypatch.setattr(f"{module}.load_images", _recording(module, read))
    lesions = write_set(tmp_path / "lesions")
    recipe = tiny_recipe(benchmark={"arms": ["classic+gan"], "classifiers": ["logistic"]})
    results = benchmark(lesions, recipe, tmp_path / "out")
    for cell, reads in zip(cells(results), _by_fold(read), strict=True):
        test = set(cell["test"])
        for module, paths in reads:
            if set(paths) != test:  # reading the test side as a whole is what predicting is
                assert not test & set(paths), module


def _recording(module: str, read: list):
    from augmentor.data.images import load_images

    def recorded(paths, *arguments, **names):
        read.append((module, list(paths)))
        return load_images(paths, *arguments, **names)

    return recorded


def _by_fold(read: list) -> list[list]:
    """A fold begins with its GAN's reading of training lesions, or with the classifier's."""
    half = len(read) // 2
    assert len(read) % 2 == 0
    return [read[:half], read[half:]]


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

    monkeypatch.setattr(benchmarking, "outer_folds", leaking)
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
        *("accuracy", "balanced_accuracy", "sensitivity", "specificity", "auc", "seconds"),
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
    assert summary["verdict"].endswith(".)")
    assert {c["verdict"] for c in summary["comparisons"]} <= {"gain", "none", "harm"}
    assert len(summary["comparisons"]) == 2 * 2 * len(METRICS)
    assert len(summary["arms"]) == 3 * 2 * len(METRICS)
    assert all(a["low"] <= a["mean"] <= a["high"] for a in summary["arms"])
    assert summary["data"]["patients"] == 18
    assert [f["fold"] for f in summary["fits"]] == ["1", "2"]


def test_an_output_folder_with_files_is_refused_before_anything_is_fitted(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="already holds files"):
        benchmark(lesions, tiny_recipe(), tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_the_four_verbs_of_the_readme(tmp_path, monkeypatch):
    """The Python example of the README, at a size for a test."""
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "lesions", patients=8)
    from augmentor import benchmark as measure
    from augmentor import evaluate, expand, fit, read_lesions

    lesions = read_lesions("lesions", patient_pattern="<patient>_<anything>")
    run = fit(lesions, tiny_recipe())
    fidelity = evaluate(run, per_class=10)
    enlarged = expand(run, factor=1)
    results = measure(lesions, tiny_recipe())
    assert fidelity.near_copies <= 1
    assert len(enlarged) == len(run.training)
    assert results.table["sensitivity"].between(0, 1).all()


def test_seeds_on_the_same_folds_are_no_further_patients():
    cells = [
        {"arm": arm, "classifier": "svm", "fold": fold, "seed": seed} | dict.fromkeys(METRICS, value + 0.01 * seed)
        for arm, value in (("classic", 0.5), ("classic+gan", 0.6))
        for fold in ("1", "2")
        for seed in range(3)
    ]
    table = pd.DataFrame(cells)
    repeated = benchmarking._scores(table, repeated=True)
    assert repeated["classic", "svm", "auc"] == pytest.approx([0.51, 0.51])
    assert len(benchmarking._scores(table, repeated=False)["classic", "svm", "auc"]) == 6


def test_a_fold_whose_gan_could_hold_nobody_out_is_told_before_anything_is_trained(tmp_path):
    lesions = write_set(tmp_path / "lesions", patients=2, per_patient=4)
    with pytest.raises(DataError, match="holds patients out"):
        benchmark(lesions, tiny_recipe(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_arm_that_got_too_few_lesions_says_so(tmp_path, monkeypatch):
    def short(_run, wanted, _seed):
        images = np.zeros((1, 1, 16, 16), np.float32)
        return images, [next(iter(wanted))]

    monkeypatch.setattr("augmentor.benchmarking.crossval.synthesise", short)
    recipe = tiny_recipe(benchmark={"arms": ["classic", "classic+gan"], "classifiers": ["logistic"]})
    results = benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert len([w for w in results.summary["data"]["warnings"] if "passed the screen" in w]) == 2
    assert results.table["n_synthetic"].tolist() == [0, 1, 0, 1]


def test_the_papers_dcgan_is_an_arm_like_any_other(tmp_path):
    recipe = tiny_recipe(benchmark={"arms": ["classic", "classic+dcgan"], "classifiers": ["logistic"]})
    results = benchmark(write_set(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert {f["model"] for f in results.summary["fits"]} == {"dcgan"}
    assert all(run["run"].endswith("-dcgan") for run in results.summary["fits"])
    assert "classic+dcgan" in results.summary["verdict"]
