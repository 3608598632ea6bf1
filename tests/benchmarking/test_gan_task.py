"""Fitting a fold's GAN."""

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from augmentor.benchmarking import gan_task
from augmentor.benchmarking.failures import ChangedImageError
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask, fit_gan
from augmentor.data.preparing import prepare
from augmentor.data.splits import outer_folds
from augmentor.errors import InterruptedFitError
from augmentor.progress import Progress
from augmentor.training.run import Run
from tests.lesion_sets import tiny_recipe, write_set


def test_a_worker_that_computes_otherwise_fits_no_gan(tmp_path, monkeypatch):
    lesions = write_set(tmp_path / "lesions")
    task = GanTask(FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out"), "cgan")
    monkeypatch.setattr("augmentor.benchmarking.fold.arithmetic_of", lambda _recipe: "cuda, bfloat16")
    assert "This worker computes with cuda, bfloat16" in str(fit_gan(task, Progress()).error)
    assert not task.data.gan_folder("cgan").exists()


def test_ctrl_c_in_a_gan_ends_the_benchmark_as_it_ends_a_fit(tmp_path, monkeypatch):
    def stop(*_arguments, **_names):
        raise InterruptedFitError("Go on with `augmentor fit --resume`.")

    monkeypatch.setattr("augmentor.training.fit.fit", stop)
    lesions = write_set(tmp_path / "lesions")
    task = GanTask(FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out"), "cgan")
    with pytest.raises(InterruptedFitError, match=r"in the GAN of cgan, fold 1, seed 0; nothing is lost") as told:
        fit_gan(task, Progress())
    assert str(told.value).endswith("Go on with the same command and the same --out.")


@pytest.mark.parametrize("name", ["run.json", "splits.json", "lesions.csv"])
def test_a_damaged_file_of_one_gan_is_that_gans_failure(tmp_path, name):
    lesions = prepare(write_set(tmp_path / "lesions"), tiny_recipe()).lesions
    task = GanTask(FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out"), "cgan")
    assert fit_gan(task, Progress()).error is None
    assert {"kimg", "seconds", "discrimination"} <= set(fit_gan(task, Progress()).record)
    file = task.data.gan_folder("cgan") / name
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"{}"):
        file.write_bytes(content)
        found = fit_gan(task, Progress())
        assert f"{file}: is damaged" in str(found.error)
        assert f"remove the folder {file.parent} and start the same command again" in str(found.error)
        assert found.record["run"] == task.run


@pytest.mark.parametrize("gone", ["checkpoints", "chosen.safetensors", "chosen.json", "run.json"])
def test_a_gan_whose_folder_lacks_a_part_is_told_to_be_removed(tmp_path, gone):
    lesions = prepare(write_set(tmp_path / "lesions"), tiny_recipe()).lesions
    task = GanTask(FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out"), "cgan")
    assert fit_gan(task, Progress()).error is None
    folder = task.data.gan_folder("cgan")
    (folder / "pools").mkdir()  # as the cells leave it
    if gone == "checkpoints":
        shutil.rmtree(folder / gone)
    else:
        chosen = Run(folder).chosen_checkpoint
        (folder / gone if gone == "run.json" else chosen.with_suffix(f".{gone.split('.')[1]}")).unlink()
    told = str(fit_gan(task, Progress()).error)
    assert f"To make it anew, remove the folder {folder} and start the same command again." in told
    assert "--out" not in told
    shutil.rmtree(folder)
    assert fit_gan(task, Progress()).error is None


def test_no_gan_is_fitted_on_an_image_that_changed_since_the_start(tmp_path):
    lesions = prepare(write_set(tmp_path / "lesions"), tiny_recipe()).lesions
    task = GanTask(FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out"), "cgan")
    path = Path(task.data.train.paths[0])
    Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    with pytest.raises(ChangedImageError, match=f"{path}: holds other pixels"):
        fit_gan(task, Progress())
    assert not task.data.gan_folder("cgan").exists()


def test_folds_with_a_dot_in_their_names_do_not_wait_for_each_other(tmp_path, monkeypatch):
    locks = []
    monkeypatch.setattr(gan_task, "locked", lambda file: locks.append(file) or nullcontext())
    monkeypatch.setattr(gan_task, "fit_or_resume", lambda *_a, **_n: pytest.fail("not in this test"))
    lesions = write_set(tmp_path / "lesions")
    for name in ("1.0", "1.1"):
        fold = replace(outer_folds(lesions, 2, 0)[0], name=name)
        with pytest.raises(pytest.fail.Exception):
            fit_gan(GanTask(FoldData(lesions, fold, 0, tiny_recipe(), tmp_path), "cgan"), Progress())
    assert len(set(locks)) == 2
