"""Every way to hold it wrong that we know of: exit code 2, and a message with the value, the rule and the next step."""

import errno
import json
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor import cli
from augmentor.data.images import read_image
from augmentor.data.windows import Window, scale_of
from augmentor.pipeline import Outcome
from tests.scan_sets import write_case

COMMANDS = (
    *("extract", "check", "fit", "expand", "evaluate", "benchmark", "calibrate", "screens", "report", "bench", "demo"),
    "run",
)
GROUPED = ("read make", "read score")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Runs and outputs of a command that should have failed go to a folder of their own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".nii":
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), file)
    else:
        Image.fromarray(array).save(file)


def noise(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


def contents(folder):
    return {f.relative_to(folder): f.read_bytes() if f.is_file() else None for f in folder.rglob("*")}


# Bad data: the same from every command that reads lesions


@pytest.fixture(params=["check", "fit", "benchmark"])
def reading(request, augmentor):
    """A command that reads lesions from --data, with the patients in the file names unless told otherwise."""
    return lambda data, *more: augmentor(
        request.param, "--data", data, *(more or ("--patient-pattern", "<patient>_<n>"))
    )


def test_an_empty_folder(reading, tmp_path):
    (tmp_path / "void").mkdir()
    outcome = reading(tmp_path / "void")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "void", "holds no images", "void/<class>/<image>")


def test_a_path_that_does_not_exist(reading):
    outcome = reading("nowhere/lesions")
    assert outcome.code == 2
    assert outcome.says("nowhere/lesions: no such file or folder", "Give --data a folder by class")


def test_one_class(reading, tmp_path):
    for patient in range(3):
        save(tmp_path / f"set/cyst/p{patient}_0.png", noise(16, 16 + patient))
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "set", "one class, 'cyst'", "Add a folder or a label")


def test_one_patient_a_class(reading, tmp_path):
    for label in ("cyst", "nevus"):
        for number in range(3):
            save(tmp_path / f"set/{label}/{label}_{number}.png", noise(16, 16 + number, len(label))[..., 0])
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says("Class 'cyst' has 1 patient (3 images)", "Class 'nevus' has 1 patient", "add patients")


def test_a_missing_column(reading, tmp_path):
    (tmp_path / "set.csv").write_text("file,kind\n1.png,cyst\n")
    outcome = reading(tmp_path / "set.csv")
    assert outcome.code == 2
    assert outcome.says("set.csv: has no column for label", "Its columns are file, kind", "--columns label=NAME")


def test_a_column_that_is_asked_for_and_missing(reading, tmp_path):
    (tmp_path / "set.csv").write_text("file,label\n1.png,cyst\n")
    outcome = reading(tmp_path / "set.csv", "--columns", "path=roi")
    assert outcome.code == 2
    assert outcome.says("no column 'roi' (wanted for path)", "Its columns are file, label")


def test_an_image_of_the_table_that_does_not_exist(reading, tmp_path):
    (tmp_path / "set.csv").write_text("path,label\ngone.png,cyst\n")
    outcome = reading(tmp_path / "set.csv", "--columns", "path=path")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "gone.png", "no such file", "Correct the path")


def test_a_text_file_named_png(reading, lesion_folder):
    (lesion_folder / "a" / "ap0_9.png").write_text("no image")
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says(lesion_folder / "a/ap0_9.png", "can't be read as an image", "Replace the file or leave it out")


def test_a_truncated_png(reading, lesion_folder):
    file = lesion_folder / "b" / "bp1_0.png"
    file.write_bytes(file.read_bytes()[:-40])
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says(file, "can't be read as an image", "Replace the file or leave it out")


def test_nan_in_a_nifti(reading, tmp_path):
    for label in ("cyst", "nevus"):
        for patient in range(3):
            save(
                tmp_path / f"set/{label}/{label}{patient}_0.nii", noise(8, 8 + patient, len(label))[..., 0].astype("f4")
            )
    save(tmp_path / "set/cyst/cyst0_1.nii", np.full((8, 8), np.nan, np.float32))
    outcome = reading(tmp_path / "set")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "set/cyst/cyst0_1.nii", "64 pixels are NaN or infinite", "Repair or leave it out")


def test_mixed_channel_counts(reading, lesion_folder):
    save(lesion_folder / "a" / "ap0_9.png", noise(16, 16, 3))
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says("Mixed channel counts: 24 of 1, 1 of 3 (for example ", "convert the smaller part")


