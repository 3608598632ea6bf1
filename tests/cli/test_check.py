"""`check`, and what every command that reads lesions from --data says of them: exit code 2, and a message with
the value, the rule and the next step."""

import json

import numpy as np
import pytest

from augmentor.data.preparing import prepare
from augmentor.data.splits import holdout
from augmentor.errors import UsageError
from tests.cli.files import noise, save

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(params=["check", "fit", "benchmark"])
def reading(request, augmentor):
    """A command that reads lesions from --data, with the patients in the file names unless told otherwise."""
    return lambda data, *more: augmentor(
        request.param, "--data", data, *(more or ("--patient-pattern", "<patient>_<n>"))
    )


def test_an_empty_folder_is_refused_with_the_layout_that_is_asked_for(reading, tmp_path):
    (tmp_path / "void").mkdir()
    outcome = reading(tmp_path / "void")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "void", "holds no images", "void/<class>/<image>")


def test_a_path_that_does_not_exist_is_named(reading):
    outcome = reading("nowhere/lesions")
    assert outcome.code == 2
    assert outcome.says("nowhere/lesions: no such file or folder", "Give --data a folder by class")


def test_a_set_of_one_class_is_refused_with_what_to_add(reading, tmp_path):
    for patient in range(3):
        save(tmp_path / f"set/cyst/p{patient}_0.png", noise(16, 16 + patient))
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "set", "one class, 'cyst'", "Add a folder or a label")


def test_every_class_of_one_patient_is_named_with_its_images(reading, tmp_path):
    for label in ("cyst", "nevus"):
        for number in range(3):
            save(tmp_path / f"set/{label}/{label}_{number}.png", noise(16, 16 + number, len(label))[..., 0])
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says("Class 'cyst' has 1 patient (3 images)", "Class 'nevus' has 1 patient", "add patients")


def test_a_missing_column_is_named_beside_those_that_are_there(reading, tmp_path):
    (tmp_path / "set.csv").write_text("file,kind\n1.png,cyst\n")
    outcome = reading(tmp_path / "set.csv")
    assert outcome.code == 2
    assert outcome.says("set.csv: has no column for label", "Its columns are file, kind", "--columns label=NAME")


def test_a_column_that_is_asked_for_and_missing_is_named_with_what_it_is_for(reading, tmp_path):
    (tmp_path / "set.csv").write_text("file,label\n1.png,cyst\n")
    outcome = reading(tmp_path / "set.csv", "--columns", "path=roi")
    assert outcome.code == 2
    assert outcome.says("no column 'roi' (wanted for path)", "Its columns are file, label")


def test_an_image_of_the_table_that_does_not_exist_is_named_by_its_path(reading, tmp_path):
    (tmp_path / "set.csv").write_text("path,label\ngone.png,cyst\n")
    outcome = reading(tmp_path / "set.csv", "--columns", "path=path")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "gone.png", "no such file", "Correct the path")


def test_a_text_file_named_png_is_named_as_no_image(reading, lesion_folder):
    (lesion_folder / "a" / "ap0_9.png").write_text("no image")
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says(lesion_folder / "a/ap0_9.png", "can't be read as an image", "Replace the file or leave it out")


def test_a_truncated_png_is_named_as_no_image(reading, lesion_folder):
    file = lesion_folder / "b" / "bp1_0.png"
    file.write_bytes(file.read_bytes()[:-40])
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says(file, "can't be read as an image", "Replace the file or leave it out")


def test_the_nans_of_a_nifti_are_counted_and_its_file_named(reading, tmp_path):
    for label in ("cyst", "nevus"):
        for patient in range(3):
            save(
                tmp_path / f"set/{label}/{label}{patient}_0.nii", noise(8, 8 + patient, len(label))[..., 0].astype("f4")
            )
    save(tmp_path / "set/cyst/cyst0_1.nii", np.full((8, 8), np.nan, np.float32))
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "set/cyst/cyst0_1.nii", "64 pixels are NaN or infinite", "Repair or leave it out")


