import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import sleep

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from monai.data import load_decathlon_datalist
from PIL import Image

import augmentor.expansion.screen as screening
from augmentor.data.check import inspect
from augmentor.data.images import read_image
from augmentor.data.intensity import Intensity
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, ShortfallError, UsageError
from augmentor.evaluation.evaluate import evaluate
from augmentor.expansion.enlarged_set import SetWriter
from augmentor.expansion.expand import expand
from augmentor.expansion.rules import TextureRules
from augmentor.model.originals import Originals
from augmentor.recipe import ExpandSection, ModelSection
from augmentor.sampling import Drawn
from augmentor.training.fit import fit
from tests.expansion.fake import CARD
from tests.lesion_sets import draw_phantom, tiny_recipe, write_set
from tests.scan_sets import dicom_image, save_dicom


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    return fit(write_set(folder / "lesions"), tiny_recipe(), folder / "run", latest=False)


@pytest.fixture
def lenient(monkeypatch):
    """Discs on noise are all near-copies of each other: let them pass where the test is of something else."""
    monkeypatch.setattr(screening, "make_copy_check", _lenient(screening.make_copy_check))


def _lenient(make):
    def made(*arguments):
        check = make(*arguments)
        return type(check)(Originals(check.originals.views), 0.0, check.typical, 0.0)

    return made


@pytest.mark.usefixtures("lenient")
def test_each_class_ends_factor_times_its_real_training_size(run, tmp_path):
    expand(run, 3, tmp_path / "x3")
    manifest = pd.read_csv(tmp_path / "x3" / "manifest.csv")
    counts = manifest.groupby(["label", "origin"]).size().unstack()
    assert (counts["real"] == pd.Series(run.summary["classes"])).all()
    assert (counts.sum(axis=1) == 3 * counts["real"]).all()
    assert all((tmp_path / "x3" / p).exists() for p in manifest["path"])


@pytest.mark.usefixtures("lenient")
def test_held_out_patients_are_never_in_it(run, tmp_path):
    expand(run, 2, tmp_path / "x2")
    manifest = pd.read_csv(tmp_path / "x2" / "manifest.csv", keep_default_na=False)
    real = manifest[manifest["origin"] == "real"]
    assert set(real["patient"]) == set(run.training.table["patient"])
    assert not set(real["patient"]) & set(run.held_out.table["patient"])


