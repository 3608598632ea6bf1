import json

import numpy as np
import pytest

from augmentor.data.readers import read_lesions
from augmentor.errors import UsageError
from augmentor.lettering import unframed
from augmentor.model.checkpoint import load_checkpoint
from augmentor.training.fit import fit
from augmentor.training.run import open_run
from tests.lesion_sets import phantom_volumes, tiny_recipe, write_set

pytestmark = pytest.mark.usefixtures("elsewhere")  # runs/ is one of the working folder


def test_a_run_folder_holds_what_was_promised(tmp_path, lesions, monkeypatch, snapshots_of):
    monkeypatch.chdir(tmp_path)
    run = fit(lesions, tiny_recipe())
    assert {f.name for f in run.folder.iterdir()} == {
        *("checkpoints", "lesions.csv", "metrics.jsonl", "recipe.toml", "run.json", "samples", "splits.json")
    }
    assert [s["step"] for s in snapshots_of(run)] == [0, 2, 8]
    assert len(list(run.samples.glob("*.png"))) == len(list(run.checkpoints.glob("*.safetensors"))) == 3
    assert open_run(None).folder == run.folder
    assert run.chosen_checkpoint.exists()


def test_a_fit_of_volumes_with_masks_shows_both(tmp_path):
    lesions = phantom_volumes(tmp_path / "lesions")
    model = {"spatial_dims": 3, "with_mask": True}
    run = fit(lesions, tiny_recipe(model=model, training={"kimg": 0.016, "snapshots": 1}), tmp_path / "run")
    card = load_checkpoint(run.chosen_checkpoint)[1]
    assert (card.shape, card.spacing_mm) == ((1, 16, 16, 16), pytest.approx((0.8, 0.8, 0.8)))
    pictures = {f.relative_to(run.samples): unframed(f) for f in run.samples.rglob("*.png")}
    assert len(pictures) == 4
    assert {picture.shape for picture in pictures.values()} == {(3 * 16, 12 * 16 + 4)}
    mask = next(picture for name, picture in pictures.items() if name.parts[0] == "masks")
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