def test_a_file_that_does_not_fit_the_patient_pattern(reading, lesion_folder):
    save(lesion_folder / "a" / "odd.png", noise(16, 16))
    outcome = reading(lesion_folder)
    assert outcome.code == 2
    assert outcome.says("odd.png: has no patient", "correct --patient-pattern")


def test_a_patient_pattern_that_names_no_patient(reading, lesion_folder):
    outcome = reading(lesion_folder, "--patient-pattern", "p_*")
    assert outcome.code == 2
    assert outcome.says("--patient-pattern 'p_*'", "Write `<patient>_<anything>`")


@pytest.mark.parametrize("columns", ["path", "path=", "=roi", "path=roi,label"])
def test_columns_that_are_no_pairs(reading, lesion_folder, columns):
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


# Bad options


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--model", "stylegan"), ["--model", "'cgan', 'dcgan', 'acgan', 'plain-dcgan' or 'monai'", "'stylegan'"]),
        (("--size", "30"), ["--size", "multiple of 4", "30"]),
        (("--size", "8"), ["--size", "16", "8"]),
        (("--spatial-dims", "4"), ["--spatial-dims", "2 or 3", "4"]),
        (("--spatial-dims", "3", "--size", "128"), ["size 128 is too large for volumes"]),
        (("--spatial-dims", "3", "--size", "16"), ["holds images (16x16)", "--spatial-dims 2"]),
        (("--with-mask", "--size", "16"), ["no mask", "--with-mask"]),
        (("--condition-on", "size", "--size", "16"), ["no spacing", "roi_side_mm"]),
        (("--condition-on", "age"), ["--condition-on", "'size'", "'age'"]),
        (("--minutes", "0"), ["--minutes", "greater than 0"]),
        (("--holdout", "1.5"), ["--holdout", "less than or equal to 0.5", "1.5"]),
        (("--max-per-class", "0"), ["--max-per-class", "0"]),
        (("--minutes", "soon"), ["--minutes", "valid number"]),
        (("--minutes", "inf"), ["--minutes", "finite number"]),
        (("--columns", "colour=dx"), ["--columns: names 'colour'; it takes path, label", "for a table of scans image"]),
        (("--seed", "-1"), ["--seed", "greater than or equal to 0"]),
        (("--seed", "1048576"), ["--seed", "less than or equal to 1048575"]),
    ],
)
def test_a_bad_option_of_fit(augmentor, lesion_folder, arguments, told):
    outcome = augmentor("fit", "--data", lesion_folder, *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--arms", "real,magic"), ["--arms", "'classic+gan'", "'magic'"]),
        (("--arms", "real,real"), ["real, real: name each once"]),
        (("--classifiers", "resnet"), ["--classifiers", "'densenet'", "'resnet'"]),
        (("--folds", "1"), ["--folds", "1"]),
        (("--factor", "0.5"), ["--factor", "0.5"]),
        (("--size", "30"), ["--size", "multiple of 4", "30"]),
    ],
)
def test_a_bad_option_of_benchmark(augmentor, lesion_folder, arguments, told):
    outcome = augmentor("benchmark", "--data", lesion_folder, *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


def test_all_bad_options_come_together(augmentor, lesion_folder):
    outcome = augmentor("fit", "--data", lesion_folder, "--size", 30, "--model", "x", "--holdout", 2, "--minutes", -1)
    assert outcome.code == 2
    assert outcome.says("--size", "--model", "--holdout", "--minutes")


def test_more_folds_than_a_class_has_patients(augmentor, lesion_folder):
    pattern = ("--patient-pattern", "<patient>_<n>")
    outcome = augmentor("benchmark", "--data", lesion_folder, *pattern, "--folds", 5)
    assert outcome.code == 2
    assert outcome.says("Class 'a' has 4 patients", "Class 'c' has 4 patients", "lower --folds")


def test_fit_without_data(augmentor):
    outcome = augmentor("fit")
    assert outcome.code == 2
    assert outcome.says("--data is missing", "Give a folder by class")


@pytest.mark.parametrize("command", ["check", "benchmark"])
def test_data_is_asked_for(augmentor, command):
    outcome = augmentor(command)
    assert outcome.code == 2
    assert outcome.says("--data")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--factor", "many"), ["--factor", "'many'"]),
        (("--screen", "loose"), ["--screen", "'loose'", "'strict'"]),
        (("--factor", "auto", "--classifier", "magic"), ["--classifier magic", "densenet"]),
        (("--factor", "2", "--classifier", "svm"), ["--classifier names whom --factor auto asks. Leave it out"]),
        (("--classifier", "cnn"), ["--classifier names whom --factor auto asks. Leave it out"]),
        (("--seed", "1048576"), ["--seed", "less than or equal to 1048575"]),
        (("--factor", "auto", "--balance"), ["--factor auto", "Leave --balance and --screen out"]),
        (("--factor", "auto", "--screen", "off"), ["--factor auto", "Leave --balance and --screen out"]),
    ],
)
def test_a_bad_option_of_expand(augmentor, arguments, told):
    outcome = augmentor("expand", *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


def test_only_what_the_disk_refuses_is_blamed_on_it(augmentor, monkeypatch):
    for number, told in ((errno.ENOSPC, True), (errno.EISDIR, False)):
        error = OSError(number, "as the system says it", "keys.txt")
        monkeypatch.setattr("augmentor.cli.data.read_data", lambda *_a, error=error: raise_it(error))
        outcome = augmentor("check", "--data", "lesions")
        assert outcome.says("keys.txt: as the system says it.")
        assert ("Free space" in outcome.err) == told


def raise_it(error):
    raise error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "nowhere/null.csv"), ["nowhere/null.csv", "a folder that exists"]),
        (("--out", "mine.csv"), ["mine.csv", "nothing is overwritten"]),
    ],
)
def test_a_bad_option_of_calibrate_is_told_before_anything_is_simulated(
    augmentor, tmp_path, monkeypatch, arguments, told
):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    outcome = augmentor("calibrate", *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("factor", ["0.5", "0", "-3", "nan", "inf"])
def test_a_factor_under_one_or_endless(augmentor, factor):
    outcome = augmentor("expand", "--factor", factor)
    assert outcome.code == 2
    assert outcome.says("--factor", f"factor {factor}", "must be 1 or more", "three times its real size")


def test_an_unknown_format(augmentor):
    outcome = augmentor("expand", "--format", "jpeg")
    assert outcome.code == 2
    assert outcome.says("--format", "'nifti'", "'dicom'", "'jpeg'")


# No run, or no room for one


@pytest.mark.parametrize("command", ["expand", "evaluate"])
def test_no_run_yet(augmentor, command):
    outcome = augmentor(command)
    assert outcome.code == 2
    assert outcome.says("No run yet: runs/latest does not exist here", "augmentor fit --data")


@pytest.mark.parametrize("command", ["expand", "evaluate"])
def test_a_folder_that_is_no_run(augmentor, command, lesion_folder):
    outcome = augmentor(command, "--run", lesion_folder)
    assert outcome.code == 2
    assert outcome.says(lesion_folder, "is no run folder", "augmentor fit --data")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--synthetic", "made"), "either --run, or --synthetic and --real together"),
        (("--real", "lesions"), "either --run, or --synthetic and --real together"),
        (("--synthetic", "made", "--real", "lesions", "--run", "runs/latest"), "either --run, or --synthetic and"),
        (("--out", "there"), "--out goes with --synthetic and --real"),
        (("--synthetic", "no/such", "--real", "no/such"), "no/such: no such file or folder"),
        (("--synthetic", "made", "--real", "lesions", "--per-class", "20"), "--per-class goes with --run"),
        (("--run", "runs/latest", "--columns", "path=file"), "--columns and --patient-pattern tell how to read --real"),
        (("--patient-pattern", "<patient>_x"), "--columns and --patient-pattern tell how to read --real"),
        (("--window", "lung"), "--window and --fov tell how to cut the lesions of --real"),
        (("--fov", "60mm"), "--window and --fov tell how to cut the lesions of --real"),
        (("--synthetic", "made", "--real", "lesions", "--window", "lnug"), "--window 'lnug' is no window"),
    ],
)
def test_what_is_judged_must_be_one_thing(augmentor, arguments, told):
    outcome = augmentor("evaluate", *arguments)
    assert outcome.code == 2
    assert outcome.says(told)


