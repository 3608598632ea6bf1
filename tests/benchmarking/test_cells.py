import ast
import json
import math

import pytest

from augmentor.benchmarking import cells
from augmentor.benchmarking.cells import Cell, Spec, code_hash, done, result_key
from augmentor.data.lesions import make_lesions
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


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 7}, {"train": [["p", "other pixels", "a", "p1"]]}])
def test_a_key_changes_with_whatever_decides_about_the_cell(change):
    base = {"seed": 0, "steps": 6, "train": [["p", "pixels", "a", "p1"]]}
    assert result_key(base, ("version.py",)) == result_key(dict(reversed(base.items())), ("version.py",))
    assert result_key(base, ("version.py",)) != result_key(base | change, ("version.py",))


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


# What a cell's modules import and what can't change a figure: words, arguments, tables, files.
HARMLESS = {
    "arguments.py",
    "benchmarking/cells.py",
    "data/check.py",
    "data/readers.py",
    "data/secondary_capture.py",
    "errors.py",
    "files.py",
    "locks.py",
    "progress.py",
    "recipe.py",
    "version.py",
}


@pytest.mark.parametrize(
    "patterns", [cells.FIT_CODE, (*cells.CELL_CODE, *cells.SCREEN_CODE)], ids=["a GAN's", "a cell's"]
)
def test_every_module_that_decides_about_a_figure_is_in_its_key(patterns):
    known = {file for pattern in patterns for file in cells._PACKAGE.glob(pattern)}
    assert all(list(cells._PACKAGE.glob(pattern)) for pattern in patterns)
    missing = {module for file in known for module in imported(file)} - known
    assert {str(file.relative_to(cells._PACKAGE)) for file in missing} <= HARMLESS


def imported(file):
    """The package's modules that a module imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("augmentor."):
            module = cells._PACKAGE.joinpath(*node.module.split(".")[1:]).with_suffix(".py")
            if module.exists():
                yield module


@pytest.mark.parametrize("content", ["", "{", '{"arm": "classic"}', "[]"])
def test_a_damaged_cell_is_not_done_and_stops_nothing(tmp_path, content):
    make_cell().save(tmp_path)
    (tmp_path / "damaged.json").write_text(content)
    assert list(done(tmp_path)) == ["k" * 10]


@pytest.mark.parametrize("name", ["mask.nii", "mask/0001.dcm"])
def test_another_mask_or_size_is_told_from_the_one_before(tmp_path, name):
    mask = tmp_path / name
    mask.parent.mkdir(exist_ok=True)
    mask.write_bytes(b"one")
    columns = {"path": ["/x/0"], "label": ["a"], "patient": ["p"], "mask": [str(tmp_path / name.partition("/")[0])]}
    before = cells.beside_of(make_lesions(columns, tmp_path))
    assert cells.beside_of(make_lesions(columns | {"roi_side_mm": ["30"]}, tmp_path)) != before
    mask.write_bytes(b"another")
    assert cells.beside_of(make_lesions(columns, tmp_path)) != before
