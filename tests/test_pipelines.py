import json
import re
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import pytest

from augmentor.benchmarking.arms import BASELINE
from augmentor.benchmarking.comparison import Comparison
from augmentor.benchmarking.screening import SETTINGS
from augmentor.data.phantom import write_phantom
from augmentor.data.readers import read_lesions
from augmentor.data.splits import holdout, outer_folds
from augmentor.errors import DataError, InterruptedFitError, ShortfallError, UsageError
from augmentor.evaluation.evaluate import Evaluation, evaluate
from augmentor.evaluation.gallery import INTERPOLATIONS, PAIRS
from augmentor.pipeline import demo_recipe, run_recipe
from augmentor.progress import Progress
from augmentor.reading.answers import COLUMNS as ANSWERS
from augmentor.reading.key import Key
from augmentor.reading.score import _TABLE as SCORE
from augmentor.recipe import Recipe, load_recipe, make_quick, make_recipe
from augmentor.training.fit import fit
from augmentor.training.run import Run
from tests.lesion_sets import write_set
from tests.report.undrawn import undrawn_figures

RECIPES = sorted((Path(__file__).parent.parent / "pipelines").glob("*.toml"))
TINY = {
    "model": {"size": 16, "generator_channels": 8, "discriminator_channels": 8},
    "training": {"kimg": 0.032, "batch": 8, "snapshots": 1, "device": "cpu"},
    "benchmark": {"steps": 2, "folds": 2, "kimg": 0.016, "classifiers": ["logistic"], "screen": "off"},
    "expand": {"factor": 1},
}


@pytest.fixture(autouse=True)
def _few_lesions_are_judged(monkeypatch):
    monkeypatch.setattr("augmentor.pipeline.evaluate", lambda run, _, progress: evaluate(run, 20, progress))


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
    left = {"recipe.toml", "check.json", "run", "expanded", "expanded.json", "benchmark"}
    left |= {"report.html", "figures", "tables"}
    assert {f.name for f in (tmp_path / "out").iterdir()} == left
    assert (tmp_path / "out" / "run" / "evaluation.json").exists()
    assert outcome.report.exists()
    assert outcome.inspection.classes["a"]["patients"] == 8
    documented = (
        (RECIPES[0].parent.parent / "docs" / "data-formats.md").read_text().partition("## What `run` leaves")[2]
    )
    assert all(re.search(f"`{re.escape(name)}/?`", documented) for name in left)


@pytest.fixture
def latest_run(tmp_path, monkeypatch):
    """A finished run, runs/latest of the folder that the test is in."""
    monkeypatch.chdir(tmp_path)
    lesions = write_set(tmp_path / "lesions", patients=8)
    return fit(lesions, make_recipe({k: TINY[k] for k in ("model", "training")}, "test"))


@pytest.mark.usefixtures("undrawn")
def test_an_evaluation_alone_needs_no_data_and_renews_the_report_of_its_run(latest_run, tmp_path):
    (latest_run.folder / "report.html").write_text("of an earlier time")
    outcome = run_recipe(make_recipe(TINY | {"steps": ["evaluate"], "out": str(tmp_path / "out")}, "test"), Progress())
    assert outcome.judged.resolve() == (latest_run.folder / "report.html").resolve()
    assert "Fidelity" in outcome.judged.read_text()
    assert outcome.report is None


def test_an_enlarged_set_alone_needs_no_data(latest_run, tmp_path):
    asked = make_recipe(TINY | {"steps": ["expand"], "out": str(tmp_path / "out")}, "test")
    outcome = run_recipe(asked, Progress())
    assert len(outcome.expanded) == len(latest_run.training)
    assert outcome.report == tmp_path / "out" / "report.html"


@pytest.mark.parametrize("step", ["check", "fit", "benchmark"])
def test_a_step_that_looks_at_lesions_needs_data(tmp_path, step):
    with pytest.raises(UsageError, match=r"names no data. Set data\.path"):
        run_recipe(make_recipe(TINY | {"steps": [step], "out": str(tmp_path / "out")}, "test"), Progress())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("step", ["expand", "evaluate"])
def test_a_missing_run_leaves_no_folder_behind(tmp_path, monkeypatch, step):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="No run yet"):
        run_recipe(make_recipe(TINY | {"steps": [step]}, "test"), Progress())
    assert not (tmp_path / "out").exists()


def test_a_folder_with_anything_else_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="already holds files"):
        run_recipe(demo_recipe(tmp_path, 0), Progress())
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
@pytest.mark.usefixtures("few_augmented", "undrawn")
def test_the_demo_of_volumes_makes_pairs_and_judges_their_masks(tmp_path):
    recipe = demo_recipe(tmp_path / "demo", 0, dims=3)
    few = {
        "phantom": {"dims": 3, "size": 16, "patients": 6, "per_class": 8},
        "steps": ["phantom", "fit", "expand", "evaluate"],
    }
    model = TINY["model"] | {"spatial_dims": 3, "with_mask": True}
    outcome = run_recipe(make_recipe(recipe.model_dump() | TINY | few | {"model": model}, "test"), Progress())
    assert outcome.evaluation.masks.real > 0
    assert all(Path(path).exists() for path in outcome.expanded.table["mask"])