def test_features_that_are_no_safetensors_are_told_before_anything_is_judged(augmentor, lesion_folder, tmp_path):
    sets = ("--synthetic", lesion_folder, "--real", lesion_folder, "--out", tmp_path / "out")
    outcome = augmentor("evaluate", *sets, "--features", tmp_path / "own.pth")
    assert outcome.code == 2
    assert outcome.says("must be a .safetensors file", "can run code")
    assert not (tmp_path / "out").exists()


def test_an_evaluation_does_not_overwrite_files(augmentor, lesion_folder, tmp_path):
    save(tmp_path / "out" / "precious.png", noise(4, 4))
    outcome = augmentor("evaluate", "--synthetic", lesion_folder, "--real", lesion_folder, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.says("holds other files (precious.png)", "another --out")


def write_table(file, header, lesions):
    file.write_text("\n".join([header, *(f"{path},{path.parent.name}" for path in sorted(lesions.glob("*/*.png")))]))
    return file


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("path,label", "path=roi"),
        ("path,label", "path=roi,label=label"),
        ("roi,label", "path=roi"),
        ("roi,dx", "path=roi"),
    ],
)
def test_columns_tell_how_to_read_the_real_table_and_the_synthetic_one_where_it_has_them(
    augmentor, tmp_path, lesion_folder, monkeypatch, header, asked
):
    judged = []
    monkeypatch.setattr("augmentor.evaluation.evaluate.evaluate_sets", lambda *sets: judged.append(sets[:2]))
    monkeypatch.setattr("augmentor.report.html.report", lambda *_: None)
    monkeypatch.setattr("augmentor.cli.generator.show_evaluation", lambda *_: None)
    synthetic = write_table(tmp_path / "manifest.csv", header, lesion_folder)
    real = write_table(tmp_path / "index.csv", "roi,label", lesion_folder)
    outcome = augmentor("evaluate", "--synthetic", synthetic, "--real", real, "--columns", asked)
    assert outcome.code == 0, outcome.err
    made, theirs = judged[0]
    assert made.paths == theirs.paths
    assert made.classes == theirs.classes == ["a", "b", "c"]


