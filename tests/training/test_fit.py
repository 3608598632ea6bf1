import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import augmentor.training.fit as fitting
from augmentor.data.phantom import write_phantom
from augmentor.data.readers import read_lesions
from augmentor.errors import InterruptedFitError, UsageError
from augmentor.model.checkpoint import load_checkpoint, load_tensors
from augmentor.training.fit import fit, resume_fit
from augmentor.training.run import open_run
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A fit points runs/latest below the working folder, which is nobody's checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lesions(tmp_path):
    return write_set(tmp_path / "lesions")


def snapshots_of(run):
    return [m for m in run.metrics if m["kind"] == "snapshot"]


def test_a_run_folder_holds_what_was_promised(tmp_path, lesions, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = fit(lesions, tiny_recipe())
    assert {f.name for f in run.folder.iterdir()} == {
        *("checkpoints", "lesions.csv", "metrics.jsonl", "recipe.toml", "run.json", "samples", "splits.json")
    }
    assert [s["step"] for s in snapshots_of(run)] == [0, 2, 8]
    assert len(list(run.samples.glob("*.png"))) == len(list(run.checkpoints.glob("*.safetensors"))) == 3
    assert open_run(None).folder == run.folder
    assert run.chosen_checkpoint.exists()


def phantom_volumes(folder):
    write_phantom(folder, patients=6, per_class=6, size=16, dims=3)
    return read_lesions(folder)


def test_a_fit_of_volumes_with_masks_shows_both(tmp_path):
    lesions = phantom_volumes(tmp_path / "lesions")
    model = {"spatial_dims": 3, "with_mask": True}
    run = fit(lesions, tiny_recipe(model=model, training={"kimg": 0.016, "snapshots": 1}), tmp_path / "run")
    card = load_checkpoint(run.chosen_checkpoint)[1]
    assert (card.shape, card.spacing_mm) == ((1, 16, 16, 16), pytest.approx((0.8, 0.8, 0.8)))
    pictures = {f.relative_to(run.samples): Image.open(f) for f in run.samples.rglob("*.png")}
    assert len(pictures) == 4
    assert {picture.size for picture in pictures.values()} == {(12 * 16 + 4, 3 * 16)}
    mask = next(np.asarray(picture) for name, picture in pictures.items() if name.parts[0] == "masks")
    assert set(np.unique(mask)) == {0, 255}


@pytest.mark.parametrize(("dims", "told"), [(2, r"holds volumes \(16x16x16\).*--spatial-dims 3"), (3, "holds images")])
def test_lesions_of_other_dimensions_are_refused_with_what_to_do(tmp_path, lesions, dims, told):
    given = phantom_volumes(tmp_path / "volumes") if dims == 2 else lesions
    with pytest.raises(UsageError, match=told):
        fit(given, tiny_recipe(model={"spatial_dims": dims}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("model", "told"), [({"with_mask": True}, "no mask"), ({"condition_on": "size"}, "spacing")])
def test_lesions_without_what_the_model_asks_for_leave_no_folder(tmp_path, lesions, model, told):
    with pytest.raises(UsageError, match=told):
        fit(lesions, tiny_recipe(model=model), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_held_out_patients_are_not_trained_on(tmp_path, lesions):
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    train, held_out = (set(side.table["patient"]) for side in (run.training, run.held_out))
    assert train
    assert held_out
    assert not train & held_out
    assert len(run.training) + len(run.held_out) == len(lesions)


@pytest.mark.parametrize(
    ("mmd", "chosen"),
    [
        ((0.2, 0.1, 0.104, 0.2), 2),
        ((0.1, 0.2, 0.3, 0.2), 0),
        ((-0.1, -0.08, -0.097, 0.1), 2),
        ((0.3, 0.2, 0.11, 0.1), 3),
    ],
)
def test_of_the_snapshots_nearest_to_the_held_out_lesions_the_latest_is_chosen(
    tmp_path, lesions, monkeypatch, mmd, chosen
):
    given, measure = iter(mmd), fitting.Monitor.measure
    monkeypatch.setattr(fitting.Monitor, "measure", lambda *a: replace(measure(*a), mmd=next(given), by_heart=False))
    run = fit(lesions, tiny_recipe(training={"snapshots": 3, "kimg": 0.072}), tmp_path / "run")
    assert run.summary["chosen"] == snapshots_of(run)[chosen]["checkpoint"]


def test_of_many_lesions_every_seed_takes_the_same(tmp_path, lesions):
    """As `benchmark` does: two fits of one recipe, and its benchmark, are of one set."""
    recipes = [tiny_recipe(data={"max_per_class": 6}, training={"seed": seed, "kimg": 0.064}) for seed in (0, 1)]
    first, other = (fit(lesions, recipe, tmp_path / f"{i}").lesions for i, recipe in enumerate(recipes))
    assert max(first.counts().values()) == 6
    assert first.paths == other.paths


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
    assert [s["step"] for s in snapshots_of(resumed)] == [0, 2, 8]


def judged_as(monkeypatch, *by_heart):
    """The monitor's snapshots, one after another, get these marks."""
    marks, measure = iter(by_heart), fitting.Monitor.measure
    monkeypatch.setattr(
        fitting.Monitor, "measure", lambda *arguments: replace(measure(*arguments), by_heart=next(marks))
    )


def test_a_fit_ends_when_two_snapshots_in_a_row_know_the_lesions_by_heart(tmp_path, lesions, monkeypatch):
    judged_as(monkeypatch, False, True, False, True, True)
    run = fit(lesions, tiny_recipe(training={"snapshots": 8}), tmp_path / "run")
    assert len(snapshots_of(run)) == 5
    assert 0 < run.summary["steps"] < 8
    assert "by heart" in run.summary["stopped_early"]
    assert run.summary["chosen"] in {s["checkpoint"] for s in snapshots_of(run) if not s["by_heart"]}
    assert "by heart" in run.summary["chosen_because"]


def test_a_fit_that_reaches_its_end_was_not_stopped(tmp_path, lesions, monkeypatch):
    judged_as(monkeypatch, False, True, True)
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    assert run.summary["steps"] == 8
    assert run.summary["stopped_early"] is None


def test_a_run_that_was_killed_as_it_stopped_is_trained_no_further(tmp_path, lesions, monkeypatch):
    def killed(_under_way):
        raise OSError("power cut")

    judged_as(monkeypatch, False, True, True)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_finish", killed)
        with pytest.raises(OSError, match="power cut"):
            fit(lesions, tiny_recipe(training={"snapshots": 8}), tmp_path / "run")
    run = resume_fit(tmp_path / "run")
    assert len(snapshots_of(run)) == 3
    assert run.summary["stopped_early"]


def test_a_published_method_is_trained_to_its_end(tmp_path, lesions, monkeypatch):
    judged_as(monkeypatch, *[True] * 9)
    run = fit(lesions, tiny_recipe(model={"name": "plain-dcgan"}), tmp_path / "run")
    assert run.summary["steps"] == 8
    assert run.summary["stopped_early"] is None


@pytest.mark.parametrize("name", ["train_step", "state"])  # a step; a snapshot, which saves the state
def test_ctrl_c_in_the_last_step_or_snapshot_ends_the_run_and_says_that_it_was_heard(
    tmp_path, lesions, monkeypatch, name
):
    original = getattr(fitting.Trainer, name)

    def interrupted(trainer):
        if trainer.step == (7 if name == "train_step" else 8):
            signal.raise_signal(signal.SIGINT)
        return original(trainer)

    monkeypatch.setattr(fitting.Trainer, name, interrupted)
    with pytest.raises(InterruptedFitError, match="complete"):
        fit(lesions, tiny_recipe(), tmp_path / "run")
    assert open_run(tmp_path / "run").summary["steps"] == 8


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
    run = fit(read_lesions(tmp_path / "set", patient_pattern="<patient>_<anything>"), tiny_recipe(), tmp_path / "run")
    splits = json.loads((run.folder / "splits.json").read_text())
    assert not [p for side in splits.values() for p in side if "/test/" in p]
    assert len(run.training) + len(run.held_out) == 24


@pytest.mark.parametrize(("asked", "side"), [((), 16), (("--size", 20), 20)])
def test_the_command_fits_small_images_at_their_own_side_unless_told(augmentor, lesion_folder, tmp_path, asked, side):
    length = ("--kimg", 0.064, "--out", tmp_path / "run")
    outcome = augmentor("fit", "--data", lesion_folder, *length, *asked)
    assert outcome.code == 0
    assert open_run(tmp_path / "run").recipe.model.size == side
