import shutil

import numpy as np
import pytest
from PIL import Image

from augmentor.data.readers import read_lesions
from augmentor.data.splits import holdout
from augmentor.errors import DataError, LeakageError, UsageError
from augmentor.evaluation.audit import audit
from augmentor.evaluation.sides import require_two_of_a_class, sides_of_run, sides_of_sets
from augmentor.sampling import sample
from augmentor.training import monitor
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture
def real(tmp_path):
    return write_set(tmp_path / "real", patients=6, per_patient=2)


@pytest.fixture
def made(tmp_path):
    return write_set(tmp_path / "made", patients=3, per_patient=3, seed=1)


def with_splits(lesions, splits):
    return lesions.__class__(lesions.table.assign(split=splits), lesions.source)


def test_without_a_split_the_patients_are_halved_and_it_is_said(real, made):
    sides = sides_of_sets(made, real)
    assert not sides.known
    assert sides.finished
    assert len(sides.synthetic) == 18
    assert len(sides.training) + len(sides.held_out) == len(sides.seen) == 24
    patients = [{p.rsplit("_", 1)[0] for p in side.paths} for side in (sides.training, sides.held_out)]
    assert not patients[0] & patients[1]
    assert "is not known" in sides.notes[0]
    assert sides.counts["synthetic"] == {"a": 9, "b": 9}


def test_a_split_tells_the_training_lesions(real, made):
    patients = real.table["patient"]
    training = patients.str.endswith(("0", "1", "2", "3"))
    sides = sides_of_sets(made, with_splits(real, np.where(training, "train", "test")))
    assert sides.known
    assert not sides.notes
    assert sides.training.paths == real.table["path"][training].tolist() == sides.seen.paths


def test_no_lesion_is_judged_that_chose_the_snapshot(real, tmp_path, monkeypatch):
    seen = set()
    monkeypatch.setattr(monitor, "sample", lambda *given: seen.update(given[2]) or sample(*given))
    run = fit(real, tiny_recipe(training={"seed": 1000}), tmp_path / "run", latest=False)
    judged = sides_of_run(run, 5, lambda *_: None).synthetic.seeds
    assert len(judged) == len(set(judged)) == 10
    assert seen
    assert not seen & set(judged)


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_what_a_split_leaves_open_counts_as_trained_on_as_a_fit_takes_it(real, made, held_out):
    last = real.table["patient"].str[-1].astype(int)
    split = np.select([last < 2, last < 4], ["train", ""], held_out)
    lesions = with_splits(real, split)
    sides = sides_of_sets(made, lesions)
    assert sides.known
    assert sides.seen.paths == sides.training.paths == lesions.rows(holdout(lesions, 0.0, 0)[0]).paths
    assert sides.held_out.paths == real.table["path"][split == held_out].tolist()


def test_copies_of_lesions_without_a_split_raise_the_alarm(tmp_path, real):
    last = real.table["patient"].str[-1].astype(int)
    lesions = with_splits(real, np.select([last < 2, last < 4], ["train", ""], "test"))
    for row in lesions.table[lesions.table["split"] == ""].itertuples():
        (tmp_path / "copied" / row.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(row.path, tmp_path / "copied" / row.label)
    found = audit(sides_of_sets(read_lesions(tmp_path / "copied"), lesions))
    assert found.near.all()
    assert found.alarm


def test_a_split_that_names_training_rows_alone_tells_nothing_of_the_others(real, made):
    assert not sides_of_sets(made, with_splits(real, ["train", ""] * 12)).known


def test_a_split_that_tears_a_patient_apart_is_refused(real, made):
    with pytest.raises(LeakageError):
        sides_of_sets(made, with_splits(real, ["train", "test"] * 12))


def test_a_set_of_test_lesions_alone_is_halved(real, made):
    assert not sides_of_sets(made, with_splits(real, ["test"] * 24)).known


def test_of_an_enlarged_set_each_side_takes_its_own(real, made):
    table = real.table.assign(origin=["real", "real", "synthetic"] * 8)
    both = real.__class__(table, real.source)
    assert len(sides_of_sets(both, real).synthetic) == 8
    assert len(sides_of_sets(made, both).seen) == 16


def test_images_and_volumes_are_not_compared(tmp_path, made):
    for label in "ab":
        (tmp_path / "volumes" / label).mkdir(parents=True)
        for number in range(4):
            np.save(tmp_path / "volumes" / label / f"p{number}.npy", np.full((16, 16, 16), number, np.uint8))
    volumes = read_lesions(tmp_path / "volumes", patient_pattern="<patient>")
    with pytest.raises(UsageError, match="--synthetic holds images and --real volumes"):
        sides_of_sets(made, volumes)
    np.save(tmp_path / "volumes" / "a" / "p9.npy", np.zeros((16, 16), np.uint8))
    with pytest.raises(DataError, match="different dimensions"):
        sides_of_sets(made, read_lesions(tmp_path / "volumes", patient_pattern="<patient>"))


def test_a_class_that_the_real_set_lacks_is_named(tmp_path, made):
    other = write_set(tmp_path / "three", classes=3)
    with pytest.raises(UsageError, match="has the class c, which --real lacks"):
        sides_of_sets(other, made)


def test_a_class_of_one_patient_can_not_be_halved(tmp_path, made):
    with pytest.raises(UsageError, match="two sides of real lesions"):
        sides_of_sets(made, write_set(tmp_path / "one", patients=1))


def test_sets_of_another_size_are_brought_to_the_synthetic_ones(tmp_path, made):
    sides = sides_of_sets(made, write_set(tmp_path / "large", size=40))
    assert sides.training.images.shape[1:] == sides.synthetic.images.shape[1:] == (1, 16, 16)


@pytest.mark.usefixtures("made")
def test_an_image_that_can_not_be_read_is_named(tmp_path, real):
    broken = tmp_path / "made" / "a" / "ap0_0.png"
    broken.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"ap0_0.png: can't be read"):
        sides_of_sets(read_lesions(tmp_path / "made", patient_pattern="<patient>_<anything>"), real)