@pytest.mark.usefixtures("lenient")
def test_the_same_seed_writes_the_same_lesions_and_another_seed_others(run, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        expand(run, 2, tmp_path / name, ExpandSection(seed=seed))
    one, two, three = (
        [np.asarray(Image.open(f)) for f in sorted((tmp_path / n).rglob("synthetic_*.png"))]
        for n in ("one", "two", "three")
    )
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert not all((a == b).all() for a, b in zip(one, three, strict=True))


@pytest.mark.slow
@pytest.mark.usefixtures("lenient")
def test_lesions_in_dicom_become_an_enlarged_set_in_dicom_that_is_read_and_judged(run, tmp_path):
    pytest.importorskip("highdicom", reason="the extra `dicom` is not installed")
    for path, label in zip(run.training.paths, run.training.table["label"], strict=True):
        values = np.asarray(Image.open(path)).astype(np.int16) - 100
        save_dicom(dicom_image(values, SeriesInstanceUID=None), tmp_path / label / f"{Path(path).stem}.dcm")
    ours = fit(read_lesions(tmp_path, None, "<patient>_<anything>"), tiny_recipe(), tmp_path / "run", latest=False)
    enlarged = expand(ours, 2, tmp_path / "x2")
    assert {Path(p).suffix for p in enlarged.paths} == {".dcm"}
    images = [read_image(path).pixels for path in enlarged.paths]
    assert {image.dtype for image in images} == {np.dtype(np.int16)}
    assert min(image.min() for image in images) < 0, "in the units of what was fitted on"
    evaluation = evaluate(ours, 4)
    assert all(Path(copy["path"]).suffix == ".png" and Path(copy["path"]).exists() for copy in evaluation.copies)


@pytest.mark.usefixtures("lenient")
def test_every_synthetic_file_says_so_and_the_manifest_says_where_from(run, tmp_path):
    expand(run, 2, tmp_path / "x2")
    manifest = pd.read_csv(tmp_path / "x2" / "manifest.csv")
    synthetic = manifest[manifest["origin"] == "synthetic"]
    for row in synthetic.itertuples():
        with Image.open(tmp_path / "x2" / row.path) as picture:
            assert "SYNTHETIC" in picture.text["Description"]
            assert str(int(row.seed)) in picture.text["Description"]
    assert synthetic["checkpoint"].str.len().eq(12).all()
    assert synthetic["recipe"].eq(run.recipe.hash()).all()


@pytest.mark.usefixtures("lenient")
def test_monai_reads_the_datalist(run, tmp_path):
    expand(run, 2, tmp_path / "x2")
    items = load_decathlon_datalist(str(tmp_path / "x2" / "datalist.json"), is_segmentation=False)
    assert len(items) == 2 * len(run.training)
    assert {item["label"] for item in items} == {0, 1}
    assert json.loads((tmp_path / "x2" / "dataset_description.json").read_text())["Counts"]


@pytest.mark.usefixtures("lenient")
def test_balance_brings_every_class_to_the_largest(run, tmp_path):
    expand(run, 2, tmp_path / "x2", ExpandSection(balance=True))
    sizes = pd.read_csv(tmp_path / "x2" / "manifest.csv").groupby("label").size()
    assert sizes.nunique() == 1
    assert sizes.iloc[0] == 2 * max(run.summary["classes"].values())


@pytest.mark.parametrize("level", ["off", "light"])
def test_near_copies_are_refused_and_the_shortfall_is_told(run, tmp_path, monkeypatch, level):
    monkeypatch.setattr(screening, "make_copy_check", _strict(screening.make_copy_check))
    with pytest.raises(ShortfallError, match="could not be filled") as caught:
        expand(run, 2, tmp_path / "x2", ExpandSection(screen=level))
    assert caught.value.exit_code == 1
    assert "--screen" not in str(caught.value)  # no level lets them pass
    drawn = 20 * run.summary["classes"]["a"]
    assert f"a: 0 of {drawn // 20} ({drawn} drawn; {drawn} nearer to a training lesion" in str(caught.value)
    manifest = pd.read_csv(tmp_path / "x2" / "manifest.csv")
    assert (manifest["origin"] == "real").all()


def test_a_class_of_one_training_lesion_gives_none_and_the_advice_helps(tmp_path):
    lesions = write_set(tmp_path / "lesions", per_patient=1)
    rows = (lesions.table["label"] == "a") | lesions.table["patient"].isin(["bp0", "bp1"])
    fitted = fit(lesions.rows(rows.to_numpy()), tiny_recipe(), tmp_path / "run", latest=False)
    assert fitted.summary["classes"]["b"] == 1
    with pytest.raises(ShortfallError, match="b: 0 of 1") as caught:
        expand(fitted, 2, tmp_path / "x2")
    assert "Of a single training lesion (b) none can be made: fit with 3 patients" in str(caught.value)


@pytest.mark.usefixtures("lenient")
def test_a_shortfall_names_the_rule_and_what_passed_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(TextureRules, "farthest", 0.9)
    with pytest.raises(ShortfallError, match="farther from its class") as caught:
        expand(run, 4, tmp_path / "x4")
    assert "--screen off" in str(caught.value)
    synthetic = pd.read_csv(tmp_path / "x4" / "manifest.csv").query("origin == 'synthetic'")
    assert (synthetic["realism"] <= 0.9).all()
    told = json.loads((tmp_path / "x4" / "dataset_description.json").read_text())["Screen"]
    assert sum(told["kept"].values()) == len(synthetic) < 3 * len(run.training)
    for label, refused in told["refused"].items():
        assert sum(refused.values()) + told["kept"].get(label, 0) == told["drawn"][label]


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("level", ["off", "light", "strict"])
def test_the_manifest_has_a_column_for_each_rule_of_the_level(run, tmp_path, level):
    expand(run, 2, tmp_path / "x2", ExpandSection(screen=level))
    manifest = pd.read_csv(tmp_path / "x2" / "manifest.csv").set_index("origin")
    filled = manifest.loc["synthetic"].notna().any()
    assert filled[["copy_distance", "twin_distance"]].all()
    assert filled["label_agreement"] == filled["realism"] == filled["spectrum"] == (level != "off")
    assert filled["spread"] == (level == "strict")
    assert manifest.loc["real", ["copy_distance", "label_agreement", "realism", "spectrum"]].isna().all(axis=None)
    assert json.loads((tmp_path / "x2" / "dataset_description.json").read_text())["Screen"]["level"] == level


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("level", ["off", "light"])
def test_a_larger_factor_begins_with_the_lesions_of_a_smaller_one(run, tmp_path, level):
    for factor in (2, 3):
        expand(run, factor, tmp_path / f"x{factor}", ExpandSection(screen=level))
    small = sorted(f.relative_to(tmp_path / "x2") for f in (tmp_path / "x2").rglob("synthetic_*.png"))
    assert len(small) == len(run.training)
    assert all((tmp_path / "x2" / f).read_bytes() == (tmp_path / "x3" / f).read_bytes() for f in small)


def _strict(make):
    def made(*arguments):
        check = make(*arguments)
        return type(check)(Originals(check.originals.views), 10.0, check.typical, 10.0)

    return made


def test_a_folder_that_holds_files_is_left_as_it_is(run, tmp_path):
    (tmp_path / "x2").mkdir()
    (tmp_path / "x2" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="already holds files"):
        expand(run, 2, tmp_path / "x2")
    assert [f.name for f in tmp_path.iterdir()] == ["x2"]
    assert (tmp_path / "x2" / "mine.txt").read_text() == "mine"


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing_behind(run, tmp_path, monkeypatch, which):
    files, numbers = 2 * len(run.training), count(1)
    fails = {"first": 1, "middle": files // 2, "last": files}[which]

    def broken(*_arguments):
        if next(numbers) == fails:
            raise OSError("disk full")

    monkeypatch.setattr("augmentor.expansion.enlarged_set.write_image", broken)
    with pytest.raises(OSError, match="disk full"):
        expand(run, 2, tmp_path / "x2")
    assert not list(tmp_path.iterdir())


def while_lesions_are_drawn(monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("augmentor.expansion.expand._write_synthetic", interrupted)


def while_the_last_files_wait(monkeypatch):
    wait = SetWriter._wait_for_all_but

    def interrupted(writer, count):
        if count == 0:
            raise KeyboardInterrupt
        wait(writer, count)

    monkeypatch.setattr(SetWriter, "_wait_for_all_but", interrupted)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("interrupt", [while_lesions_are_drawn, while_the_last_files_wait])
def test_an_interrupt_leaves_nothing_behind_and_nothing_is_written_after_it(run, tmp_path, monkeypatch, interrupt):
    monkeypatch.setattr("augmentor.expansion.enlarged_set.write_image", lambda *_: sleep(0.05))
    interrupt(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        expand(run, 2, tmp_path / "x2")
    sleep(0.3)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("lenient")
def test_lesions_that_wait_to_be_written_do_not_pile_up(run, tmp_path, monkeypatch):
    written, waiting = [], []

    def write(_, path, *_others):
        sleep(0.002)
        written.append(path)

    def add(self, *arguments, **columns):
        made(self, *arguments, **columns)
        waiting.append(len(self.rows) - len(written))

    made = SetWriter.add
    monkeypatch.setattr("augmentor.expansion.enlarged_set.write_image", write)
    monkeypatch.setattr(SetWriter, "add", add)
    expand(run, 20, tmp_path / "x20")
    assert len(written) == 20 * len(run.training)
    assert max(waiting) <= 17  # one of which is being written


FLOAT_RGB = replace(CARD, channels=3, intensity=Intensity(0.0, 1.0, "float32"))
INT64 = replace(CARD, intensity=Intensity(-100.0, 300.0, "int64"))
VOLUMES = replace(CARD, model=ModelSection(size=32, spatial_dims=3), intensity=Intensity(-100.0, 300.0, "int16"))


@pytest.mark.parametrize(
    ("form", "card", "told"),
    [
        ("nifti", INT64, "images of int64 values in 1 channel. Choose png, npy or dicom"),
        ("nifti", FLOAT_RGB, "images of float32 values in 3 channels. Choose npy"),
        ("png", FLOAT_RGB, "images of float32 values in 3 channels. Choose npy"),
        ("png", VOLUMES, "volumes of int16 values in 1 channel. Choose npy, nifti or dicom"),
    ],
)
def test_a_format_that_can_not_hold_the_lesions_is_refused_with_those_that_can(tmp_path, form, card, told):
    with pytest.raises(UsageError, match=f"--format {form}: such files hold no {told}[.]"):
        SetWriter(tmp_path, form, card)
    assert SetWriter(tmp_path, "npy", card).stored == card.intensity


def write_nifti_set(folder, dtype, sides=None):
    """Two classes of 16x16 in `dtype`, at 1 mm by their headers; sides: a column roi_side_mm."""
    rng, rows = np.random.default_rng(0), []
    folder.mkdir()
    for number in range(24):
        label = "ab"[number % 2]
        values = (rng.normal(60, 10, (16, 16)) + (40 if label == "a" else -40)).astype(dtype)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4), dtype=dtype), folder / f"{number}.nii.gz")
        rows.append({"path": f"{number}.nii.gz", "label": label, "patient": f"p{number // 2}"})
    table = pd.DataFrame(rows)
    if sides:
        table["roi_side_mm"] = [sides[number % len(sides)] for number in range(24)]
    table.to_csv(folder / "lesions.csv", index=False)
    return read_lesions(folder / "lesions.csv")


def test_a_format_is_refused_before_the_screen_is_fitted_and_leaves_nothing(tmp_path, monkeypatch):
    run = fit(write_nifti_set(tmp_path / "set", np.int64), tiny_recipe(), tmp_path / "run", latest=False)
    monkeypatch.setattr("augmentor.expansion.expand.screen_of", lambda *_: pytest.fail("a screen was fitted"))
    with pytest.raises(UsageError, match="--format nifti: such files hold no images of int64"):
        expand(run, 2, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("condition", [None, "size"])
def test_a_column_of_sides_is_that_of_real_and_synthetic_rows_alike(tmp_path, condition):
    lesions = write_nifti_set(tmp_path / "set", np.int16, sides=(30, 32, 34))
    recipe = tiny_recipe(model={"condition_on": condition} if condition else {})
    run = fit(lesions, recipe, tmp_path / "run", latest=False)
    table = expand(run, 2, tmp_path / "out", ExpandSection(screen="off")).table
    sides = table["roi_side_mm"].astype(float)
    real = table["origin"] == "real"
    assert sides[real].tolist() == run.training.table["roi_side_mm"].astype(float).tolist()
    assert sides[~real].between(30, 34).all()
    assert not sides[~real].isin(sides[real]).any()  # a side would name the training lesions that have it
    for path, side in zip(table["path"], sides, strict=True):
        assert 16 * max(nibabel.load(path).header.get_zooms()[:2]) == pytest.approx(side, rel=1e-4)


def test_a_file_is_synthetic_by_its_origin_whatever_its_note_says(tmp_path, monkeypatch):
    written, image = [], np.zeros((1, 32, 32), np.float32)
    monkeypatch.setattr("augmentor.expansion.enlarged_set.require_highdicom", lambda: None)
    target = "augmentor.expansion.enlarged_set.write_secondary_capture"
    monkeypatch.setattr(target, lambda *given, **_: written.append(given[-1]))
    with SetWriter(tmp_path, "dicom", CARD) as writer:
        for origin, note in (("real", "SYNTHETIC, says its note"), ("synthetic", "says nothing")):
            writer.add(Drawn(image, image.astype(np.uint8)), "plain", origin, 1, note, None)
    assert written == [False, False, True, True]  # each an image and a mask


def test_equal_images_and_masks_of_different_lesions_are_different_objects(tmp_path):
    pytest.importorskip("highdicom", reason="the extra `dicom` is not installed")
    image, mask = np.zeros((1, 32, 32), np.float32), np.ones((1, 32, 32), np.uint8)
    for name in ("one", "again"):
        with SetWriter(tmp_path / name, "dicom", CARD) as writer:
            for number in (1, 2):
                writer.add(Drawn(image, mask), "plain", "real", number, "real training lesion", None)
    files = sorted(file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*.dcm"))
    assert len(files) == 4
    read = [pydicom.dcmread(tmp_path / "one" / file) for file in files]
    for uid in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        assert len({str(file[uid].value) for file in read}) == 4
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("form", ["nifti", "png", "npy"])
def test_hounsfield_units_survive_the_way_through_the_network(tmp_path, form):
    draw_phantom(tmp_path / "lesions", patients=6, per_class=8, size=16)
    lesions = read_lesions(tmp_path / "lesions")
    run = fit(lesions, tiny_recipe(), tmp_path / "run", latest=False)
    expand(run, 2, tmp_path / "x2", ExpandSection(format=form, screen="off"))
    written = read_lesions(tmp_path / "x2" / "manifest.csv")
    low, high = inspect(lesions).intensity.values()
    found = inspect(written)
    described = json.loads((tmp_path / "x2" / "dataset_description.json").read_text())["Intensity"]
    ends = [found.intensity[k] * described["slope"] + described["intercept"] for k in ("low", "high")]
    assert ends[0] == pytest.approx(low, abs=60)
    assert ends[1] == pytest.approx(high, abs=60)
    assert found.dtypes.keys() == ({"uint16"} if form == "png" else {"int16"})
    if form == "nifti":
        file = nibabel.load(written.paths[-1])
        assert file.header.get_zooms()[0] == pytest.approx(1.05**52 / 16)  # of 0.8 mm
        assert b"SYNTHETIC" in file.header["descrip"].tobytes()


@pytest.mark.usefixtures("lenient")
def test_an_expanded_set_is_no_input_for_a_fit(run, tmp_path):
    expand(run, 2, tmp_path / "x2")
    with pytest.raises(DataError, match="synthetic"):
        fit(read_lesions(tmp_path / "x2"), tiny_recipe(), tmp_path / "again")


@pytest.mark.parametrize("side", ["training", "held_out"])
def test_images_that_have_changed_since_the_fit_are_refused(tmp_path, side):
    run = fit(write_set(tmp_path / "lesions"), tiny_recipe(), tmp_path / "run", latest=False)
    changed = getattr(run, side).paths[0]
    Image.open(changed).transpose(Image.Transpose.ROTATE_90).save(changed)
    with pytest.raises(DataError, match=rf"{changed}: holds other pixels .* \(1 of its {len(run.lesions)} images"):
        expand(run, 2, tmp_path / "out")
    with pytest.raises(DataError, match="holds other pixels"):
        evaluate(run, 10)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("lenient")
def test_a_set_that_is_shared_tells_no_name_of_a_file_where_patients_are_unknown(tmp_path):
    folder = tmp_path / "ward-of-dr-smith" / "lesions"
    write_set(folder, patients=8)
    for image in folder.glob("*/*.png"):
        image.rename(image.with_name(f"doe-{image.stem[1:]}.png"))  # the same names in both classes
    run = fit(read_lesions(folder), tiny_recipe(), tmp_path / "run", latest=False)
    made = expand(run, out=tmp_path / "out", section=ExpandSection(factor=1.0, screen="off"))
    patients = made.table["patient"]
    assert patients.nunique() == run.training.table["patient"].nunique() == len(made)
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"doe" not in content, file
            assert b"smith" not in content, file