def test_a_synthetic_datalist_is_read_by_its_own_keys(augmentor, tmp_path, lesion_folder, monkeypatch):
    judged = []
    monkeypatch.setattr("augmentor.evaluation.evaluate.evaluate_sets", lambda *sets: judged.append(sets[:2]))
    monkeypatch.setattr("augmentor.report.html.report", lambda *_: None)
    monkeypatch.setattr("augmentor.cli.generator.show_evaluation", lambda *_: None)
    items = [{"image": str(path), "dx": path.parent.name} for path in lesion_folder.glob("*/*.png")]
    (tmp_path / "made.json").write_text(json.dumps({"training": items}))
    real = write_table(tmp_path / "index.csv", "roi,dx", lesion_folder)
    columns = ("--columns", "path=roi,label=dx")
    outcome = augmentor("evaluate", "--synthetic", tmp_path / "made.json", "--real", real, *columns)
    assert outcome.code == 0, outcome.err
    assert judged[0][0].counts() == judged[0][1].counts()


@pytest.mark.slow
def test_an_evaluation_prints_json_and_nothing_else(augmentor, lesion_folder, tmp_path):
    sets = ("--synthetic", lesion_folder, "--real", lesion_folder, "--patient-pattern", "<patient>_<n>")
    outcome = augmentor("evaluate", *sets, "--out", tmp_path / "out", "--json")
    assert outcome.code == 0
    content = json.loads(outcome.out)
    assert content == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert all(copy["ratio"] < 0.01 and copy["path"] == copy["nearest"] for copy in content["copies"])
    assert content["alarm"] is True
    assert (tmp_path / "out" / "report.html").exists()


def test_a_resumed_fit_takes_no_new_data(augmentor, lesion_folder):
    outcome = augmentor("fit", "--resume", "--data", lesion_folder)
    assert outcome.code == 2
    assert outcome.says("--resume", "Leave --data")
    outcome = augmentor("fit", "--resume", "--seed", "1", "--model", "cgan", "--device", "cpu")
    assert outcome.code == 2
    assert outcome.says("Leave --model, --seed out; --out and --device can be given")


