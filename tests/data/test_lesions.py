from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augmentor.data.lesions import COLUMNS, Lesions, load_lesions, make_lesions
from augmentor.errors import DataError, UsageError


def make(tmp_path, labels, patients=None, **columns):
    paths = [f"/x/{i}.png" for i in range(len(labels))]
    patients = patients or [f"p{i}" for i in range(len(labels))]
    return make_lesions({"path": paths, "label": list(labels), "patient": patients} | columns, tmp_path)


def test_a_table_has_every_column_as_text_and_real_lesions_unless_told(tmp_path):
    table = make(tmp_path, "ab").table
    assert tuple(table.columns) == COLUMNS
    assert set(table["origin"]) == {"real"}
    assert (table[["split", "fold", "mask", "content"]] == "").all(axis=None)
    assert make(tmp_path, "ab", origin=["synthetic", ""]).table["origin"].tolist() == ["synthetic", "real"]


@pytest.mark.parametrize("patients", [["p", "q", "p"], ["", "", ""]])
def test_a_row_that_stands_in_a_table_twice_counts_once(tmp_path, patients):
    lesions = make_lesions({"path": ["a", "b", "a"], "label": ["x", "y", "x"], "patient": patients}, tmp_path)
    assert lesions.paths == ["a", "b"]
    assert any("more than once count once: 1, for example a." in told for told in lesions.warnings)
    apart = make_lesions({"path": ["a", "b", "a"], "label": ["x", "y", "y"], "patient": patients}, tmp_path)
    assert len(apart) == 3


def test_an_image_is_told_by_its_pixels_and_else_by_its_path():
    columns = {"path": list("xyzx"), "label": list("abab"), "content": ["1", "1", "", ""]}
    assert make_lesions(columns, Path("set")).images.tolist() == ["1", "1", "z", "x"]


def test_targets_number_the_classes_in_their_order(tmp_path):
    lesions = make(tmp_path, "caba")
    assert lesions.classes == ["a", "b", "c"]
    assert lesions.targets.tolist() == [2, 0, 1, 0]
    assert lesions.targets.dtype == np.int64


def test_rows_are_chosen_by_mask_or_position_and_leave_the_table_as_it_was(tmp_path):
    lesions = make(tmp_path, "abcd")
    assert lesions.rows([3, 0]).paths == ["/x/3.png", "/x/0.png"]
    assert lesions.rows(np.array([True, False, False, True])).paths == ["/x/0.png", "/x/3.png"]
    assert len(lesions.rows([])) == 0
    assert lesions.rows([3]).rows([0]).paths == ["/x/3.png"]
    assert len(lesions) == 4


def test_images_and_patients_are_counted_by_class(tmp_path):
    lesions = make(tmp_path, "aaab", ["p", "p", "q", "p"])
    assert lesions.per_class().loc["a"].tolist() == [3, 2]
    assert lesions.counts() == {"a": 3, "b": 1}


def test_images_without_a_patient_are_their_own_patients_and_a_warning_says_so(tmp_path):
    lesions = make(tmp_path, "aab", ["", "", "p"])
    assert lesions.table["patient"].nunique() == 3
    assert "2 of 3 images" in lesions.warnings[0]
    assert "--patient-pattern" in lesions.warnings[0]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"path,label\n", b"null"])
def test_a_table_of_a_run_that_is_damaged_is_named(tmp_path, content):
    (tmp_path / "lesions.csv").write_bytes(content)
    with pytest.raises(UsageError, match=r"lesions\.csv: is damaged"):
        load_lesions(tmp_path / "lesions.csv")


def test_unknown_patients_of_equal_file_names_are_still_two(tmp_path):
    columns = {"path": ["/x/a/1.png", "/x/b/1.png", "/x/b/2.png"], "label": list("abb")}
    assert make_lesions(columns, tmp_path).table["patient"].nunique() == 3


def test_known_patients_bring_no_warning(tmp_path):
    assert not make(tmp_path, "ab").warnings


@pytest.mark.parametrize("seed", range(5))
def test_at_most_takes_as_many_patients_as_it_can(tmp_path, seed):
    patients = [f"{c}{p}" for c in "ab" for p in range(4) for _ in range(5)]
    lesions = make(tmp_path, [p[0] for p in patients], patients)
    few = lesions.at_most(4, seed)
    assert few.counts() == {"a": 4, "b": 4}
    assert few.table["patient"].nunique() == 8
    assert few.paths == lesions.at_most(4, seed).paths
    assert lesions.at_most(100, seed).paths == lesions.paths
    assert lesions.at_most(None, seed) is lesions


def test_another_seed_takes_others(tmp_path):
    lesions = make(tmp_path, "a" * 30 + "b" * 30)
    assert lesions.at_most(5, 0).paths != lesions.at_most(5, 1).paths


def test_at_most_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"--max-per-class is 0"):
        make(tmp_path, "ab").at_most(0, 0)


def test_a_saved_table_is_read_back_as_text(tmp_path):
    lesions = make(tmp_path, ["NA", "007", "None"], ["1", "01", "nan"], fold=["1", "", "2"])
    lesions.save(tmp_path / "lesions.csv")
    assert load_lesions(tmp_path / "lesions.csv").table.to_dict() == lesions.table.to_dict()


def test_a_table_that_can_not_be_written_leaves_the_one_of_before(tmp_path):
    file = tmp_path / "lesions.csv"
    make(tmp_path, "abc").save(file)
    before = file.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        make(tmp_path, ["a", "l\udce4sion"]).save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_table_of_an_earlier_version_has_the_columns_that_came_later_empty(tmp_path):
    lesions = make(tmp_path, "ab")
    lesions.table.drop(columns="roi_side_mm").to_csv(tmp_path / "old.csv", index=False)
    read = load_lesions(tmp_path / "old.csv")
    assert tuple(read.table.columns) == COLUMNS
    assert read.table.equals(lesions.table)


def test_sets_joined_in_pandas_are_at_most_as_many_each_once(tmp_path):
    one, other = (make(tmp_path / name, "a" * 30 + "b" * 30).table for name in "xy")
    other["path"] = "/y" + other["path"]
    joined = Lesions(pd.concat([one, other]), tmp_path)
    few = joined.at_most(12)
    assert few.counts() == {"a": 12, "b": 12}
    assert len(set(few.paths)) == 24
    assert few.paths == Lesions(pd.concat([one, other], ignore_index=True), tmp_path).at_most(12).paths


def test_cells_that_are_no_text_become_it(tmp_path):
    table = make(tmp_path, "ab").table
    odd = table.assign(path=[Path("/x/0.png"), Path("/x/1.png")], patient=[7, 8], fold=[1, 2], mask=[None, np.nan])
    made = Lesions(odd, tmp_path).table
    pd.testing.assert_frame_equal(made, table.assign(patient=["7", "8"], fold=["1", "2"], mask=["", ""]))
    assert odd["patient"].tolist() == [7, 8]  # the caller's own table


@pytest.mark.parametrize("kind", ["str", "object"])
def test_a_table_of_text_stays_as_it_is(tmp_path, kind):
    table = make(tmp_path, "ab").table.astype(kind)
    assert Lesions(table, tmp_path).table is table


def test_a_class_of_synthetic_lesions_alone_has_no_patient(tmp_path):
    lesions = make(tmp_path, "aab", ["p", "", ""], origin=["real", "synthetic", "synthetic"])
    assert lesions.per_class()["patients"].to_dict() == {"a": 1, "b": 0}
    assert lesions.per_class()["images"].to_dict() == {"a": 2, "b": 1}
    assert lesions.patients == 1
