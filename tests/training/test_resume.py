"""`fit_or_resume`: what a benchmark that was killed does with the fold it was in."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.errors import DataError, InterruptedFitError, UsageError
from augmentor.model.checkpoint import load_tensors, save_tensors
from augmentor.training.fit import fit, fit_or_resume, resume_fit
from augmentor.training.loop import Trainer
from augmentor.training.run import Run, at_work_in
from tests.lesion_sets import phantom_volumes, tiny_recipe, write_set


def kill_at(step: int, lesions, out, monkeypatch, recipe=None) -> Run:
    """A fit whose process ended before its run.json was written."""
    before = Trainer.train_step

    def killed(trainer):
        if trainer.step == step:
            raise SystemExit
        return before(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(SystemExit):
            fit(lesions, recipe or tiny_recipe(), out, latest=False)
    return Run(out)


def test_no_folder_is_fitted_and_a_finished_run_is_returned_as_it_is(tmp_path, lesions):
    run = fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    written = {f: f.stat().st_mtime_ns for f in run.folder.rglob("*")}
    again = fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    assert again.folder == run.folder
    assert {f: f.stat().st_mtime_ns for f in run.folder.rglob("*")} == written


def test_a_killed_fit_goes_on_from_its_last_snapshot_to_the_same_weights(tmp_path, lesions, monkeypatch):
    whole = fit(lesions, tiny_recipe(), tmp_path / "whole", latest=False)
    killed = kill_at(6, lesions, tmp_path / "killed", monkeypatch)
    assert killed.resumable
    assert not killed.finished
    resumed = fit_or_resume(lesions, tiny_recipe(), tmp_path / "killed")
    ours, theirs = (load_tensors(run.checkpoints / "0000008.safetensors") for run in (whole, resumed))
    assert all((ours[k] == theirs[k]).all() for k in ours)
    assert resumed.finished


def test_a_fit_killed_before_its_first_snapshot_is_fitted_anew(tmp_path, lesions, monkeypatch):
    killed = kill_at(0, lesions, tmp_path / "run", monkeypatch)
    killed.state.rename(killed.state.with_name(killed.state.name + ".part"))
    (killed.folder / "splits.json").rename(killed.folder / "splits.json.12345.part")
    run = fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    assert run.finished
    assert not list(run.folder.rglob("*.part"))


def test_a_fit_cut_short_before_its_first_snapshot_is_told_with_the_way_on(tmp_path, lesions, monkeypatch):
    killed = kill_at(0, lesions, tmp_path / "run", monkeypatch)
    killed.state.unlink()
    with pytest.raises(UsageError, match=r"cut short before its first snapshot.*Remove the folder"):
        fit(lesions, tiny_recipe(), tmp_path / "run")
    with pytest.raises(UsageError, match="Remove the folder, then start one without --resume"):
        resume_fit(tmp_path / "run")
    assert killed.folder.exists()


def _begin(out, lesions):
    return fit(lesions, tiny_recipe(), out)


def _go_on_or_begin(out, lesions):
    return fit_or_resume(lesions, tiny_recipe(), out)


def _go_on(out, _lesions):
    return resume_fit(out)


@pytest.mark.parametrize(("step", "ways"), [(6, [_go_on, _go_on_or_begin]), (0, [_begin, _go_on_or_begin])])
def test_a_run_at_which_another_process_works_is_left_to_it(step, ways, tmp_path, lesions, monkeypatch):
    run = kill_at(step, lesions, tmp_path / "run", monkeypatch)
    if not step:  # as before its first snapshot
        run.state.unlink()
    before = {f: f.read_bytes() for f in run.folder.rglob("*") if f.is_file()}
    with at_work_in(run.folder):
        for way in ways:
            with pytest.raises(UsageError, match="a fit is at work in this folder"):
                way(run.folder, lesions)
    assert {f: f.read_bytes() for f in run.folder.rglob("*") if f.is_file()} == before
    assert _go_on_or_begin(run.folder, lesions).finished
    assert not run.lock.exists()


@pytest.mark.parametrize(("name", "told"), [(None, "fit of {out}"), ("GAN of fold 1", "GAN of fold 1")])
@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_names_what_it_interrupted_and_the_same_command(tmp_path, lesions, monkeypatch, begun, name, told):
    def stop(*_arguments, **_names):
        raise InterruptedFitError("Go on with `augmentor fit --resume`.")

    monkeypatch.setattr(f"augmentor.training.fit.{'resume_fit' if begun else 'fit'}", stop)
    monkeypatch.setattr("augmentor.training.fit._require_same", lambda *_: None)
    out = tmp_path / "run"
    if begun:
        (out / "checkpoints").mkdir(parents=True)
        for file in (Run(out).state, Run(out).state.with_suffix(".json")):
            file.touch()
    with pytest.raises(InterruptedFitError) as error:
        fit_or_resume(lesions, tiny_recipe(), out, name)
    assert str(error.value) == (
        f"Interrupted in the {told.format(out=out)}; nothing is lost. Go on with the same command and the same --out."
    )


def test_a_folder_that_no_fit_left_is_not_removed(tmp_path, lesions):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="already holds files"):
        fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    assert (tmp_path / "run" / "thesis.txt").exists()


def test_what_is_left_of_a_run_is_told_to_be_removed_and_no_other_folder_is_advised(tmp_path, lesions):
    run = fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    (run.folder / "run.json").unlink()
    (run.folder / "note.txt").touch()
    with pytest.raises(UsageError, match=r"whose run\.json is missing") as told:
        fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    assert str(told.value).endswith(f"remove the folder {run.folder} and start the same command again.")
    assert (run.folder / "note.txt").exists()


def test_a_run_by_another_recipe_or_of_other_lesions_is_not_taken_for_this_one(tmp_path, lesions):
    fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    with pytest.raises(UsageError, match=r"another recipe \(training\.seed is 0 there and 1 here\)"):
        fit_or_resume(lesions, tiny_recipe(training={"seed": 1}), tmp_path / "run")
    with pytest.raises(UsageError, match="other lesions"):
        fit_or_resume(lesions.rows(range(0, len(lesions), 2)), tiny_recipe(), tmp_path / "run")


def test_a_run_of_a_file_that_has_changed_since_is_not_taken_for_this_one(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    other = Image.open(lesions.paths[0]).transpose(Image.Transpose.ROTATE_90)
    other.save(lesions.paths[0])
    with pytest.raises(UsageError, match="other lesions"):
        fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")


@pytest.mark.parametrize(("column", "value"), [("roi_side_mm", "31.5"), ("mask", "masks/0.png")])
def test_a_run_of_lesions_of_other_sizes_or_masks_is_not_taken_for_this_one(tmp_path, lesions, column, value):
    fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    changed = replace(lesions, table=lesions.table.assign(**{column: value}))
    with pytest.raises(UsageError, match="other lesions"):
        fit_or_resume(changed, tiny_recipe(), tmp_path / "run")


def test_a_fit_does_not_go_on_with_images_that_have_changed(tmp_path, monkeypatch):
    lesions = write_set(tmp_path / "lesions")
    killed = kill_at(6, lesions, tmp_path / "run", monkeypatch).folder
    Image.open(lesions.paths[0]).transpose(Image.Transpose.ROTATE_90).save(lesions.paths[0])
    with pytest.raises(DataError, match=f"{lesions.paths[0]}: holds other pixels than when {killed}"):
        resume_fit(tmp_path / "run")


@pytest.fixture
def masked(tmp_path):
    """Volumes with masks, and a recipe for them."""
    return phantom_volumes(tmp_path / "lesions"), tiny_recipe(model={"spatial_dims": 3, "with_mask": True})


def turn_a_mask(lesions) -> str:
    """The path of the lesion whose mask shows another place afterwards."""
    mask = nibabel.load(lesions.table["mask"].iloc[0])
    nibabel.save(nibabel.Nifti1Image(np.roll(np.asarray(mask.dataobj), 3, axis=0), mask.affine), mask.get_filename())
    return lesions.paths[0]


def test_a_run_of_masks_that_have_changed_since_is_not_taken_for_this_one(tmp_path, masked):
    lesions, recipe = masked
    run = fit_or_resume(lesions, recipe, tmp_path / "run")
    assert fit_or_resume(lesions, recipe, tmp_path / "run").folder == run.folder
    turned = turn_a_mask(lesions)
    with pytest.raises(UsageError, match="of lesions with other masks"):
        fit_or_resume(lesions, recipe, tmp_path / "run")
    with pytest.raises(DataError, match=f"{turned}: its mask shows another lesion than when"):
        run.require_unchanged()


def test_another_machines_arithmetic_makes_no_other_recipe_where_it_is_left_open(tmp_path, lesions, monkeypatch):
    monkeypatch.setattr("augmentor.model.gan.computes_in_bfloat16", lambda *_: False)
    run = fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    monkeypatch.setattr("augmentor.model.gan.computes_in_bfloat16", lambda *_: True)
    assert fit_or_resume(lesions, tiny_recipe(), tmp_path / "run").folder == run.folder
    with pytest.raises(UsageError, match=r"training\.precision is 32-true there and bf16-mixed here"):
        fit_or_resume(lesions, tiny_recipe(training={"precision": "bf16-mixed"}), tmp_path / "run")


def test_volumes_begun_in_bfloat16_elsewhere_go_on_here_in_float32_alone(tmp_path, masked, monkeypatch):
    lesions, recipe = masked
    killed = kill_at(6, lesions, tmp_path / "run", monkeypatch, recipe)
    begun = (killed.folder / "recipe.toml").read_text()
    (killed.folder / "recipe.toml").write_text(begun.replace('"32-true"', '"bf16-mixed"'))
    with pytest.raises(UsageError, match=r"bf16-mixed, in which a CPU.s gradients.*--resume --device cpu"):
        resume_fit(killed.folder)
    assert resume_fit(killed.folder, device="cpu").finished


def test_latest_moves_only_where_it_is_asked_to(tmp_path, lesions, monkeypatch):
    fit_or_resume(lesions, tiny_recipe(), tmp_path / "run")
    for latest in (False, True):
        killed = kill_at(6, lesions, tmp_path / f"killed-{latest}", monkeypatch)
        resume_fit(killed.folder, latest=latest)
        assert (tmp_path / "runs" / "latest").exists() == latest


def test_a_run_begun_by_another_version_is_refused_and_kept(tmp_path, lesions, monkeypatch):
    run = kill_at(3, lesions, tmp_path / "run", monkeypatch)
    kept = {name: value for name, value in load_tensors(run.state).items() if name != "generator.reach"}
    save_tensors(run.state, kept)
    before = run.state.read_bytes()
    with pytest.raises(UsageError, match=r"run: was begun by another version.*Start a new run"):
        resume_fit(run.folder)
    assert run.state.read_bytes() == before


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_damaged_state_is_told_with_what_leads_on(tmp_path, lesions, monkeypatch, suffix):
    killed = kill_at(6, lesions, tmp_path / "run", monkeypatch)
    file = killed.state.with_suffix(suffix)
    file.write_bytes(file.read_bytes()[:10])
    with pytest.raises(UsageError, match=r"state to go on from is damaged\. Remove the folder .*run and start again"):
        resume_fit(killed.folder)


@pytest.mark.parametrize(
    ("lost", "held"),
    [
        (lambda _: b"", 0),
        (lambda lines: lines[0][:40], 0),
        (lambda lines: b"\0" * len(lines[0]) + b"}\n" + lines[-1], 0),
        (lambda lines: b"".join(line for line in lines if b"snapshot" not in line), 0),
        (lambda lines: b"".join(lines[: max(at for at, line in enumerate(lines) if b"snapshot" in line)]), 1),
        (None, 0),
    ],
    ids=["empty", "cut in its first line", "zeros", "no snapshot", "without the last one", "no file"],
)
def test_a_fit_does_not_go_on_where_the_record_of_a_snapshot_is_lost(tmp_path, lesions, monkeypatch, lost, held):
    run = kill_at(6, lesions, tmp_path / "run", monkeypatch)
    if lost:
        run.metrics_file.write_bytes(lost(run.metrics_file.read_bytes().splitlines(keepends=True)))
    else:
        run.metrics_file.unlink()
    before = {f: f.read_bytes() for f in run.folder.rglob("*") if f.is_file()}
    told = (
        rf"metrics\.jsonl: is damaged \(it holds the records of {held} of the 2 snapshots.*Remove the folder .*run and"
    )
    with pytest.raises(UsageError, match=told):
        resume_fit(run.folder)
    assert {f: f.read_bytes() for f in run.folder.rglob("*") if f.is_file()} == before


def test_a_checkpoint_that_no_state_has_passed_is_no_sign_of_damage(tmp_path, lesions, monkeypatch):
    """That of a snapshot in which the fit was killed; by the clock the next one can come at a later step."""
    run = kill_at(6, lesions, tmp_path / "run", monkeypatch)
    for suffix in (".safetensors", ".json"):
        (run.checkpoints / f"0000001{suffix}").write_bytes((run.checkpoints / f"0000000{suffix}").read_bytes())
    with run.metrics_file.open("a") as file:
        file.write('{"kind": "snap')  # cut as it was written
    assert resume_fit(run.folder).finished


def test_a_fit_whose_state_does_not_count_its_snapshots_goes_on_if_the_first_is_on_record(
    tmp_path, lesions, monkeypatch
):
    """As those that an earlier version began."""
    run = kill_at(6, lesions, tmp_path / "run", monkeypatch)
    state = run.state.with_suffix(".json")
    state.write_text(json.dumps({"seconds": json.loads(state.read_text())["seconds"]}))
    metrics = run.metrics_file.read_text()
    run.metrics_file.write_text("")
    with pytest.raises(UsageError, match="the records of 0 of the 1 snapshots"):
        resume_fit(run.folder)
    run.metrics_file.write_text(metrics)
    assert resume_fit(run.folder).finished


def test_a_fit_does_not_go_on_without_its_images_and_says_where_it_needs_them(tmp_path, monkeypatch):
    lesions = write_set(tmp_path / "lesions")
    run = kill_at(6, lesions, tmp_path / "run", monkeypatch)
    (tmp_path / "lesions").rename(tmp_path / "elsewhere")
    told = rf"{lesions.paths[0]}: no such file .*{run.folder} needs its images where they were when it was fitted"
    with pytest.raises(DataError, match=told):
        resume_fit(run.folder)
    (tmp_path / "lesions").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert resume_fit(run.folder).finished
