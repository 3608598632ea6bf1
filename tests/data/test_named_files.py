import json
from pathlib import Path
from unicodedata import normalize

import pytest

from augmentor.data.readers import read_lesions
from augmentor.errors import DataError
from tests.data.written import column, touch, write_csv


def test_a_table_that_was_written_on_windows_names_the_same_files(tmp_path):
    touch(tmp_path, "img/a/1.png", "img/b/2.png")
    (tmp_path / "l.csv").write_text("path,label\nimg\\a\\1.png,a\nimg\\b\\2.png,b\n")
    items = [{"image": f"img\\{name}", "label": name[0]} for name in ("a\\1.png", "b\\2.png")]
    (tmp_path / "l.json").write_text(json.dumps({"training": items}))
    for table in ("l.csv", "l.json"):
        assert read_lesions(tmp_path / table).paths == [str(tmp_path / "img" / n) for n in ("a/1.png", "b/2.png")]


def test_an_id_is_an_image_and_no_mask_or_hidden_file_of_its_name(tmp_path):
    masks = ["masks/i1.png", "deep/Masks/i1.png", "labels/i1.png", "mask/p/i1.png", ".cache/i1.png", "x/.i1.png"]
    touch(tmp_path, "images/i1.jpg", "i1.txt", "x/i1.json", *masks, "masks/i2.png")
    text = "file_name,label\ni1,a\ni1.jpg,b\ni2,c\n"
    lesions = read_lesions(write_csv(tmp_path / "t.csv", text))
    assert lesions.paths == [str(tmp_path / "images/i1.jpg")] * 2 + [str(tmp_path / "i2")]


def test_a_mask_by_its_id_is_the_one_among_masks(tmp_path):
    touch(tmp_path, "images/i1.png", "masks/i1.png", "images/i2.png", "seg/i2_mask.png")
    lesions = read_lesions(write_csv(tmp_path / "t.csv", "path,mask,label\ni1,i1,a\ni2,i2_mask,b\n"))
    assert lesions.paths == [str(tmp_path / f"images/i{n}.png") for n in (1, 2)]
    assert column(lesions, "mask") == [str(tmp_path / "masks/i1.png"), str(tmp_path / "seg/i2_mask.png")]


def test_an_id_that_several_images_have_is_refused_with_row_and_files(tmp_path):
    touch(tmp_path, "a/i1.png", "b/i1.jpg")
    with pytest.raises(DataError, match=r"t\.csv: row 2: i1: several files .*a/i1\.png, .*b/i1\.jpg.*Give paths"):
        read_lesions(write_csv(tmp_path / "t.csv", "path,label\ni1,a\n"))


def test_a_folder_of_an_images_name_is_not_it(tmp_path):
    touch(tmp_path, "in/i1/i1.png", "i2/i2.png")
    lesions = read_lesions(write_csv(tmp_path / "t.csv", "path,label\ni1,a\ni2,b\n"))
    assert lesions.paths == [str(tmp_path / name) for name in ("in/i1/i1.png", "i2/i2.png")]


@pytest.mark.parametrize("text", ["img/Müller_1.png", "IMG/müller_1.PNG", "mu\u0308ller_1.png", "img\\MÜLLER_1.png"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_that_of_its_file_in_another_case_or_encoding(tmp_path, text, form):
    home = "" if "/" not in text and "\\" not in text else "img/"
    touch(tmp_path, file := normalize(form, f"{home}Müller_1.png"), "img/other.png")
    lesions = read_lesions(write_csv(tmp_path / "t.csv", f"path,label\n{text},a\n"))
    assert lesions.paths == [str(tmp_path / file)]


def test_of_two_files_that_differ_in_case_the_one_that_is_named_is_meant(tmp_path):
    touch(tmp_path, "img/a.png", "img/A.png")
    if len(list((tmp_path / "img").iterdir())) < 2:
        pytest.skip("this file system takes both for one")
    file = write_csv(tmp_path / "t.csv", "path,label\nimg/A.png,a\nimg/a.png,b\n")
    assert read_lesions(file).paths == [str(tmp_path / "img" / name) for name in ("A.png", "a.png")]
    with pytest.raises(DataError, match=r"row 2: img/a.PNG: several files have this name.*A\.png, .*a\.png"):
        read_lesions(write_csv(file, "path,label\nimg/a.PNG,a\n"))


def test_a_file_outside_the_tables_folder_is_found_in_another_case(tmp_path):
    touch(tmp_path, "Images/p1.png", "tables/x.txt")
    file = write_csv(tmp_path / "tables" / "t.csv", f"path,label\n../images/P1.png,a\n{tmp_path}/images/p1.PNG,a\n")
    assert {Path(path).resolve() for path in read_lesions(file).paths} == {tmp_path / "Images" / "p1.png"}
