"""Keys change with all that decides about a result, and with nothing else."""

import ast
import shutil
import subprocess
import sys
from pathlib import PurePosixPath

import pytest

from augmentor.benchmarking import keys
from augmentor.benchmarking.cells import Spec
from augmentor.benchmarking.keys import code_hash, result_key
from augmentor.data.lesions import make_lesions

SPEC = Spec("classic", "svm", "1", 0, 1.0)


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 7}, {"train": [["p", "other pixels", "a", "p1"]]}])
def test_a_key_changes_with_whatever_decides_about_the_cell(change):
    base = {"seed": 0, "steps": 6, "train": [["p", "pixels", "a", "p1"]]}
    assert result_key(base, ("version.py",)) == result_key(dict(reversed(base.items())), ("version.py",))
    assert result_key(base, ("version.py",)) != result_key(base | change, ("version.py",))


def test_a_key_changes_with_the_code_but_not_with_its_comments(monkeypatch):
    def hash_of(text: str) -> str:
        monkeypatch.setattr(keys, "_SOURCES", {PurePosixPath("/module.py"): text})
        code_hash.cache_clear()
        return code_hash(("module.py",))

    plain = hash_of("def f():\n    return 1\n")
    assert plain == hash_of('"""Doc."""\n# why\ndef f():\n    """Doc."""\n    return 1\n')
    assert plain != hash_of("def f():\n    return 2\n")
    code_hash.cache_clear()


OF_A_COPY = """
from pathlib import Path
from augmentor.benchmarking import keys
assert keys.__file__ == {file!r}
file = Path(keys.__file__).with_name("arms.py")
file.write_text(file.read_text() + "ANOTHER = 1\\n")
print(keys.software()["augmentor"])
"""


@pytest.mark.slow
def test_a_process_tells_the_code_that_it_has_loaded_and_not_what_was_installed_since(tmp_path):
    shutil.copytree(keys._PACKAGE, tmp_path / "augmentor", ignore=shutil.ignore_patterns("__pycache__"))
    program = OF_A_COPY.format(file=str(tmp_path / "augmentor" / "benchmarking" / "keys.py"))

    def told():
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True, text=True)
        return done.stdout.strip()

    assert told() == keys.software()["augmentor"]
    assert told() != keys.software()["augmentor"]


def test_files_are_matched_from_the_packages_own_folder(monkeypatch):
    sources = {PurePosixPath(f"/{name}"): f"x = {name!r}" for name in ("sampling.py", "a/sampling.py", "a/b/c.py")}
    hashes = []
    for patterns in (("sampling.py",), ("a/*.py",), ("*/sampling.py",), ("a/b/*.py",)):
        monkeypatch.setattr(keys, "_SOURCES", sources)
        code_hash.cache_clear()
        hashes.append(code_hash(patterns))
    code_hash.cache_clear()
    first, second, third, fourth = hashes
    assert second == third
    assert len({first, second, fourth}) == 3


@pytest.mark.parametrize("name", ["mask.nii", "mask/0001.dcm"])
def test_another_mask_or_size_is_told_from_the_one_before(tmp_path, name):
    mask = tmp_path / name
    mask.parent.mkdir(exist_ok=True)
    mask.write_bytes(b"one")
    columns = {"path": ["/x/0"], "label": ["a"], "patient": ["p"], "mask": [str(tmp_path / name.partition("/")[0])]}
    before = keys.beside_of(make_lesions(columns, tmp_path))
    assert keys.beside_of(make_lesions(columns | {"roi_side_mm": ["30"]}, tmp_path)) != before
    mask.write_bytes(b"another")
    assert keys.beside_of(make_lesions(columns, tmp_path)) != before


# What a cell's modules import and what can't change a figure: words, arguments, tables, files.
HARMLESS = {
    "arguments.py",
    "benchmarking/cells.py",
    "benchmarking/failures.py",
    "benchmarking/keys.py",
    "data/folders.py",
    "data/preparing.py",
    "data/readers.py",
    "data/secondary_capture.py",
    "errors.py",
    "files.py",
    "lettering.py",
    "locks.py",
    "progress.py",
    "recipe.py",
    "version.py",
}

# What a cell's modules import for its GAN, which a cell without one has not.
OF_A_GAN = {f"expansion/{name}.py" for name in ("mix", "screen")} | {"training/fit.py", "training/run.py"}
OF_A_GAN |= {"model/checkpoint.py", "model/gan.py"}

# What a simulated benchmark's modules import for a GAN, of which it has none, or to share out and keep rows.
OF_NO_STUDY = {"benchmarking/rows.py", "benchmarking/workers.py"}
OF_NO_STUDY |= {"benchmarking/verdict.py"}  # names the metric, which each row holds


def test_every_module_that_decides_about_a_simulated_benchmark_is_in_its_studys_key():
    known = {file for pattern in keys.STUDY_CODE for file in keys._PACKAGE.glob(pattern)}
    assert all(list(keys._PACKAGE.glob(pattern)) for pattern in keys.STUDY_CODE)
    missing = {module for file in known for module in imported(file)} - known
    assert {str(file.relative_to(keys._PACKAGE)) for file in missing} <= HARMLESS | OF_A_GAN | OF_NO_STUDY


@pytest.mark.parametrize(
    ("patterns", "of_others"),
    [(keys.FIT_CODE, set()), (keys.CELL_CODE, OF_A_GAN), ((*keys.CELL_CODE, *keys.SCREEN_CODE), set())],
    ids=["a GAN's", "a cell's", "a cell's with a GAN"],
)
def test_every_module_that_decides_about_a_figure_is_in_its_key(patterns, of_others):
    known = {file for pattern in patterns for file in keys._PACKAGE.glob(pattern)}
    assert all(list(keys._PACKAGE.glob(pattern)) for pattern in patterns)
    missing = {module for file in known for module in imported(file)} - known
    assert {str(file.relative_to(keys._PACKAGE)) for file in missing} <= HARMLESS | of_others


def imported(file):
    """The package's modules that a module imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("augmentor."):
            module = keys._PACKAGE.joinpath(*node.module.split(".")[1:]).with_suffix(".py")
            if module.exists():
                yield module
