"""The paper's picture: real and synthetic lesions of the first fold on a plane, by t-SNE of their texture features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.design import Design
from augmentor.evaluation.plane import EMBEDDING, plane_of
from augmentor.files import write_table
from augmentor.model.features import texture_features

_PER_KIND = 100  # lesions a class and origin: more would hide each other


def embed(design: Design, out: Path) -> None:
    """Write embedding.csv (x, y, label, origin: train, test or synthetic) where a GAN was fitted, else remove it."""
    tasks = [t for t in design.cells if (gan := t.gan) and gan.is_done]
    write_table(out / EMBEDDING, _plane(tasks) if tasks else None, float_format="%.3f")


def _plane(tasks: list[CellTask]) -> pd.DataFrame | None:
    task = next((t for t in tasks if t.arm.gan == "cgan"), tasks[0])
    data, classes = task.data, np.array(task.data.lesions.classes)
    assert task.arm.gan
    (images, labels), _ = data.synthetic(task.arm.gan, data.recipe.benchmark.factor, task.screen)
    test = data.test_images, data.test.table["label"].to_numpy(str)
    kinds = {"train": (data.real[0], classes[data.real[1]]), "test": test, "synthetic": (images, classes[labels])}
    return plane_of(kinds, texture_features, _PER_KIND)
