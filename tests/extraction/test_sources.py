import json
import shlex

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.data.images import read_image
from augmentor.errors import DataError, UsageError
from augmentor.extraction import scan_tables, sources
from augmentor.extraction.sources import is_scan_table, open_lesions, read_scans
from augmentor.progress import Progress
from augmentor.recipe import ExtractSection
from tests.lesion_sets import write_set
from tests.scan_sets import write_case, write_nifti, write_series


class Told(Progress):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table(tmp_path):
    """scans.csv of six patients, two classes."""
    rows = ["image,mask,label,patient"]
    for n in range(6):
        write_case(tmp_path / "in", f"c{n}", centre=(14 + n, 17, 6), radius_mm=5.0 + n / 2)
        rows.append(f"in/c{n}_image.nii.gz,in/c{n}_label.nii.gz,{'cyst' if n % 2 else 'mass'},Doe-{n}")
    (tmp_path / "scans.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "scans.csv"


# Scans


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".csv"])
def test_a_name_too_long_for_the_system_is_no_such_file(name):
    for opened in (read_scans, open_lesions):
        with pytest.raises(DataError, match="no such file or folder"):
            opened(name)


def test_scans_of_a_table_and_of_its_folder(table, tmp_path):
    scans, notes = read_scans(table)
    assert [(s.label, s.patient) for s in scans[:2]] == [("mass", "Doe-0"), ("cyst", "Doe-1")]
    assert not notes
    scans, _ = read_scans(tmp_path / "in", patient_pattern="<patient>_<rest>", label="cyst")
    assert [(s.label, s.patient) for s in scans] == [("cyst", f"c{n}") for n in range(6)]


def test_class_and_patient_may_stand_in_the_path(tmp_path):
    for label in ("cyst", "mass"):
        write_case(tmp_path / "in" / label, f"{label}7")
    scans, _ = read_scans(tmp_path / "in", patient_pattern="<label>/<patient>_<rest>", label_pattern="<label>/<rest>")
    assert [(s.label, s.patient) for s in scans] == [("cyst", "cyst7"), ("mass", "mass7")]


def test_a_path_that_does_not_fit_is_told_by_the_option_that_is_wrong(tmp_path):
    write_case(tmp_path / "in")
    with pytest.raises(DataError, match=r"has no label by '.*' .*correct --label-pattern"):
        read_scans(tmp_path / "in", label_pattern="<label>-<rest>")
    with pytest.raises(UsageError, match="--label-pattern 'x' does not say where the label stands"):
        read_scans(tmp_path / "in", label_pattern="x")


def test_what_belongs_to_tables_is_refused_for_folders_and_the_other_way_round(table, tmp_path):
    with pytest.raises(UsageError, match="is a folder and has no columns"):
        read_scans(tmp_path / "in", {"image": "ct"})
    with pytest.raises(UsageError, match="is a table; leave --images and --masks out"):
        read_scans(table, images="*.nii", masks="*.nii")


@pytest.mark.parametrize(("name", "told"), [("nowhere", "no such file or folder"), ("a.xlsx", "is no folder, .csv or")])
def test_what_is_no_source_is_refused(tmp_path, name, told):
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(DataError, match=told):
        read_scans(tmp_path / name)


# Scans or lesions?