def test_a_recipe_that_was_stopped_goes_on_and_does_nothing_twice(tmp_path, monkeypatch):
    phantom = {"patients": 9, "per_class": 12, "size": 16, "format": "png"}
    recipe = make_recipe(
        TINY | {"out": str(tmp_path / "out"), "phantom": phantom, "steps": ["phantom", "fit", "expand"]}, "test"
    )

    def stop(*_arguments, **_names):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("augmentor.pipeline.expand", stop)
        with pytest.raises(KeyboardInterrupt):
            run_recipe(recipe, Progress())
    for done_before in ("augmentor.pipeline.write_phantom", "augmentor.training.under_way.build_gan"):
        monkeypatch.setattr(done_before, stop)
    outcome = run_recipe(recipe, Progress())
    assert len(outcome.expanded) == len(outcome.run.training)
    monkeypatch.setattr("augmentor.pipeline.expand", stop)
    assert len(run_recipe(recipe, Progress()).expanded) == len(outcome.expanded)
    with pytest.raises(UsageError, match="other \\[expand\\] settings"):
        run_recipe(recipe.with_options(expand={"factor": 2}), Progress())


def test_ctrl_c_in_the_fit_of_a_recipe_says_that_the_same_command_goes_on(tmp_path, monkeypatch):
    def stop(*_arguments, **_names):
        raise InterruptedFitError("Go on with `augmentor fit --resume`.")

    monkeypatch.setattr("augmentor.training.fit.fit", stop)
    recipe = make_recipe(
        TINY | {"out": str(tmp_path / "out"), "phantom": {"patients": 9, "per_class": 12}, "steps": ["phantom", "fit"]},
        "test",
    )
    with pytest.raises(InterruptedFitError, match=r"out/run; nothing is lost\. Go on with the same command") as told:
        run_recipe(recipe, Progress())
    assert "fit --resume" not in str(told.value)


def test_a_recipe_whose_expansion_fell_short_goes_on_and_says_so_again(tmp_path, monkeypatch):
    def fall_short(run, out, **_names):
        read_lesions(run.folder / "lesions.csv").save(tmp_path / "manifest.csv")
        out.mkdir()
        (tmp_path / "manifest.csv").rename(out / "manifest.csv")
        raise ShortfallError("the factor could not be filled")

    phantom = {"patients": 9, "per_class": 12, "size": 16, "format": "png"}
    recipe = make_recipe(
        TINY | {"out": str(tmp_path / "out"), "phantom": phantom, "steps": ["phantom", "fit", "expand"]}, "test"
    )
    with monkeypatch.context() as patch:
        patch.setattr("augmentor.pipeline.expand", fall_short)
        assert "could not be filled" in str(run_recipe(recipe, Progress()).shortfall)
    monkeypatch.setattr("augmentor.pipeline.expand", lambda *_a, **_n: pytest.fail("it is there"))
    again = run_recipe(recipe, Progress())
    assert "could not be filled" in str(again.shortfall)
    assert len(again.expanded) == 36


def test_a_folder_of_another_recipe_is_not_gone_on_with(tmp_path):
    steps = {"steps": ["phantom"], "phantom": {"patients": 3, "per_class": 3, "size": 16}, "out": str(tmp_path / "out")}
    run_recipe(make_recipe(TINY | steps, "test"), Progress())
    with pytest.raises(UsageError, match="another data, model or training"):
        run_recipe(make_recipe(TINY | steps | {"model": {"size": 32}}, "test"), Progress())


def test_missing_data_leave_no_folder_behind(tmp_path):
    recipe = make_recipe(TINY | {"out": str(tmp_path / "out"), "data": {"path": str(tmp_path / "none")}}, "test")
    with pytest.raises(UsageError, match="no such file"):
        run_recipe(recipe, Progress())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", range(4))
def test_patients_can_be_held_out_of_every_fold_of_a_quick_benchmark_of_phantoms(tmp_path, seed):
    recipe = make_quick(make_recipe({"steps": ["phantom", "benchmark"], "training": {"seed": seed}}, "test"))
    lesions = read_lesions(write_phantom(tmp_path / "lesions", recipe.phantom, seed))
    for fold in outer_folds(lesions.at_most(recipe.data.max_per_class), recipe.benchmark.folds, 0):
        train, held_out = holdout(lesions.rows(fold.train), recipe.training.holdout, seed)
        assert len(train) > len(held_out) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "figures"),
    [("paper_protocol", nullcontext), ("strong_baselines", undrawn_figures)],
    ids=["paper_protocol", "strong_baselines"],
)
def test_the_long_recipes_run_in_quick(tmp_path, monkeypatch, name, figures):
    """All arms and classifiers of the claim, on phantom lesions where the recipe's own data are not there."""
    monkeypatch.setattr("augmentor.benchmarking.classifiers._VIEWS", 2)  # of each lesion, by feature classifiers
    recipe = make_quick(load_recipe(RECIPES[0].parent / f"{name}.toml"))
    content = recipe.model_dump() | {"out": str(tmp_path / "out")}
    if not Path(recipe.data.path).exists():
        content |= {"data": {}, "steps": ["phantom", *recipe.steps]}
    with figures():
        outcome = run_recipe(make_recipe(content, "test"), Progress())
    summary = outcome.results.summary
    assert not summary["failed"]
    assert set(outcome.results.table["arm"]) == set(recipe.benchmark.arms)
    assert set(outcome.results.table["classifier"]) == set(recipe.benchmark.classifiers)
    assert "2 folds x 1 seed" in summary["verdict"]


