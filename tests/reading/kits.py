"""Readings and answers for tests: made once a process, or written by hand."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from augmentor.data.readers import read_lesions
from augmentor.reading.answers import answers_file, save_answers
from augmentor.reading.key import Key
from augmentor.training.fit import fit
from augmentor.training.run import Run
from tests.lesion_sets import draw_phantom, tiny_recipe

CLASSES = ["cyst", "metastasis"]


@lru_cache(maxsize=1)
def phantom_run() -> Run:
    """A run on 16-bit phantom lesions of many patients, 24x24, about a third of them held out."""
    folder = Path(mkdtemp())
    lesions = read_lesions(draw_phantom(folder / "lesions", patients=45, per_class=60, size=24))
    recipe = tiny_recipe(model={"size": 24}, training={"holdout": 0.34})
    return fit(lesions, recipe, folder / "run", latest=False)


def plain_key(lesions_a_kind: int = 10, readers: tuple[str, ...] = ("anna", "ben"), folder: Path | None = None) -> Key:
    """A key without pictures: lesions L00, L01, ..., kinds and the two classes in turn."""
    rows = [
        {
            "id": f"L{number:02d}",
            "kind": ("real", "synthetic")[number % 2],
            "label": CLASSES[number // 2 % 2],
            "patient": "",
            "source": "",
        }
        for number in range(2 * lesions_a_kind)
    ]
    orders = {reader: [row["id"] for row in rows] for reader in readers}
    made = {"run": "", "checkpoint": "", "seed": 0, "screen": "light", "version": ""}
    key = Key("abc123abc123", made, CLASSES, rows, orders, {})
    if folder:
        folder.mkdir(exist_ok=True)
        key.save(folder)
    return key


def true_answers(key: Key, reader: str) -> pd.DataFrame:
    """Answers without an error; a test changes what it is about."""
    truth = pd.DataFrame(key.lesions)
    return pd.DataFrame(
        {
            "reading": key.reading,
            "reader": reader,
            "lesion": truth["id"],
            "position": [str(i) for i in range(1, len(truth) + 1)],
            "kind": truth["kind"],
            "label": truth["label"],
            "confidence": "4",
            "seconds": "2.5",
        }
    )


def save(folder: Path, reader: str, answers: pd.DataFrame) -> Path:
    file = answers_file(folder, reader)
    save_answers(answers, file)
    return file


def lose_images(monkeypatch, run: Run) -> None:
    """The run's training images are no longer where they were."""
    gone = replace(run.training, table=run.training.table.assign(path="/nowhere/1.png"))
    monkeypatch.setattr(Run, "training", property(lambda _: gone))
