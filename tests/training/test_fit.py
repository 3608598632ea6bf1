import json
import signal

import pytest

import augmentor.training.fit as fitting
from augmentor.errors import InterruptedFitError, UsageError
from augmentor.model.checkpoint import load_tensors
from augmentor.training.fit import fit, resume_fit
from augmentor.training.run import open_run
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture
def lesions(tmp_path):
    return write_set(tmp_path / "lesions")


def test_a_run_folder_holds_what_was_promised(tmp_path, lesions, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = fit(lesions, tiny_recipe())
    assert {f.name for f in run.folder.iterdir()} == {
        *("checkpoints", "lesions.csv", "metrics.jsonl", "recipe.toml", "run.json", "samples", "splits.json")
    }
    snapshots = [m for m in run.metrics if m["kind"] == "snapshot"]
    assert [s["step"] for s in snapshots] == [0, 4, 8]
    assert len(list(run.samples.glob("*.png"))) == len(list(run.checkpoints.glob("*.safetensors"))) == 3
    assert open_run(None).folder == run.folder
    assert run.chosen_checkpoint.exists()


def test_held_out_patients_are_not_trained_on(tmp_path, lesions):
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    train, held_out = (set(side.table["patient"]) for side in (run.training, run.held_out))
    assert train
    assert held_out
    assert not train & held_out
    assert len(run.training) + len(run.held_out) == len(lesions)


def test_the_snapshot_is_chosen_by_the_held_out_lesions(tmp_path, lesions):
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    best = min((m for m in run.metrics if m["kind"] == "snapshot"), key=lambda m: m["mmd"])
    assert run.summary["chosen"] == best["checkpoint"]


def test_without_a_holdout_all_lesions_are_trained_on_and_the_last_snapshot_is_taken(tmp_path, lesions):
    run = fit(lesions, tiny_recipe(training={"holdout": 0}), tmp_path / "run")
    assert len(run.training) == len(lesions)
    assert run.summary["chosen"] == "0000008.safetensors"


@pytest.mark.parametrize("stop", [3, 4, 6])
def test_an_interrupted_fit_goes_on_to_the_same_weights(tmp_path, lesions, monkeypatch, stop):
    whole = fit(lesions, tiny_recipe(), tmp_path / "whole")
    step = fitting.Trainer.train_step

    def interrupted(trainer):
        if trainer.step == stop - 1:  # Ctrl-C in the middle of a step
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    monkeypatch.setattr(fitting.Trainer, "train_step", interrupted)
    with pytest.raises(InterruptedFitError, match="--resume"):
        fit(lesions, tiny_recipe(), tmp_path / "halted")
    monkeypatch.setattr(fitting.Trainer, "train_step", step)
    resumed = resume_fit(tmp_path / "halted")
    for file in whole.checkpoints.glob("*.safetensors"):
        ours, theirs = load_tensors(file), load_tensors(resumed.checkpoints / file.name)
        assert all((ours[k] == theirs[k]).all() for k in ours)
    assert [m["step"] for m in resumed.metrics if m["kind"] == "snapshot"] == [0, 4, 8]


def test_an_aborted_start_leaves_no_folder(tmp_path, lesions, monkeypatch):
    def broken(*_arguments):
        raise OSError("disk full")

    monkeypatch.setattr(fitting, "save_grid", broken)
    with pytest.raises(OSError, match="disk full"):
        fit(lesions, tiny_recipe(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_few_held_out_lesions_for_a_measure_choose_the_last_snapshot(tmp_path):
    lesions = write_set(tmp_path / "lesions", classes=3, patients=5, per_patient=1)
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    assert run.summary["mmd"] is None
    assert run.summary["chosen"] == "0000008.safetensors"


def test_a_finished_run_is_not_resumed_and_an_unfinished_one_not_expanded(tmp_path, lesions, monkeypatch):
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    with pytest.raises(UsageError, match="finished"):
        resume_fit(run.folder)
    (run.folder / "run.json").unlink()
    with pytest.raises(UsageError, match="has not ended"):
        open_run(run.folder)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no unfinished run"):
        resume_fit()


def test_test_rows_of_a_brought_split_are_on_neither_side(tmp_path):
    write_set(tmp_path / "set" / "train")
    write_set(tmp_path / "set" / "test", patients=2, seed=1)
    for file in (tmp_path / "set" / "test").rglob("*.png"):
        file.rename(file.with_name("t" + file.name))
    from augmentor.data.readers import read_lesions

    run = fit(read_lesions(tmp_path / "set", patient_pattern="<patient>_<anything>"), tiny_recipe(), tmp_path / "run")
    splits = json.loads((run.folder / "splits.json").read_text())
    assert not [p for side in splits.values() for p in side if "/test/" in p]
    assert len(run.training) + len(run.held_out) == 24
