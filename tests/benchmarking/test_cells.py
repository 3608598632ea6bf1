import json
import math

import pytest

from augmentor.benchmarking.cells import Cell, Spec, done
from tests.lesion_sets import write_set

SPEC = Spec("classic", "svm", "1", 0, 1.0)


def make_cell(**changed) -> Cell:
    found = {
        "classes": ["a", "b"],
        "train": ["t"],
        "test": ["x", "y"],
        "scores": {"accuracy": 0.5, "auc": float("nan")},
        "probabilities": [[0.9, 0.1], [0.2, 0.8]],
    }
    return Cell(SPEC, "k" * 10, **(found | changed))


def test_a_cell_comes_back_from_its_file_as_it_was(tmp_path):
    cell = make_cell(chosen={"factor": 2.0}, warnings=["few"], seconds=1.5)
    cell.save(tmp_path)
    back = done(tmp_path)[cell.key]
    assert math.isnan(back.scores.pop("auc"))
    cell.scores.pop("auc")
    assert back == cell


def test_a_row_has_the_factor_that_was_chosen_and_the_cell_keeps_its_name(tmp_path):
    cell = make_cell(chosen={"factor": 5.0})
    assert cell.row["factor"] == 5.0
    assert list(cell.row) == list(make_cell().row)
    assert make_cell().row["factor"] == SPEC.factor
    assert cell.file(tmp_path) == make_cell().file(tmp_path)


def test_a_failed_cell_is_on_disk_but_not_done(tmp_path):
    make_cell(error="ValueError: no").save(tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert done(tmp_path) == {}


def test_the_file_says_what_it_is_without_our_code(tmp_path):
    make_cell().save(tmp_path)
    (file,) = tmp_path.glob("*.json")
    assert file.name.startswith("classic-svm-fold1-seed0-x1-")
    content = json.loads(file.read_text())
    assert content["arm"] == "classic"
    assert content["train"] == ["t"]
    assert content["test"] == ["x", "y"]
    assert content["accuracy"] == 0.5
    assert content["auc"] is None


def test_predictions_name_the_patient_and_the_most_probable_class(tmp_path):
    lesions = write_set(tmp_path / "lesions")
    paths = [lesions.paths[0], lesions.paths[-1]]
    rows = list(make_cell(test=paths).predictions(lesions))
    assert [r["predicted"] for r in rows] == ["a", "b"]
    assert [r["patient"] for r in rows] == [lesions.table["patient"].iloc[0], lesions.table["patient"].iloc[-1]]
    assert rows[0]["p_a"] == 0.9


@pytest.mark.parametrize("content", ["", "{", '{"arm": "classic"}', "[]"])
def test_a_damaged_cell_is_not_done_and_stops_nothing(tmp_path, content):
    make_cell().save(tmp_path)
    (tmp_path / "damaged.json").write_text(content)
    assert list(done(tmp_path)) == ["k" * 10]
