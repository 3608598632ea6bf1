"""No collapse with the defaults, whatever the size, colours, classes and number of lesions.

Collapse is one picture a class: coverage near zero while losses look ordinary. COLLAPSE_KIMG=20 trains longer than CI.
"""

import os
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from augmentor.data.phantom import draw_lesion
from augmentor.data.readers import read_lesions
from augmentor.measures import coverage, standardise
from augmentor.model.checkpoint import load_checkpoint
from augmentor.model.features import texture_features
from augmentor.recipe import Recipe
from augmentor.sampling import sample
from augmentor.training.fit import fit

_LABELS = ("cyst", "hemangioma", "metastasis")
_TINTS = ((1.0, 1.0, 1.0), (1.0, 0.6, 0.5), (0.6, 1.0, 0.6))
_JUDGED = 64  # a class
_LEAST = 0.2


class Shape(NamedTuple):
    size: int
    channels: int
    classes: int
    per_class: int
    kimg: float


SHAPES = [
    Shape(28, 1, 2, 20, 3.0),
    Shape(28, 3, 8, 60, 3.0),
    Shape(64, 1, 3, 500, 1.0),
    Shape(64, 3, 8, 20, 1.0),
    Shape(128, 1, 2, 20, 0.25),
    Shape(128, 3, 3, 60, 0.25),
]


def draw(shape: Shape, kind: int, patient: int, number: int) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8; the classes are three kinds of lesion in three tints."""
    units, _ = draw_lesion(_LABELS[kind % 3], 1000 * kind + patient, number, shape.size)
    grey = np.clip((units.astype(float) + 100) / 350, 0, 1)
    image = grey if shape.channels == 1 else grey[..., None] * _TINTS[kind // 3]
    return (255 * image).astype(np.uint8)


def others(shape: Shape, kind: int) -> np.ndarray:
    """(64, C, S, S) in [-1, 1] of patients that are not in the set."""
    images = [np.atleast_3d(draw(shape, kind, 500 + i // 2, i)) for i in range(_JUDGED)]
    return np.moveaxis(np.stack(images), -1, 1) / 127.5 - 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.size}px-{s.channels}ch-{s.classes}classes-{s.per_class}")
def test_the_default_does_not_collapse(tmp_path, shape, capsys):
    for kind in range(shape.classes):
        (tmp_path / "lesions" / f"k{kind}").mkdir(parents=True)
        for i in range(shape.per_class):
            file = tmp_path / "lesions" / f"k{kind}" / f"k{kind}p{i // 2}_{i}.png"
            Image.fromarray(draw(shape, kind, i // 2, i)).save(file)
    kimg = float(os.environ.get("COLLAPSE_KIMG", shape.kimg))
    recipe = Recipe().with_options(model={"size": shape.size}, training={"kimg": kimg, "snapshots": 1, "device": "cpu"})
    lesions = read_lesions(tmp_path / "lesions", patient_pattern="<patient>_<anything>")
    run = fit(lesions, recipe, tmp_path / "run", latest=False)
    generator, _ = load_checkpoint(max(run.checkpoints.glob("*.safetensors")))  # the one that was trained longest
    found = []
    for kind in range(shape.classes):
        real = others(shape, kind).astype(np.float32)
        made = np.stack([x.numpy() for x, _ in sample(generator, [kind] * _JUDGED, list(range(_JUDGED)))])
        found.append(coverage(*standardise(texture_features(real), texture_features(made))))
    with capsys.disabled():
        print(f"\n{shape} after {kimg:g} kimg: coverage {np.mean(found):.2f}, lowest class {min(found):.2f}")
    assert min(found) > _LEAST