@pytest.mark.parametrize("asked", [{}, {"judged": 20}])
def test_a_recipe_judges_as_many_lesions_as_it_is_told(tmp_path, monkeypatch, asked):
    taken = []
    monkeypatch.setattr("augmentor.pipeline.open_run", lambda _: Run(tmp_path / "run"))
    monkeypatch.setattr("augmentor.pipeline.evaluate", lambda _run, per_class, _progress: taken.append(per_class))
    monkeypatch.setattr("augmentor.pipeline.report", lambda *_: tmp_path)
    run_recipe(make_recipe(TINY | {"steps": ["evaluate"], "out": str(tmp_path / "out")}, "test"), Progress(), **asked)
    assert taken == [asked.get("judged", 200)]


def test_the_folder_of_a_recipe_may_be_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    phantom = {"patients": 3, "per_class": 3, "size": 16}
    outcome = run_recipe(make_recipe({"steps": ["phantom"], "phantom": phantom, "out": "~/drawn"}, "test"), Progress())
    assert outcome.out == tmp_path / "home" / "drawn"
    assert (outcome.out / "lesions" / "lesions.csv").exists()
    assert not (tmp_path / "~").exists()


def test_a_recipe_without_data_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"data\.path"):
        run_recipe(make_recipe({"out": str(tmp_path / "out")}, "test"), Progress())


def test_every_setting_is_in_the_documentation():
    """A table a section, a row a setting in the recipe's order, with its default as a recipe file has it."""
    page = (RECIPES[0].parent.parent / "docs" / "recipes.md").read_text()
    top, *parts = re.split(r"^## \[(\w+)\]$", page, flags=re.MULTILINE)
    texts = {"": top} | dict(zip(parts[::2], parts[1::2], strict=True))
    documented = {name: re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE) for name, text in texts.items()}
    assert documented == {name: [(s, written(d)) for s, d in defaults.items()] for name, defaults in settings().items()}


def settings():
    """The default of each setting, by section; those at the top of a recipe are in section ""."""
    sections = {k: f.annotation for k, f in Recipe.model_fields.items() if hasattr(f.annotation, "model_fields")}
    found = {name: {k: f.default for k, f in section.model_fields.items()} for name, section in sections.items()}
    return {"": {k: f.default for k, f in Recipe.model_fields.items() if k not in sections}} | found


def written(default):
    """TOML writes these as JSON does."""
    return "-" if default in (None, "", (), {}) else f"`{json.dumps(default)}`"


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("evaluate", [*(field.name for field in fields(Evaluation)), PAIRS, INTERPOLATIONS]),
        ("screens", [*SETTINGS, BASELINE]),
        ("calibrate", [field.name for field in fields(Comparison)]),
        ("read", [*(field.name for field in fields(Key)), *ANSWERS, *SCORE]),
    ],
)
def test_what_a_command_leaves_is_in_the_documentation(command, names):
    page = (RECIPES[0].parent.parent / "docs" / "data-formats.md").read_text()
    section = page.partition(f"## What `{command}` leaves\n")[2].partition("\n## ")[0]
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", section)] == []


@pytest.mark.parametrize("size", [None, 64])
def test_a_recipes_check_tells_of_images_that_its_fit_will_shrink_unless_it_names_a_size(tmp_path, size):
    phantom = {"patients": 3, "per_class": 3, "size": 128}
    recipe = make_recipe({"out": str(tmp_path), "steps": ["phantom", "check"], "phantom": phantom}, "test")
    run_recipe(recipe.with_options(model={"size": size}), Progress())
    told = json.loads((tmp_path / "check.json").read_text())["warnings"]
    assert any("Images of 128x128 are shrunk to 64x64" in line for line in told) is (size is None)


@pytest.mark.parametrize("most", [None, 1, 2])
def test_a_recipes_check_judges_as_many_lesions_as_its_fit_takes(tmp_path, most):
    phantom = {"patients": 6, "per_class": 6, "size": 16}
    recipe = make_recipe({"out": str(tmp_path), "steps": ["phantom", "check"], "phantom": phantom}, "test")
    recipe = recipe.with_options(data={"max_per_class": most})
    if most == 1:
        with pytest.raises(DataError, match="With --max-per-class 1: Class 'cyst' has 1 patient"):
            run_recipe(recipe, Progress())
    else:
        run_recipe(recipe, Progress())
        taken = json.loads((tmp_path / "check.json").read_text())["taken"]
        assert taken.get("images") == (most and most * 3)
