import json

import pytest

from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from tests.data.written import column, touch, write_csv, write_json


def item(path, label, **more):
    return {"image": path, "label": label} | more


def test_a_datalist_with_splits_patients_and_folds(tmp_path):
    content = {
        "training": [item("1.nii", "a", patient="p1", fold=0), item("/abs/2.nii", "b", patient=2, fold=1)],
        "validation": [item("3.nii", "a", patient=None)],
        "test": [item("4.nii", "b", mask="m.nii")],
    }
    lesions = read_lesions(write_json(tmp_path / "set.json", content))
    assert lesions.paths == [str(tmp_path / "1.nii"), "/abs/2.nii", str(tmp_path / "3.nii"), str(tmp_path / "4.nii")]
    assert column(lesions, "split") == ["train", "train", "val", "test"]
    assert column(lesions, "patient") == ["p1", "2", "image:3.nii", "image:4.nii"]
    assert column(lesions, "fold") == ["0", "1", "", ""]
    assert column(lesions, "mask") == ["", "", "", str(tmp_path / "m.nii")]


def test_a_datalist_of_one_part_has_no_split(tmp_path):
    content = {"training": [item("1.nii", 0), item("2.nii", 1)]}
    assert set(column(read_lesions(write_json(tmp_path / "set.json", content)), "split")) == {""}


@pytest.mark.parametrize(
    "labels",
    [{"0": "cyst", "1": "nevus"}, {"cyst": 0, "nevus": 1}, {"cyst": 0.0, "nevus": 1.0}, ["cyst", "nevus"]],
)
def test_a_datalist_names_its_labels_in_any_of_the_usual_ways(tmp_path, labels):
    content = {"labels": labels, "training": [item("1.nii", 0), item("2.nii", 1), item("3.nii", "1")]}
    assert column(read_lesions(write_json(tmp_path / "s.json", content)), "label") == ["cyst", "nevus", "nevus"]


@pytest.mark.parametrize(("negative", "positive"), [(0.0, 1.0), (False, True), ("0", "1"), ("cyst", "nevus")])
def test_a_label_is_its_number_however_json_writes_it(tmp_path, negative, positive):
    items = [item("1.nii", 0), item("2.nii", negative), item("3.nii", positive)]
    content = {"labels": {"0": "cyst", "1": "nevus"}, "training": items}
    assert column(read_lesions(write_json(tmp_path / "s.json", content)), "label") == ["cyst", "cyst", "nevus"]


def test_a_name_that_is_another_ones_number_does_not_take_its_place(tmp_path):
    content = {"labels": {"0": "1", "1": "0"}, "training": [item("1.nii", 0), item("2.nii", 1)]}
    assert column(read_lesions(write_json(tmp_path / "s.json", content)), "label") == ["1", "0"]


def test_a_number_without_a_name_is_no_class_where_others_have_one(tmp_path):
    content = {"labels": {"0": "cyst", "1": "nevus"}, "training": [item("1.nii", 0), item("2.nii", 2.0)]}
    with pytest.raises(DataError, match=r"training\[1\]: label 2 is none of .* 0 \(cyst\), 1 \(nevus\)"):
        read_lesions(write_json(tmp_path / "s.json", content))


def test_nan_is_nobody_and_no_class(tmp_path):
    patients = [item("1.nii", 0, patient=float("nan")), item("2.nii", 1, patient=7.0)]
    lesions = read_lesions(write_json(tmp_path / "s.json", {"training": patients}))
    assert column(lesions, "patient") == ["image:1.nii", "7"]
    with pytest.raises(DataError, match=r"training\[0\]: has no 'label'"):
        read_lesions(write_json(tmp_path / "s.json", {"training": [item("1.nii", float("nan"))]}))


def test_a_datalist_says_what_is_synthetic(tmp_path):
    content = {"training": [item("1.nii", 0, origin="real"), item("2.nii", 1, origin="synthetic")]}
    assert column(read_lesions(write_json(tmp_path / "set.json", content)), "origin") == ["real", "synthetic"]


def test_the_keys_of_a_datalist_can_be_named(tmp_path):
    file = write_json(tmp_path / "set.json", {"training": [{"roi": "1.nii", "dx": "a", "who": "p"}]})
    lesions = read_lesions(file, {"path": "roi", "label": "dx", "patient": "who"})
    assert lesions.table[["label", "patient"]].values.tolist() == [["a", "p"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([item("1.nii", 0)], "is no MONAI datalist"),
        ({"training": {}}, "is no MONAI datalist"),
        ({"images": [item("1.nii", 0)]}, "is no MONAI datalist"),
        ({"training": []}, "holds no rows"),
        ({"training": [item("1.nii", 0), {"image": "2.nii"}]}, r"training\[1\]: has no 'label'"),
        ({"training": [item("1.nii", 0)], "test": ["2.nii"]}, r"test\[0\]: has no 'image'"),
        ({"training": [item("1.nii", None)]}, r"training\[0\]: has no 'label'"),
        ({"training": [item(["t1.nii", "t2.nii"], 0)]}, r"training\[0\]: 'image' is \['t1.nii', 't2.nii'\]"),
        ({"labels": "cyst", "training": [item("1.nii", 0)]}, "labels is 'cyst'"),
    ],
)
def test_a_datalist_that_is_none_is_refused_with_the_place(tmp_path, content, told):
    with pytest.raises(DataError, match=rf"set\.json.*{told}"):
        read_lesions(write_json(tmp_path / "set.json", content))


def test_a_datalist_may_begin_with_a_byte_order_mark(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    items = [{"image": "a.png", "label": "ö"}, {"image": "b.png", "label": "b"}]
    (tmp_path / "d.json").write_text(json.dumps({"training": items}, ensure_ascii=False), encoding="utf-8-sig")
    assert read_lesions(tmp_path / "d.json").classes == ["b", "ö"]


def test_a_datalist_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"set\.json: is no JSON"):
        read_lesions(write_csv(tmp_path / "set.json", "{training"))


def test_a_key_that_a_datalist_does_not_take_is_refused(tmp_path):
    file = write_json(tmp_path / "set.json", {"training": [item("1.nii", 0)]})
    with pytest.raises(UsageError, match="--columns names split"):
        read_lesions(file, {"split": "part"})


def test_the_images_of_a_datalist_may_be_ids_too(tmp_path):
    touch(tmp_path, "images/i1.png", "masks/i1.png")
    lesions = read_lesions(write_json(tmp_path / "set.json", {"training": [item("i1", "a", mask="i1")]}))
    assert (lesions.paths, column(lesions, "mask")) == (
        [str(tmp_path / "images/i1.png")],
        [str(tmp_path / "masks/i1.png")],
    )