def test_mixed_channel_counts_are_counted_with_an_example(reading, lesion_folder):
    save(lesion_folder / "a" / "ap0_9.png", noise(16, 16, 3))
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says("Mixed channel counts: 24 of 1, 1 of 3 (for example ", "convert the smaller part")


def test_a_file_that_does_not_fit_the_patient_pattern_is_named(reading, lesion_folder):
    save(lesion_folder / "a" / "odd.png", noise(16, 16))
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says("odd.png: has no patient", "correct --patient-pattern")


def test_a_patient_pattern_that_names_no_patient_is_refused_with_one_that_does(reading, lesion_folder):
    outcome = reading(lesion_folder, "--patient-pattern", "p_*")
    assert outcome.code == 2
    assert outcome.says("--patient-pattern 'p_*'", "Write `<patient>_<anything>`")


@pytest.mark.parametrize("columns", ["path", "path=", "=roi", "path=roi,label"])
def test_columns_that_are_no_pairs_are_refused_with_an_example(reading, lesion_folder, columns):
    outcome = reading(lesion_folder, "--columns", columns)
    assert outcome.code == 2
    assert outcome.says(f"--columns '{columns}' is not of the form ours=theirs", "as in path=roi,patient=run")


def test_all_problems_of_the_data_come_together(reading, lesion_folder):
    (lesion_folder / "a" / "ap0_9.png").write_text("no image")
    save(lesion_folder / "b" / "bp0_9.png", noise(16, 16, 3))
    save(lesion_folder / "c" / "cp0_9.png", noise(16, 16).astype(np.uint16))
    save(lesion_folder / "alone" / "dp0_0.png", noise(16, 17))
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says("ap0_9.png", "Mixed channel counts", "Mixed dtypes", "Class 'alone' has 1 patient")


@pytest.mark.parametrize("command", ["check", "benchmark"])
def test_data_is_asked_for_where_none_is_given(augmentor, command):
    outcome = augmentor(command)
    assert outcome.code == 2
    assert outcome.says("--data")


@pytest.mark.parametrize("option", [("--window", "liver"), ("--fov", "60mm")])
@pytest.mark.parametrize("command", ["check", "fit", "benchmark", "screens"])
def test_a_window_for_a_lesion_set_is_refused_since_there_is_nothing_to_cut(augmentor, command, option, lesion_folder):
    outcome = augmentor(command, "--data", lesion_folder, *option)
    assert outcome.code == 2
    assert outcome.says("is no table of scans", "--window and --fov have nothing to cut")


def test_check_tells_what_is_there(augmentor, lesion_folder):
    outcome = augmentor("check", "--data", lesion_folder, "--patient-pattern", "<patient>_<n>")
    assert outcome.code == 0
    assert outcome.says(lesion_folder, "sizes: 16x16: 24", "exact duplicates: 0 sets", "It can be fitted.")