def test_a_table_of_volumes_with_masks_or_of_boxes_is_one_of_scans(table, tmp_path):
    assert is_scan_table(table)
    (tmp_path / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax,label\nslice.png,1,2,30,40,cyst\n")
    assert is_scan_table(tmp_path / "boxes.csv")
    (tmp_path / "named.csv").write_text("ct,seg3,label\nin/c0_image.nii.gz,in/c0_label.nii.gz,cyst\n")
    assert is_scan_table(tmp_path / "named.csv", {"image": "ct", "mask": "seg3"})
    (tmp_path / "set.json").write_text('{"training": [{"image": "in/c0_image.nii.gz", "mask": "in/c0_label.nii.gz"}]}')
    assert is_scan_table(tmp_path / "set.json")
    head, *rows = table.read_text().splitlines()
    (tmp_path / "ids.csv").write_text("\n".join([f"{head},original_id", *(f"{row},7" for row in rows)]))
    assert is_scan_table(tmp_path / "ids.csv"), "a column whose name holds `origin` is not that column"
    (tmp_path / "list.json").write_text('[{"image": "in/c0_image.nii.gz"}]')
    assert not is_scan_table(tmp_path / "list.json")


def test_tables_of_lesions_are_none_of_scans(table, tmp_path):
    write_nifti(tmp_path / "slice.nii", np.zeros((16, 16, 1), np.int16))
    (tmp_path / "flat.csv").write_text("path,mask,label\nslice.nii,slice.nii,cyst\n")
    head, *rows = table.read_text().splitlines()
    for name, column in (("written", "roi_side_mm"), ("enlarged", "origin")):
        (tmp_path / f"{name}.csv").write_text("\n".join([f"{head},{column}", *(f"{row},7" for row in rows)]))
    (tmp_path / "lesions.csv").write_text(table.read_text())
    write_series(tmp_path / "folder", np.zeros((9, 8, 6), np.int16))
    (tmp_path / "unmasked.csv").write_text("path,mask,label,origin\nfolder,,cyst,real\n")
    names = ("flat.csv", "written.csv", "enlarged.csv", "unmasked.csv", "lesions.csv", "in", "nowhere.csv")
    assert not [n for n in names if is_scan_table(tmp_path / n)]
    assert not is_scan_table(table, {"path": "image"})


def test_a_bad_row_makes_no_table_of_lesions_of_a_table_of_scans(table):
    rows = table.read_text().splitlines()
    image, _, *rest = rows[3].split(",")
    table.write_text("\n".join([*rows[:3], ",".join([image, "", *rest]), *rows[4:]]))
    assert is_scan_table(table)
    with pytest.raises(DataError, match="row 4: has neither mask nor box"):
        open_lesions(table)


@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_to_tell_what_a_table_is_it_is_read_once(table, monkeypatch, suffix, bad):
    parsed, file = [], table.with_name(f"once{suffix}")
    for name in ("read_csv", "parse_json"):
        original = getattr(scan_tables, name)
        monkeypatch.setattr(scan_tables, name, lambda *given, own=original: parsed.append(given) or own(*given))
        monkeypatch.setattr(sources, name, getattr(scan_tables, name))
    rows = [("in/c0_image.nii.gz", "in/c0_label.nii.gz"), ("in/c1_image.nii.gz", "" if bad else "in/c1_label.nii.gz")]
    if suffix == ".csv":
        file.write_text("\n".join(["image,mask", *map(",".join, rows)]))
    else:
        file.write_text(json.dumps({"training": [{"image": image, "mask": mask} for image, mask in rows]}))
    assert is_scan_table(file) == (suffix == ".csv" or not bad)
    assert len(parsed) == 1


def test_of_many_images_one_is_looked_into(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(scan_tables, "is_volume", lambda image: opened.append(image.name))
    (tmp_path / "t.csv").write_text("image,mask,label\n,,a\n" + "".join(f"{n}.nii,{n}.nii,a\n" for n in range(9)))
    assert not is_scan_table(tmp_path / "t.csv")
    assert opened == ["0.nii"]


def test_a_box_in_any_row_makes_a_table_of_scans(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('image,mask,box,label\na.png,m.png,,x\nb.png,,"1,2,3,4",x\n')
    assert is_scan_table(file)
    file.write_text('image,mask,box,label\na.png,m.png,,x\nb.png,m.png,"1,2,3,4",x\n')
    assert not is_scan_table(file), "a lesion's mask may stand beside the box of where it was"


def test_a_lesion_set_is_read_as_ever(tmp_path):
    write_set(tmp_path / "set")
    assert len(open_lesions(tmp_path / "set")) == 24
    assert not (tmp_path / "extracted").exists()


def test_a_window_has_nothing_to_cut_in_a_lesion_set(tmp_path):
    write_set(tmp_path / "set")
    with pytest.raises(UsageError, match=r"is no table of scans .*--window and --fov have nothing to cut"):
        open_lesions(tmp_path / "set", section=ExtractSection(window="liver"))


# On the fly


def test_scans_are_cut_once_and_taken_again_until_something_changes(table, tmp_path):
    told, section = Told(), ExtractSection(window="liver", size=16)
    lesions = open_lesions(table, section=section, progress=told)
    (folder,) = (tmp_path / "extracted").iterdir()
    assert folder.name.startswith("scans-")
    assert lesions.counts() == {"cyst": 3, "mass": 3}
    assert lesions.source == folder / "lesions.csv"
    assert any("Cut 6 lesions into" in line for line in told.lines)
    again = open_lesions(table, section=section, progress=told)
    assert again.table.equals(lesions.table)
    assert "Lesions of an earlier cut" in told.lines[-1]
    open_lesions(table, section=ExtractSection(window="lung", size=16))
    write_case(tmp_path / "in", "c0", centre=(20, 20, 6), radius_mm=4.0)
    open_lesions(table, section=section)
    assert len(list((tmp_path / "extracted").iterdir())) == 3


def test_doubts_name_files_and_so_are_told_and_never_kept(table, tmp_path):
    write_nifti(tmp_path / "in/c0_label.nii.gz", np.zeros((40, 36, 12), np.uint8))
    told = Told()
    lesions = open_lesions(table, progress=told)
    assert any("c0_label.nii.gz: is empty" in line for line in told.lines)
    assert not lesions.warnings


def test_of_an_earlier_cut_it_is_said_how_many_doubts_there_were(table, tmp_path):
    table = table.rename(tmp_path / "my scans.csv")
    write_nifti(tmp_path / "in/c0_label.nii.gz", np.zeros((40, 36, 12), np.uint8))
    for window, count in ((None, 2), ("liver", 1)):
        told, section = Told(), ExtractSection(window=window)
        first = open_lesions(table, section=section, progress=told)
        assert sum(line.startswith("Warning") for line in told.lines) == count
        told.lines.clear()
        assert open_lesions(table, section=section, progress=told).table.equals(first.table)
        assert f"Warning: {count} doubts were told when it was cut" in told.lines[-1]
        assert "c0" not in told.lines[-1]
        command = shlex.split(told.lines[-1].split("`")[1])
        assert command == ["augmentor", "extract", "--data", str(table), "--out", "NEW"]


def test_patients_who_are_not_known_are_warned_of_each_time(table):
    rows = [row.rpartition(",")[0] for row in table.read_text().splitlines()]
    table.write_text("\n".join(rows))
    for _ in range(2):
        lesions = open_lesions(table, section=ExtractSection(window="liver"))
        assert any("No patient was known for 6 of 6 images" in told for told in inspect(lesions).warnings)


def test_a_bad_scan_stops_it_and_nothing_is_left(table, tmp_path):
    (tmp_path / "in" / "c3_image.nii.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"c3_image\.nii\.gz: can't be read as a scan"):
        open_lesions(table)
    assert not list((tmp_path / "extracted").iterdir())


def test_the_error_of_a_table_that_was_cut_says_so_and_how_one_of_lesions_is_told(table, tmp_path):
    (tmp_path / "in" / "c3_image.nii.gz").write_bytes(b"broken")
    rule = r"scans.csv: has boxes, or masks and volumes.* call it lesions.csv or manifest.csv, .* origin or roi_side_mm"
    with pytest.raises(DataError, match=rule) as raised:
        open_lesions(table)
    assert len(raised.value.problems) == 2
    table.rename(tmp_path / "lesions.csv")
    assert len(open_lesions(tmp_path / "lesions.csv")) == 6


def test_a_fit_of_volumes_takes_a_table_of_scans(table):
    from augmentor.cli.options import read_data, recipe_with
    from augmentor.data.masks import load_mask_channels
    from augmentor.data.preparing import prepare

    recipe = recipe_with(model={"spatial_dims": 3, "size": 16, "with_mask": True})
    lesions = read_data(str(table), None, None, recipe)
    assert [read_image(path).pixels.shape for path in lesions.paths] == [(1, 16, 16, 16)] * 6
    prepared = prepare(lesions, recipe).lesions
    assert load_mask_channels(prepared, 16).shape == (6, 1, 16, 16, 16)


@pytest.mark.slow
def test_check_and_fit_take_a_table_of_scans(table, tmp_path, monkeypatch, capsys):
    import sys

    from augmentor import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["augmentor", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, "".join(capsys.readouterr())

    code, printed = call("check", "--data", table, "--window=-160,240")
    assert code == 0, printed
    assert "uint16: 6" in printed
    code, printed = call("fit", "--data", table, "--window=-160,240", "--kimg", "0.032", "--size", "16", "--out", "run")
    assert code == 0, printed
    written = pd.read_csv(tmp_path / "run" / "lesions.csv", dtype=str)
    assert written["patient"].str.fullmatch("p-[0-9a-f]{12}").all()
    assert Image.open(written["path"][0]).size == (16, 16)
    assert 'window = "-160,240"' in (tmp_path / "run" / "recipe.toml").read_text()
    kept = [f for f in (tmp_path / "run").rglob("*") if f.suffix in (".json", ".jsonl", ".csv", ".toml", ".html")]
    assert len(kept) > 5
    assert not [f for f in kept if b"c0_image" in f.read_bytes() or b"Doe-" in f.read_bytes()]


def test_a_recipe_may_say_how_to_cut(table, tmp_path):
    from augmentor.pipeline import run_recipe
    from augmentor.recipe import make_recipe

    content = {"data": {"path": str(table)}, "extract": {"window": "percentile", "format": "npy", "size": 24}}
    recipe = make_recipe(content | {"out": "out", "steps": ["check"]}, "test")
    run_recipe(recipe, Progress())
    (folder,) = (tmp_path / "extracted").iterdir()
    assert np.load(folder / "cyst" / "0002-01.npy").shape == (24, 24)


def test_an_image_with_times_is_no_lesion_and_is_told_with_the_command_that_cuts(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", np.zeros((8, 8, 8, 2), np.int16))
    with pytest.raises(DataError, match=r"has the shape \(8, 8, 8, 2\).*augmentor extract --data"):
        read_image(str(tmp_path / "a.nii.gz"))