def test_nothing_to_resume(augmentor, tmp_path):
    for more, told in (
        ((), "runs/ holds no unfinished run"),
        (("--out", tmp_path), "holds no unfinished run to resume"),
    ):
        outcome = augmentor("fit", "--resume", *more)
        assert outcome.code == 2
        assert outcome.says(told)


@pytest.mark.parametrize("command", ["fit", "benchmark"])
def test_an_output_folder_that_holds_files_is_left_as_it_is(augmentor, command, lesion_folder, tmp_path):
    save(tmp_path / "out" / "precious.png", noise(4, 4))
    (tmp_path / "out" / "cells").mkdir()
    before = contents(tmp_path)
    outcome = augmentor(command, "--data", lesion_folder, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "out", "already holds files, and nothing is overwritten", "--out")
    assert contents(tmp_path) == before


def test_an_output_that_is_a_file(augmentor, lesion_folder, tmp_path):
    (tmp_path / "out").write_text("precious")
    outcome = augmentor("fit", "--data", lesion_folder, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert (tmp_path / "out").read_text() == "precious"


def test_a_failed_command_leaves_nothing_behind(augmentor, lesion_folder, tmp_path):
    (lesion_folder / "a" / "ap0_9.png").write_text("no image")
    before = contents(tmp_path)
    augmentor("fit", "--data", lesion_folder)
    augmentor("benchmark", "--data", lesion_folder)
    assert contents(tmp_path) == before


# Recipes


def test_a_recipe_that_does_not_exist(augmentor):
    outcome = augmentor("run", "gone.toml")
    assert outcome.code == 2
    assert outcome.says("gone.toml: no such recipe", "pipelines/")


def test_all_problems_of_a_recipe_come_together(augmentor, tmp_path):
    (tmp_path / "bad.toml").write_text("[modle]\n[model]\nsize = 30\n[expand]\nfactor = 0.5\n")
    outcome = augmentor("run", tmp_path / "bad.toml")
    assert outcome.code == 2
    assert outcome.says("bad.toml: modle is no setting", "bad.toml: model.size", "bad.toml: expand.factor")


def test_a_recipe_without_data(augmentor, tmp_path):
    (tmp_path / "short.toml").write_text("[model]\nsize = 32\n")
    outcome = augmentor("run", tmp_path / "short.toml")
    assert outcome.code == 2
    assert outcome.says("names no data", "Set data.path")


def test_a_window_of_a_recipe_that_is_none(augmentor, tmp_path):
    (tmp_path / "bad.toml").write_text('[data]\npath = "scans.csv"\n[extract]\nwindow = "kidneys"\n')
    outcome = augmentor("run", tmp_path / "bad.toml")
    assert outcome.code == 2
    assert outcome.says("bad.toml: extract.window: ", "'kidneys' is no window. Give a name (abdomen")


def test_a_recipe_that_only_checks_prints_what_check_does(augmentor, tmp_path, lesion_folder):
    (tmp_path / "only.toml").write_text(f'steps = ["check"]\n[data]\npath = "{lesion_folder}"\n')
    ran, checked = augmentor("run", tmp_path / "only.toml"), augmentor("check", "--data", lesion_folder)
    assert (ran.code, ran.out) == (0, checked.out)
    assert ran.says("Warning: ", "It can be fitted.")


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ({"judged": "latest/report.html", "evaluation": "evaluated"}, "latest/report.html"),
        ({"report": "out/report.html"}, "Report: out/report.html"),
    ],
)
def test_the_page_that_steps_without_a_fit_leave_is_named(augmentor, tmp_path, monkeypatch, steps, named):
    monkeypatch.setattr("augmentor.pipeline.run_recipe", lambda *_: Outcome(tmp_path, **steps))
    monkeypatch.setattr("augmentor.cli.recipes.show_evaluation", print)
    (tmp_path / "recipe.toml").write_text('steps = ["expand"]\n')
    assert augmentor("run", tmp_path / "recipe.toml").says(named)


