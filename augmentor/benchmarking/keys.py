"""Keys of results: hashes of all that decides about them, by which a restart knows what is done."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from augmentor.data.lesions import Lesions
from augmentor.model.checkpoint import file_hash

_PACKAGE = Path(__file__).parent.parent
# What decides about a cell's figures, beside its recipe and its data: a change of these modules or libraries computes
# it anew. A test compares the lists with what the modules import.
_FILES = ("dicom", "dicom_grids", "dicom_pixels", "extras", "formats", "grids", "images", "lesion_image")
_READING = (*_FILES, "intensity", "lesions", "patients", "spelling", "squares", "upright")
_READ = tuple(f"data/{name}.py" for name in _READING)
_DATA = (*_READ, *(f"data/{name}.py" for name in ("masks", "placing", "sizes", "soft_masks", "splits")))
FIT_CODE = ("model/*.py", "training/*.py", *_DATA, "measures.py", "sampling.py")
SCREEN_CODE = (*FIT_CODE, "expansion/*.py", "data/windows.py", "data/writing.py")
_COMPUTING = ("arms", "auto", "cell_task", "classifiers", "fold", "gan_task", "limits", "networks", "pool", "scores")
_OURS = tuple(f"benchmarking/{name}.py" for name in _COMPUTING)
_SEEN = ("blocks", "convolution", "devices", "features", "texture", "volume_features", "warping")
CELL_CODE = (
    *_OURS,
    *(f"model/{name}.py" for name in _SEEN),
    *_READ,
    "data/splits.py",
    "measures.py",
    "training/classic.py",
)
_SIMULATING = tuple(f"benchmarking/{name}.py" for name in ("comparison", "design", "simulation", "statistics"))
_PHANTOM = ("data/phantom*.py",)
STUDY_CODE = (*CELL_CODE, *_SIMULATING, *_PHANTOM, "evaluation/intervals.py")
_LIBRARIES = ("monai", "numpy", "pydicom", "scikit-learn", "scipy", "torch")
# A process goes on with the code that it has loaded, whatever is installed meanwhile.
_SOURCES = {
    PurePosixPath("/", file.relative_to(_PACKAGE).as_posix()): file.read_text(encoding="utf-8")
    for file in _PACKAGE.rglob("*.py")
}


def result_key(content: dict[str, Any], code: tuple[str, ...]) -> str:
    """10 hex digits of everything that decides about a result: recipe, data and code."""
    text = json.dumps([content, code_hash(code), list(_versions().values())], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def software() -> dict[str, str]:
    """What this process computes with: augmentor's code, and the version of each library."""
    return {"augmentor": f"code {code_hash((*CELL_CODE, *SCREEN_CODE))}"} | _versions()


@lru_cache
def _versions() -> dict[str, str]:
    return {library: version(library) for library in _LIBRARIES}


def data_of(lesions: Lesions) -> list[list[str]]:
    """What of the lesions decides about a result: which pixels, of which class and patient, and a split they bring."""
    table: pd.DataFrame = lesions.table[["path", "content", "label", "patient", "split"]]
    return table.to_numpy().tolist()


def beside_of(lesions: Lesions) -> list[list[str]]:
    """What a lesion has beside its image: its mask and what that holds, and the size of its region."""
    table = lesions.table[["mask", "roi_side_mm"]].itertuples(index=False)
    return [[mask, _hash_of_mask(Path(mask)) if mask else "", side] for mask, side in table]


def _hash_of_mask(mask: Path) -> str:
    """Of a file, or of each section in a folder of DICOM; "" where there is none."""
    files = sorted(mask.iterdir()) if mask.is_dir() else [mask]
    return "".join(file_hash(file) for file in files if file.is_file())


@lru_cache
def code_hash(patterns: tuple[str, ...]) -> str:
    """A hash of the package's modules that match, as they were when this one was imported; comments and docstrings do
    not count."""
    files = sorted({file for file in _SOURCES for pattern in patterns if file.match(f"/{pattern}")})
    trees = [ast.dump(_without_docstrings(ast.parse(_SOURCES[file]))) for file in files]
    return hashlib.sha256("".join(trees).encode()).hexdigest()[:10]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return tree
