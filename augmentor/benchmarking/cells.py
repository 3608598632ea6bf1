"""A cell: one arm, classifier, fold and seed. What it is, what it found, and its file, which a restart reads again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.data.formats import file_name
from augmentor.data.lesions import Lesions
from augmentor.files import to_json, write_atomically
from augmentor.recipe import ArmName, ClassifierName


@dataclass(frozen=True)
class Spec:
    """factor: the size of the enlarged set, in real ones. per_class: real training lesions a class; None for all."""

    arm: ArmName
    classifier: ClassifierName
    fold: str
    seed: int
    factor: float
    per_class: int | None = None

    def __str__(self) -> str:
        size = f", factor {self.factor:g}" + (f", {self.per_class} a class" if self.per_class else "")
        return f"{self.arm} x {self.classifier}, fold {self.fold}, seed {self.seed}{size}"


@dataclass(frozen=True)
class Cell:
    """A spec and what came of it: either `scores` and `probabilities`, or `error`.

    probabilities: (N, classes), a row for each path of `test`, in that order. `train`, `gan_train` and `gan_held_out`
    are the paths of every image that was trained on or chosen by.
    """

    spec: Spec
    key: str
    classes: list[str]
    train: list[str]
    test: list[str]
    gan_train: list[str] = field(default_factory=list)
    gan_held_out: list[str] = field(default_factory=list)
    n_real: int = 0
    n_synthetic: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    probabilities: list[list[float]] = field(default_factory=list)
    chosen: dict[str, Any] | None = None  # by arm `auto`
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """Its row of results.csv; `factor` of arm `auto` is the one that it chose."""
        counts = {"n_real": self.n_real, "n_synthetic": self.n_synthetic}
        counts |= {"factor": self.chosen["factor"]} if self.chosen else {}
        return asdict(self.spec) | counts | self.scores | {"seconds": self.seconds}

    def predictions(self, lesions: Lesions) -> Iterator[dict[str, Any]]:
        """Its rows of predictions.csv."""
        known = dict(zip(lesions.paths, lesions.table[["patient", "label"]].to_numpy().tolist(), strict=True))
        spec = {k: v for k, v in asdict(self.spec).items() if k in ("arm", "classifier", "fold", "seed")}
        for path, chances in zip(self.test, self.probabilities, strict=True):
            called = self.classes[int(np.argmax(chances))]
            chance_of = {f"p_{c}": p for c, p in zip(self.classes, chances, strict=True)}
            patient, label = known[path]
            truth = {"path": path, "patient": patient, "label": label}
            yield spec | truth | {"predicted": called} | chance_of

    def file(self, folder: Path) -> Path:
        """The key is in its name, so that a cell of another recipe in the same folder is left alone."""
        spec = self.spec
        size = f"-x{spec.factor:g}" + (f"-n{spec.per_class}" if spec.per_class else "")
        name = f"{spec.arm}-{spec.classifier}-fold{file_name(spec.fold)}-seed{spec.seed}{size}-{self.key}.json"
        return folder / name

    def save(self, folder: Path) -> None:
        """The file is there whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        content = asdict(self)
        write_atomically(self.file(folder), to_json(content.pop("spec") | content.pop("scores") | content))


def done(folder: Path) -> dict[str, Cell]:
    """The cells in a folder, by key; those that failed or are damaged are left out, to be computed again."""
    cells = (_read(file) for file in sorted(folder.glob("*.json")))
    return {cell.key: cell for cell in cells if cell and cell.error is None}


def _read(file: Path) -> Cell | None:
    try:
        return _cell_of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError):
        return None


def _cell_of(content: dict[str, Any]) -> Cell:
    names, others = Spec.__dataclass_fields__, Cell.__dataclass_fields__
    spec = Spec(**{k: v for k, v in content.items() if k in names})
    rest = {k: v for k, v in content.items() if k in others and k not in names}
    scores = {k: v for k, v in content.items() if k not in names and k not in others}
    # A measure that does not exist (an AUC over one class) is null in JSON.
    return Cell(spec, scores={k: float("nan") if v is None else v for k, v in scores.items()}, **rest)
