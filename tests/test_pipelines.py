from pathlib import Path

import pytest

from augmentor.errors import UsageError
from augmentor.pipeline import demo_recipe, run_recipe
from augmentor.progress import Progress
from augmentor.recipe import Recipe, load_recipe, make_recipe
from tests.lesion_sets import write_set

RECIPES = sorted((Path(__file__).parent.parent / "pipelines").glob("*.toml"))
TINY = {
    "model": {"size": 16, "generator_channels": 8, "discriminator_channels": 8},
    "training": {"kimg": 0.032, "batch": 8, "snapshots": 1, "device": "cpu"},
    "benchmark": {"steps": 2, "folds": 2, "kimg": 0.016, "classifiers": ["logistic"]},
    "expand": {"factor": 1},
}


@pytest.mark.parametrize("file", RECIPES, ids=lambda f: f.stem)
def test_every_recipe_loads_and_says_what_it_claims(file):
    recipe = load_recipe(file)
    assert recipe.claim
    assert recipe.name == file.stem
    assert f"`{file.name}`" in (file.parent / "README.md").read_text()


def test_a_recipe_leaves_every_steps_result(tmp_path):
    write_set(tmp_path / "lesions", patients=8)
    data = {"path": str(tmp_path / "lesions"), "patient_pattern": "<patient>_<anything>"}
    recipe = make_recipe(TINY | {"out": str(tmp_path / "out"), "data": data}, "test")
    outcome = run_recipe(recipe, Progress())
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"check.json", "run", "expanded", "benchmark"}
    assert (tmp_path / "out" / "run" / "evaluation.json").exists()
    assert [r.name for r in outcome.reports] == ["report.html", "report.html"]
    assert all(r.exists() for r in outcome.reports)


def test_a_second_run_into_the_same_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="already holds files"):
        run_recipe(demo_recipe(tmp_path, 0), Progress())


def test_a_recipe_without_data_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"data\.path"):
        run_recipe(make_recipe({"out": str(tmp_path / "out")}, "test"), Progress())


def test_every_setting_is_in_the_documentation():
    documented = (RECIPES[0].parent.parent / "docs" / "recipes.md").read_text()
    for name, section in Recipe.model_fields.items():
        if hasattr(section.annotation, "model_fields"):
            assert f"## [{name}]" in documented
            assert all(f"| `{field}` |" in documented for field in section.annotation.model_fields)