@pytest.mark.parametrize("most", [None, 1, 2, 6])
@pytest.mark.parametrize("split", [(), ("val",), ("test", "test")])
def test_check_refuses_so_many_lesions_a_class_where_a_fit_does(augmentor, tmp_path, monkeypatch, most, split):
    """Of four patients of two lesions, of whom the data hold out none, one, or two; in the same words."""
    rows = ["path,label,patient,split"]
    for label in "ab":
        for patient in range(4):
            for number in range(2):
                save(tmp_path / f"{label}{patient}{number}.png", noise(16, 15 + len(rows)))
                side = dict(enumerate(split)).get(patient, "train")
                rows.append(f"{label}{patient}{number}.png,{label},{label}{patient},{side if split else ''}")
    (tmp_path / "set.csv").write_text("\n".join(rows))
    fitted = []

    def fit(lesions, recipe, *_arguments, **_options):
        lesions, recipe, _ = prepare(lesions, recipe)
        holdout(lesions, recipe.training.holdout, recipe.training.seed)
        fitted.append(len(lesions))
        raise UsageError("fitted")

    monkeypatch.setattr("augmentor.training.fit.fit", fit)
    options = ("--data", tmp_path / "set.csv", *(("--max-per-class", most) if most else ()))
    checked, tried = augmentor("check", *options), augmentor("fit", *options)
    assert checked.code == (0 if fitted else 2)
    assert bool(fitted) == (most != 1 and (len(split) < 2 or most != 2))
    if fitted:
        assert tried.says("fitted")
        assert checked.says(f"taken of them │ {fitted[0]} │" if most else "It can be fitted.")
    else:
        assert checked.says(f"Problem: With --max-per-class {most}: ", "Or raise --max-per-class.")
        told = [line.removeprefix("Problem: ") for line in checked.out.splitlines() if line.startswith("Problem")]
        assert tried.says("Error: " + "".join(told))


@pytest.mark.parametrize("command", ["check", "fit"])
def test_a_number_of_lesions_a_class_is_refused_alike(augmentor, lesion_folder, command):
    outcome = augmentor(command, "--data", lesion_folder, "--max-per-class", "0")
    assert outcome.code == 2
    assert outcome.says("--max-per-class", "greater than or equal to 1", "0")


def test_check_tells_how_many_lesions_are_taken(augmentor, lesion_folder):
    arguments = ("check", "--data", lesion_folder, "--patient-pattern", "<patient>_<n>", "--max-per-class", 3)
    content = json.loads(augmentor(*arguments, "--json").out)
    assert content["taken"] == {"images": 9, "patients": 9}
    assert content["lesions"]["images"] == 24
    assert json.loads(augmentor(*arguments[:-2], "--json").out)["taken"] == {}


def test_check_tells_how_volumes_are_fitted(augmentor, tmp_path):
    for label in "ab":
        for patient in range(3):
            save(tmp_path / f"set/{label}/{label}{patient}_0.nii", noise(8, 8 + patient, 8).astype("f4"))
    outcome = augmentor("check", "--data", tmp_path / "set", "--patient-pattern", "<patient>_<n>")
    assert outcome.code == 0
    assert outcome.says("It can be fitted, with --spatial-dims 3 --size 32.")


def test_a_set_of_one_class_is_refused_with_the_table_beside_it(reading, tmp_path):
    for patient in range(3):
        save(tmp_path / f"set/images/p{patient}_0.png", noise(16, 16 + patient))
    (tmp_path / "set/index.csv").write_text("")
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says("one class, 'images'", f"give it as --data: {tmp_path / 'set/index.csv'}")


@pytest.mark.parametrize("broken", [False, True])
def test_check_prints_json_and_nothing_else(augmentor, lesion_folder, broken):
    if broken:
        (lesion_folder / "a" / "ap0_9.png").write_text("no image")
    outcome = augmentor("check", "--data", lesion_folder, "--json")
    content = json.loads(outcome.out)
    assert outcome.code == (2 if broken else 0)
    assert content["usable"] is not broken
    assert content["classes"]["b"] == {"images": 8, "patients": 8}
    assert bool(content["problems"]) == broken


@pytest.mark.parametrize("side", [64, 128])
def test_check_tells_that_a_fit_would_shrink_the_images(augmentor, tmp_path, side):
    for number, label in enumerate("ab"):
        for patient in range(3):
            save(tmp_path / f"set/{label}/{label}{patient}_0.png", noise(side - number, side - patient))
    outcome = augmentor("check", "--data", tmp_path / "set", "--patient-pattern", "<patient>_<n>")
    assert outcome.code == 0
    assert ("are shrunk to 64x64" in outcome.out) == (side == 128)
    if side == 128:
        assert outcome.says("To keep their detail give --size 128 (model.size in a recipe)")