def test_classes_that_were_not_made_are_left_out_and_it_is_said(real, made):
    one = made.rows((made.table["label"] == "a").to_numpy())
    sides = sides_of_sets(one, real)
    assert set(sides.seen.labels) == set(sides.held_out.labels) == {"a"}
    assert sides.notes[-1] == "Classes without synthetic lesions are left out: b."


def test_synthetic_lesions_do_not_stand_for_real_ones(real, made):
    called = made.__class__(made.table.assign(origin="synthetic"), made.source)
    assert len(sides_of_sets(called, real).synthetic) == len(made)
    with pytest.raises(UsageError, match="holds no real lesions"):
        sides_of_sets(made, called)


def test_a_table_that_calls_every_row_real_holds_no_synthetic_lesions(tmp_path, real):
    table = real.table[["path", "label", "patient"]]
    for name, origin in (("real", ["real"] * 24), ("open", ["real", ""] * 12)):
        table.assign(origin=origin).to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(UsageError, match=r"real\.csv: holds no synthetic lesions. Give another"):
        sides_of_sets(read_lesions(tmp_path / "real.csv"), real)
    assert len(sides_of_sets(read_lesions(tmp_path / "open.csv"), real).synthetic) == 24


def test_the_set_with_too_few_lesions_of_a_class_is_named(real, made):
    first = made.rows(~made.table["label"].duplicated().to_numpy())
    with pytest.raises(UsageError, match=r"--synthetic \(a: 1, b: 1\).*--real \(a: 6, b: 6\).*Give --synthetic more"):
        require_two_of_a_class(sides_of_sets(first, real))
    one_held_out = with_splits(real, np.where(np.arange(len(real)) < len(real) - 2, "train", "test"))
    require_two_of_a_class(sides_of_sets(made, one_held_out))
    few = one_held_out.rows(np.arange(len(real)) < len(real) - 1)
    with pytest.raises(UsageError, match=r"--real \(b: 1\).*Give --real more lesions whose split is test or val"):
        require_two_of_a_class(sides_of_sets(made, few))


def test_of_many_images_that_can_not_be_read_the_first_are_named(tmp_path, real, made):
    for file in sorted((tmp_path / "made" / "a").iterdir()):
        file.write_bytes(b"nothing")
    with pytest.raises(DataError) as told:
        sides_of_sets(made, real)
    assert len(told.value.problems) == 6
    assert told.value.problems[-1] == "... and 4 more such files."


def test_images_of_several_dtypes_in_a_set_are_refused_with_the_set_and_a_file(tmp_path, real, made):
    file = tmp_path / "made" / "a" / "ap0_0.png"
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(file)
    with pytest.raises(DataError, match=rf"{made.source}: Mixed dtypes: 17 of uint8, 1 of uint16 .*{file.name}"):
        sides_of_sets(made, real)


@pytest.mark.parametrize("side", ["training", "held_out"])
def test_a_run_of_which_an_image_was_changed_is_not_judged_on_either_side(tmp_path, real, side):
    run = fit(real, tiny_recipe(), tmp_path / "run", latest=False)
    changed = getattr(run, side).paths[0]
    Image.open(changed).transpose(Image.Transpose.ROTATE_90).save(changed)
    with pytest.raises(DataError, match="holds other pixels"):
        sides_of_run(run, 2, lambda *_: None)
