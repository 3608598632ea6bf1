"""One fold's two sides and its GAN's lesions; what a cell makes of them is in test_benchmark.py."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.cells import Spec
from augmentor.benchmarking.failures import ChangedImageError
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask, fit_gan
from augmentor.benchmarking.pool import pool
from augmentor.data.check import inspect
from augmentor.data.readers import read_lesions
from augmentor.data.splits import holdout, outer_folds
from augmentor.errors import UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.model.checkpoint import load_card
from augmentor.model.gan import METHODS
from augmentor.progress import Progress
from augmentor.training.run import Run
from tests.lesion_sets import tiny_recipe, write_set


def sixteen_bit(lesions, times=16):
    """The same lesions as 16-bit files, their values so many times as large."""
    for path in lesions.paths:
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * times).save(path)
    return read_lesions(lesions.source, patient_pattern="<patient>_<anything>")


def brighten(path, value):
    pixels = np.array(Image.open(path))
    pixels[0, 0] = value
    Image.fromarray(pixels).save(path)


def test_a_folds_real_and_synthetic_lesions_are_on_one_scale(tmp_path):
    lesions = sixteen_bit(write_set(tmp_path / "lesions", patients=9))
    fold = outer_folds(lesions, 2, 0)[0]
    brightest = lesions.rows(fold.train).paths[holdout(lesions.rows(fold.train), 0.2, 0)[1][0]]
    brighten(brightest, 9000)  # in a patient whom the GAN holds out
    data = FoldData(sixteen_bit(lesions, times=1), fold, 0, tiny_recipe(), tmp_path)
    assert fit_gan(GanTask(data, "cgan"), Progress()).error is None
    run = Run(data.gan_folder("cgan"))
    own, whole = load_card(run.chosen_checkpoint).intensity, data._train_images[1]
    assert own.high < whole.high == 9000
    (synthetic, _), _ = data.synthetic("cgan", 2.0, "off")
    made, _ = pool(run, wanted_counts(data.train.counts(), 2.0), 0, "off")
    stored = [(x + 1) / 2 * (i.high - i.low) + i.low for x, i in ((synthetic, whole), (made, own))]
    np.testing.assert_allclose(*stored, atol=0.5)


def by_patient_split(lesions, **of):
    """The lesions with a split; of: a split -> the numbers of its patients, the others train."""
    splits = {number: name for name, numbers in of.items() for number in numbers}
    column = [splits.get(patient.partition("p")[2], "train") for patient in lesions.table["patient"]]
    return replace(lesions, table=lesions.table.assign(split=column))


def test_val_rows_without_test_rows_change_nothing_of_what_a_fold_holds_out(tmp_path):
    plain = write_set(tmp_path / "lesions")
    brought = by_patient_split(plain, val="0")
    for fold in outer_folds(brought, 3, 0):
        data, known = (FoldData(lesions, fold, 0, tiny_recipe(), tmp_path) for lesions in (brought, plain))
        held = data.train.rows(holdout(data.train, 0.25, 0)[1])
        assert held.counts() == {"a": 2, "b": 2}  # of four patients a class, two images each
        assert data.gan_key("cgan") == known.gan_key("cgan")
        specs = [CellTask(d, Spec("classic+gan", "svm", fold.name, 0, 3.0)) for d in (data, known)]
        assert specs[0].key == specs[1].key


def test_val_rows_beside_test_rows_are_the_ones_held_out(tmp_path):
    brought = by_patient_split(write_set(tmp_path / "lesions"), val="01", test="5")
    (fold,) = outer_folds(brought, None, 0)
    data = FoldData(brought, fold, 0, tiny_recipe(), tmp_path)
    _, held = holdout(data.train, 0.25, 0)
    assert set(data.train.rows(held).table["patient"]) == {"ap0", "ap1", "bp0", "bp1"}
    unsplit = FoldData(replace(brought, table=brought.table.assign(split="")), fold, 0, tiny_recipe(), tmp_path)
    assert data.gan_key("cgan") != unsplit.gan_key("cgan")


def test_files_that_were_rewritten_since_are_read_anew(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    fold = outer_folds(lesions, 2, 0)[0]

    def test_images():
        return FoldData(inspect(lesions).lesions, fold, 0, tiny_recipe(), tmp_path).test_images

    before = test_images()
    brighten(lesions.rows(fold.test).paths[0], 255)
    changed = (test_images() != before).any((1, 2, 3))
    assert changed.tolist() == [True] + [False] * (len(before) - 1)


def test_a_bright_test_lesion_is_cut_off_at_the_training_range_and_moves_no_other(tmp_path):
    lesions = sixteen_bit(write_set(tmp_path / "lesions"))
    fold = outer_folds(lesions, 2, 0)[0]
    before, after = [], []
    for images in (before, after):
        images.extend(FoldData(inspect(lesions).lesions, fold, 0, tiny_recipe(), tmp_path).test_images)
        brighten(lesions.rows(fold.test).paths[0], 60_000)
    np.testing.assert_array_equal(after[1:], before[1:])
    assert after[0][0, 0, 0] == 1.0
    assert np.median(after[0]) == np.median(before[0])


@pytest.mark.parametrize("grafts", [False, True])
def test_a_model_is_asked_for_sizes_where_it_starts_from_lesions(tmp_path, monkeypatch, grafts):
    monkeypatch.setitem(METHODS, "cgan", replace(METHODS["cgan"], grafts=grafts))
    lesions = write_set(tmp_path / "lesions")
    recipe = tiny_recipe(model={"condition_on": "size"})
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, recipe, tmp_path)
    assert data.gan_recipe("cgan").model.condition_on == ("size" if grafts else None)
    assert data.gan_recipe("dcgan").model.condition_on is None


def test_how_lesions_were_cut_does_not_bring_a_gan_under_one_key_with_another_recipe(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    fold = outer_folds(lesions, 2, 0)[0]
    recipes = tiny_recipe(), tiny_recipe(extract={"margin": 3.0})
    data = [FoldData(lesions, fold, 0, recipe, tmp_path) for recipe in recipes]
    assert data[0].gan_key("cgan") == data[1].gan_key("cgan")
    assert data[0].gan_recipe("cgan").hash() == data[1].gan_recipe("cgan").hash()


def test_each_seed_has_a_gan_of_its_own(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    fold = outer_folds(lesions, 2, 0)[0]
    one, other = (FoldData(lesions, fold, seed, tiny_recipe(), tmp_path) for seed in (0, 3))
    assert [data.gan_recipe("cgan").training.seed for data in (one, other)] == [0, 3]
    assert one.gan_key("cgan") != other.gan_key("cgan")


@pytest.mark.parametrize("name", ["augmentor", "torch", "numpy"])
def test_a_worker_with_other_code_or_libraries_is_told_what_to_do(tmp_path, monkeypatch, name):
    lesions = write_set(tmp_path / "lesions")
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path)
    data.require_like_here()
    here = data.software[name]
    monkeypatch.setattr("augmentor.benchmarking.fold.software", lambda: data.software | {name: "9.9"})
    with pytest.raises(UsageError, match="restart the workers") as told:
        data.require_like_here()
    assert f"in: {name} 9.9 (there {here}). Install" in str(told.value)


@pytest.mark.parametrize("side", ["train", "test"])
def test_an_image_that_changed_since_the_start_is_not_taken_for_the_one_of_the_keys(tmp_path, side):
    lesions = inspect(write_set(tmp_path / "lesions")).lesions
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path)
    path = getattr(data, side).paths[0]
    brighten(path, 255)
    with pytest.raises(ChangedImageError, match=f"{path}: holds other pixels than when the benchmark was started"):
        _ = data.real, data.test_images


def test_an_image_that_changed_is_told_although_its_fold_was_read_before(tmp_path):
    lesions = inspect(write_set(tmp_path / "lesions")).lesions
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path)
    images = data.real[0]
    data.require_unchanged()
    brighten(data.train.paths[0], 255)
    np.testing.assert_array_equal(data.real[0], images)  # what is in memory is what the keys are of
    with pytest.raises(ChangedImageError):
        data.require_unchanged()