def test_another_folder_changes_nothing_else_of_a_recipe(augmentor, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr("augmentor.pipeline.run_recipe", lambda recipe, *_: taken.append(recipe) or Outcome(tmp_path))
    (tmp_path / "recipe.toml").write_text('out = "here"\n[data]\npath = "lesions"\n')
    for options in ((), ("--out", tmp_path / "there")):
        augmentor("run", tmp_path / "recipe.toml", *options)
    here, there = taken
    assert (here.named_size, there.named_size) == (None, None)  # so that lesions decide about the side
    assert there.model_dump() == here.model_dump() | {"out": str(tmp_path / "there")}


# What should work


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dims", "4"], ["--dims", "2 or 3"]),
        (["--size", "4"], ["--size", "greater than or equal to 8"]),
        (["--fov", "wide"], ["--fov", "wide"]),
        (["--fov", "0.5mm"], ["--fov", "greater than or equal to 1"]),
        (["--margin=-1"], ["--margin", "greater than or equal to 0"]),
        (["--per", "voxel"], ["--per", "'component' or 'value'"]),
        (["--sections", "all"], ["--sections 'all': give a number"]),
        (["--sections", "3", "--dims", "3"], ["a cube has all sections"]),
        (["--sections", "nan"], ["--sections 'nan': give largest, or a whole number"]),
        (["--sections", "2.7"], ["--sections '2.7': give largest, or a whole number"]),
        (["--values", "one"], ["--values 'one' is not of the form 2 or 1=cyst,2=mass"]),
        (["--values", "0=none,1=cyst"], ["--values: 0 can't", "0 is what a mask holds outside lesions"]),
        (["--values=-1=cyst"], ["--values: -1 can't be a lesion's number"]),
        (["--rescale", "1"], ["--rescale '1': give 2 numbers, as in 1,-1024"]),
        (["--rescale", "0,1"], ["slope 0 must be above 0"]),
        (["--format", "png", "--dims", "3"], ["cubes are written as nifti"]),
        (["--format", "dicom"], ["--format", "dicom"]),
        (["--window", "kidneys"], ["--window 'kidneys' is no window", "--window -160,240"]),
        (["--columns", "image"], ["is not of the form ours=theirs"]),
    ],
)
def test_a_bad_option_of_extract_is_told_before_any_scan_is_looked_for(augmentor, tmp_path, arguments, told):
    outcome = augmentor("extract", "--data", "nowhere", "--out", tmp_path / "out", *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


def test_extract_says_what_it_wrote_and_what_it_doubts(augmentor, tmp_path):
    write_case(tmp_path / "in", "p1")
    write_case(tmp_path / "in", "p2", affine=np.diag([0.8, 0.8, 9, 1]))
    outcome = augmentor(
        *("extract", "--data", tmp_path / "in", "--label", "cyst", "--window=-160,240", "--out", tmp_path / "out"),
        *("--patient-pattern", "<patient>_<rest>"),
    )
    assert outcome.code == 0
    assert outcome.says("p2_image.nii.gz: voxels are 0.8 x 0.8 x 9 mm, 11 times longer than wide", "cyst")
    assert outcome.says(f"Next: augmentor check --data {tmp_path / 'out'}", "extracted.png")


def test_extract_by_strict_refuses_its_doubts_and_leaves_nothing(augmentor, tmp_path):
    write_case(tmp_path / "in", "p2", affine=np.diag([0.8, 0.8, 9, 1]))
    outcome = augmentor("extract", "--data", tmp_path / "in", "--label", "cyst", "--strict", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.says("11 times longer than wide", "No patient is known for 1 of 1 scans")
    assert not (tmp_path / "out").exists()


def test_extract_from_a_folder_of_something_else(augmentor, lesion_folder):
    outcome = augmentor("extract", "--data", lesion_folder)
    assert outcome.code == 2
    assert outcome.says("no image with its mask was found", "--images '*_T1.nii.gz' --masks '*_mask.nii.gz'")


@pytest.mark.parametrize("option", [("--window", "liver"), ("--fov", "60mm")])
@pytest.mark.parametrize("command", ["check", "fit", "benchmark", "screens"])
def test_a_window_for_a_lesion_set(augmentor, command, option, lesion_folder):
    outcome = augmentor(command, "--data", lesion_folder, *option)
    assert outcome.code == 2
    assert outcome.says("is no table of scans", "--window and --fov have nothing to cut")


@pytest.mark.parametrize("option", [("--window", "liver"), ("--fov", "60mm")])
def test_a_window_for_real_lesions_that_are_cut_already(augmentor, option, lesion_folder):
    outcome = augmentor("evaluate", "--synthetic", lesion_folder, "--real", lesion_folder, *option)
    assert outcome.code == 2
    assert outcome.says("is no table of scans", "--window and --fov have nothing to cut")


@pytest.mark.parametrize("shape", [(20, 20), (16, 16, 16)])
def test_real_scans_are_cut_by_the_window_and_as_the_synthetic_lesions_are(augmentor, tmp_path, monkeypatch, shape):
    judged = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("augmentor.evaluation.evaluate.evaluate_sets", lambda *sets: judged.append(sets[:2]))
    monkeypatch.setattr("augmentor.report.html.report", lambda *_: None)
    monkeypatch.setattr("augmentor.cli.generator.show_evaluation", lambda *_: None)
    (tmp_path / "made" / "cyst").mkdir(parents=True)
    np.save(tmp_path / "made" / "cyst" / "1.npy", np.zeros(shape, np.float32))
    write_case(tmp_path / "in", "c1")
    (tmp_path / "scans.csv").write_text("image,mask,label\nin/c1_image.nii.gz,in/c1_label.nii.gz,cyst\n")
    sets = ("--synthetic", tmp_path / "made", "--real", tmp_path / "scans.csv")
    outcome = augmentor("evaluate", *sets, "--window", "soft-tissue", "--fov", "20mm")
    assert outcome.code == 0, outcome.err
    (real,) = judged[0][1].paths
    assert read_image(real).pixels.shape[1:] == shape
    assert scale_of(real).window == Window(-160, 240)
    assert judged[0][1].table["roi_side_mm"].tolist() == ["20"]


@pytest.mark.parametrize("command", COMMANDS + GROUPED)
def test_the_help_of_every_command_has_an_example(augmentor, command):
    outcome = augmentor(*command.split(), "--help")
    assert outcome.code == 0
    assert outcome.says("Example", f"augmentor {command}")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("fit", ["[0<=x<=1048575]", "the first of the two to be", "of images 16 to 256 pixels", "at most 0.5"]),
        ("benchmark", ["the first of the two to be", "of volumes 16 to 64 voxels"]),
        ("screens", ["the first of the two to be", "screen.csv", "gans/", "--window", "--fov"]),
        ("expand", ["[0<=x<=1048575]"]),
        ("demo", ["[0<=x<=1048575]"]),
        ("evaluate", ["for the table of --real", "--window", "--fov"]),
        ("calibrate", ["16 to 256, a multiple of 4"]),
        ("report", ["evaluate", "demo"]),
    ],
)
def test_help_tells_ranges_and_what_is_left(augmentor, monkeypatch, command, told):
    monkeypatch.setenv("COLUMNS", "1000")
    printed = augmentor(command, "--help")
    assert printed.says(*told)
    assert "instead of by the clock" not in printed.out


