"""Small lesion sets for tests: cheap to write, easy to tell apart."""

from pathlib import Path

import numpy as np
from PIL import Image

from augmentor.data.lesions import Lesions
from augmentor.data.phantom import write_phantom
from augmentor.data.readers import read_lesions
from augmentor.recipe import PhantomSection, Recipe, make_recipe


def write_set(
    folder: Path, classes: int = 2, patients: int = 6, per_patient: int = 2, size: int = 16, seed: int = 0
) -> Lesions:
    """Bright (class a) or dark (class b) ... discs on noise, 8-bit PNG, patients named in the files."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    for c in range(classes):
        home = folder / "abcdefgh"[c]
        home.mkdir(parents=True)
        for patient in range(patients):
            for number in range(per_patient):
                radius = size * rng.uniform(0.2, 0.35)
                disc = (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < radius**2
                image = rng.normal(110, 12, (size, size)) + disc * (-70 + 150 * c / (classes - 1))
                picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
                picture.save(home / f"{'abcdefgh'[c]}p{patient}_{number}.png")
    return read_lesions(folder, patient_pattern="<patient>_<anything>")


def draw_phantom(folder: Path, seed: int = 0, **section) -> Path:
    """The table of phantom lesions in a folder, by the settings of a recipe's section [phantom]."""
    return write_phantom(folder, PhantomSection(**section), seed)


def phantom_volumes(folder: Path) -> Lesions:
    """Six volumes of 16x16x16 of each class, with masks."""
    return read_lesions(draw_phantom(folder, patients=6, per_class=6, size=16, dims=3))


def tiny_recipe(**sections: dict) -> Recipe:
    """A recipe that fits in a second at 16x16."""
    tiny = {
        "model": {"size": 16, "generator_channels": 8, "discriminator_channels": 8},
        "training": {"kimg": 0.064, "batch": 8, "snapshots": 2, "device": "cpu"},
        # The screen's classifiers take two seconds to fit: tests that are of them ask for them.
        "benchmark": {"steps": 3, "folds": 2, "kimg": 0.032, "classifiers": ["paper-cnn", "logistic"], "screen": "off"},
    }
    for name, values in sections.items():
        tiny[name] = tiny.get(name, {}) | values
    return make_recipe(tiny, "test")
