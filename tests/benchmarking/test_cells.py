import json
import math

import pytest

from augmentor.benchmarking import cells
from augmentor.benchmarking.cells import Cell, Spec, code_hash, done, key_of
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


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 7}, {"train": [["p", "other pixels", "a", "p1"]]}])
def test_a_key_changes_with_whatever_decides_about_the_cell(change):
    base = {"seed": 0, "steps": 6, "train": [["p", "pixels", "a", "p1"]]}
    assert key_of(base, ("version.py",)) == key_of(dict(reversed(base.items())), ("version.py",))
    assert key_of(base, ("version.py",)) != key_of(base | change, ("version.py",))


def test_a_key_changes_with_the_code_but_not_with_its_comments(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "_PACKAGE", tmp_path)

    def hash_of(text: str) -> str:
        (tmp_path / "module.py").write_text(text)
        code_hash.cache_clear()
        return code_hash(("module.py",))

    plain = hash_of("def f():\n    return 1\n")
    assert plain == hash_of('"""Doc."""\n# why\ndef f():\n    """Doc."""\n    return 1\n')
    assert plain != hash_of("def f():\n    return 2\n")
    code_hash.cache_clear()


def test_every_module_that_decides_about_a_cell_is_in_its_key():
    for pattern in (*cells.FIT_CODE, *cells.SCREEN_CODE, *cells.CELL_CODE):
        assert list(cells._PACKAGE.glob(pattern)), pattern
