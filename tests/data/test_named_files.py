import json

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
