"""How a benchmark or a fit is repeated: the command, and whether it says all."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augmentor.data.readers import read_lesions
from augmentor.errors import UsageError
from augmentor.model.gan import resolve
from augmentor.recipe import make_recipe
from augmentor.report.blocks import Code, Part, Text
from augmentor.report.html import report
from augmentor.report.sections.made import made
from augmentor.report.sources import find_sources
from augmentor.training.run import Run
from tests.report.fake import write_benchmark, write_run
from tests.report.page import Page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("command", ["augmentor benchmark --data lesions", None])
def test_a_benchmark_is_repeated_by_its_command_or_without_one_by_its_recipe(tmp_path, command):
    folder = write_benchmark(tmp_path, ("classic",), ("logistic",), gans=False)
    summary = json.loads((folder / "summary.json").read_text())
    del summary["command"]
    (folder / "summary.json").write_text(json.dumps(summary | ({"command": command} if command else {})))
    texts = [text for _, text in Page(report([folder], tmp_path / "report")).texts]
    assert (command in texts) == bool(command)
    assert any("benchmark.toml" in text for text in texts) != bool(command)


# Of every setting that decides about the weights, one that is not the usual.
CHANGED: dict[str, dict[str, Any]] = {
    "data": {"path": "scans.csv", "columns": {"path": "roi"}, "patient_pattern": "<patient>_x", "max_per_class": 9},
    "extract": {"dims": 3, "size": 40, "margin": 0.5, "fov": 60.0, "every": 2, "per": "value", "values": {1: "cyst"}}
    | {"min_voxels": 5, "window": "liver", "rescale": (2.0, 1.0), "format": "npy", "strict": True, "by_voxel": True},
    "model": {"name": "dcgan", "size": 48, "spatial_dims": 3, "with_mask": True, "condition_on": "size"}
    | {"generator_channels": 12, "discriminator_channels": 12},
    "training": {"minutes": 2.0, "kimg": 3.0, "batch": 7, "generator_lr": 0.5, "discriminator_lr": 0.5}
    | {"holdout": 0.4, "seed": 5, "device": "cpu", "precision": "bf16-mixed", "snapshots": 3},
}
SETTINGS = [(section, name, value) for section, values in CHANGED.items() for name, value in values.items()]
SETTINGS.append(("training", "precision", "32-true"))  # one of the two is what this machine takes by itself


def test_every_setting_that_decides_about_the_weights_is_tried():
    recipe = make_recipe({}, "test")
    assert {section: [*values] for section, values in CHANGED.items()} == {
        section: [*type(getattr(recipe, section)).model_fields] for section in CHANGED
    }


@pytest.mark.parametrize(("section", "name", "value"), SETTINGS)
def test_a_command_is_said_to_repeat_a_fit_where_typing_it_begins_the_same_one(
    tmp_path, monkeypatch, augmentor, section, name, value
):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    recipe = make_recipe({"data": {"path": "lesions"}}, "test").with_options(**{section: {name: value}})
    resolve(recipe).save(run / "recipe.toml")
    part = next(block for block in made(find_sources([run]), run).blocks if isinstance(block, Part))
    told, command = (next(b for b in part.blocks if isinstance(b, kind)).text for kind in (Text, Code))
    begun = []
    monkeypatch.setattr("augmentor.cli.generator.read_data", lambda *_: None)
    monkeypatch.setattr("augmentor.training.fit.fit", lambda _, typed, *__, **___: begun.append(typed) or _stop())
    augmentor(*shlex.split(command)[1:])
    assert (told == "This repeats it:") == (resolve(begun[0]).hash() == resolve(recipe).hash())


def test_a_fit_from_python_is_repeated_with_its_own_table_from_beside_the_run(tmp_path, monkeypatch):
    """Which patients its lesions are of was told in Python: a table has it, and the folder that they came from not."""
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    part = next(block for block in made(find_sources([run]), run).blocks if isinstance(block, Part))
    words = shlex.split(next(b for b in part.blocks if isinstance(b, Code)).text)
    given = words[words.index("--data") + 1]
    assert "lesions/liver" not in words
    assert "--patient-pattern" not in words
    monkeypatch.chdir(run.parent)
    assert not Path(given).is_absolute()
    assert read_lesions(Path(given)).table["patient"].tolist() == Run(run).lesions.table["patient"].tolist()


def _stop():
    raise UsageError("here")