def test_these_are_all_commands():
    assert {c.callback.__name__ for c in cli.app.registered_commands} == set(COMMANDS)
    groups = [group.typer_instance for group in cli.app.registered_groups]
    found = {f"{group.info.name} {c.callback.__name__}" for group in groups for c in group.registered_commands}
    assert found == set(GROUPED)


def test_an_unknown_command(augmentor):
    outcome = augmentor("augment")
    assert outcome.code == 2
    assert outcome.says("No such command 'augment'")


def test_check_tells_what_is_there(augmentor, lesion_folder):
    outcome = augmentor("check", "--data", lesion_folder, "--patient-pattern", "<patient>_<n>")
    assert outcome.code == 0
    assert outcome.says(lesion_folder, "sizes: 16x16: 24", "exact duplicates: 0 sets", "It can be fitted.")


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


def test_the_command_line_starts_without_torch():
    program = "import augmentor.cli, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_name_that_the_terminal_cannot_show_is_no_reason_to_fail(lesion_folder):
    (lesion_folder / "a").rename(lesion_folder / "\u03ba\u03cd\u03c3\u03c4\u03b7")
    program = "from augmentor.cli import main; import sys; sys.argv = ['augmentor', *sys.argv[1:]]; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "check", "--data", str(lesion_folder)],
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u03ba" in done.stdout


def test_ctrl_c_is_answered_in_a_word(monkeypatch, capsys):
    def interrupted(*_arguments, **_names):
        raise KeyboardInterrupt

    monkeypatch.setattr("augmentor.extraction.sources.open_lesions", interrupted)
    monkeypatch.setattr(sys, "argv", ["augmentor", "check", "--data", "lesions"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Interrupted."
