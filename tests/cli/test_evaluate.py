"""`evaluate`: what it judges, and held wrong."""

import json
import shlex

import numpy as np
import pytest

from augmentor.cli import console
from augmentor.data.images import read_image
from augmentor.data.windows import Window, scale_of
from augmentor.training.fit import fit
from tests.cli.files import noise, save
from tests.lesion_sets import tiny_recipe, write_set
from tests.scan_sets import write_case

pytestmark = pytest.mark.usefixtures("elsewhere")


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
@pytest.mark.usefixtures("few_augmented")
def test_an_evaluation_prints_json_and_nothing_else(augmentor, lesion_folder, tmp_path):
    sets = ("--synthetic", lesion_folder, "--real", lesion_folder, "--patient-pattern", "<patient>_<n>")
    outcome = augmentor("evaluate", *sets, "--out", tmp_path / "out", "--json")
    assert outcome.code == 0
    content = json.loads(outcome.out)
    assert content == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert all(copy["ratio"] < 0.01 and copy["path"] == copy["nearest"] for copy in content["copies"])
    assert content["alarm"] is True
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("option", [("--window", "liver"), ("--fov", "60mm")])
def test_a_window_for_real_lesions_that_are_cut_already_is_refused(augmentor, option, lesion_folder):
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


@pytest.mark.usefixtures("few_augmented", "undrawn")
def test_it_says_which_direction_is_better_and_what_comes_next(augmentor, tmp_path, monkeypatch):
    monkeypatch.setattr(console.out, "width", 200)
    lesions, folder = write_set(tmp_path / "set", patients=8), tmp_path / "Läuf 1"
    fit(lesions, tiny_recipe(), folder)
    outcome = augmentor("evaluate", "--run", folder, "--per-class", 4)
    assert outcome.says("kid (lower is better)", "coverage (higher is better)")
    assert shlex.split(outcome.out.partition("Next: ")[2]) == [
        *("augmentor", "expand", "--run", str(folder), "--factor", "3")
    ]
