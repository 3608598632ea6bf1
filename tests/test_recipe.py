import pytest
from pydantic import ValidationError

from augmentor.cli import options
from augmentor.data import readers
from augmentor.errors import UsageError
from augmentor.extraction import scan_tables
from augmentor.recipe import (
    COLUMNS,
    LARGEST_SEED,
    SCAN_COLUMNS,
    ExtractSection,
    Recipe,
    load_recipe,
    make_quick,
    make_recipe,
)

FULL = {
    "name": "full",
    "claim": "Größer ist “besser”.",
    "out": "there",
    "steps": ["check", "fit"],
    "data": {"path": "set.csv", "columns": {"path": "roi", "patient": "run"}, "patient_pattern": r"(?P<patient>\d+)"},
    "model": {"name": "dcgan", "size": 32, "generator_channels": 16},
    "training": {"minutes": 1.5, "kimg": 4, "holdout": 0, "precision": "32-true"},
    "expand": {"factor": 2.5, "balance": True, "format": "npy"},
    "benchmark": {"arms": ["classic", "classic+gan"], "classifiers": ["svm"], "folds": 5},
}


def problems_of(content):
    with pytest.raises(UsageError) as told:
        make_recipe(content, "test.toml")
    return str(told.value).splitlines()


@pytest.mark.parametrize("content", [{}, {"name": "a name"}, FULL])
def test_a_recipe_comes_back_from_its_toml(tmp_path, content):
    recipe = make_recipe(content, "test")
    recipe.save(tmp_path / "saved.toml")
    assert load_recipe(tmp_path / "saved.toml") == recipe


def test_a_recipe_file_lists_only_what_differs(tmp_path):
    (tmp_path / "short.toml").write_text("[model]\nsize = 32\n")
    recipe = load_recipe(tmp_path / "short.toml")
    assert recipe == Recipe(name="short").with_options(model={"size": 32})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"modle": {}}, "test.toml: modle is no setting; see docs/recipes.md"),
        ({"model": {"sise": 32}}, "test.toml: model.sise is no setting"),
        (
            {"model": {"name": "stylegan"}},
            "model.name: Input should be 'cgan', 'dcgan', 'acgan', 'plain-dcgan' or 'monai' (given: 'stylegan')",
        ),
        ({"model": {"size": 30}}, "model.size: Input should be a multiple of 4 (given: 30)"),
        ({"model": 3}, "test.toml: model: "),
        ({"training": {"minutes": 0}}, "training.minutes: Input should be greater than 0 (given: 0)"),
        ({"training": {"holdout": 1}}, "training.holdout: Input should be less than or equal to 0.5 (given: 1)"),
        ({"expand": {"factor": 0.5}}, "expand.factor: factor 0.5 must be 1 or more"),
        ({"expand": {"factor": float("nan")}}, "expand.factor: factor nan must be 1 or more"),
        ({"expand": {"factor": float("inf")}}, "expand.factor: factor inf must be 1 or more, and finite"),
        ({"benchmark": {"factor": 0.9}}, "benchmark.factor: factor 0.9 must be 1 or more"),
        ({"benchmark": {"factor": float("inf")}}, "benchmark.factor: factor inf must be 1 or more, and finite"),
        ({"benchmark": {"arms": ["real", "magic"]}}, "benchmark.arms.1: Input should be 'real', 'classic'"),
        ({"benchmark": {"arms": ["real", "real"]}}, "real, real: name each once"),
        ({"benchmark": {"synthetic_curve": [0.5, 0]}}, "benchmark.synthetic_curve: every point of a curve must be"),
        ({"benchmark": {"scheduler": "here"}}, "benchmark.scheduler: must be the address of a Dask scheduler"),
        ({"benchmark": {"workers": 0}}, "benchmark.workers: Input should be greater than or equal to 1 (given: 0)"),
        ({"benchmark": {"classifiers": []}}, "benchmark.classifiers: nothing: name each once, and at least one"),
        ({"model": {"spatial_dims": 4}}, "model.spatial_dims: Input should be 2 or 3 (given: 4)"),
        ({"model": {"spatial_dims": 3, "size": 128}}, "size 128 is too large for volumes; set 64 or less"),
        ({"model": {"name": "dcgan", "condition_on": "size"}}, "dcgan makes lesions of no size"),
        ({"phantom": {"dims": 3, "format": "png"}}, "a PNG holds no volume"),
        ({"phantom": {"dims": 3, "size": 128}}, "phantom.size 128 is too large"),
        ({"steps": ["phantom"], "data": {"path": "x"}}, "step 'phantom' makes the data itself"),
        (
            {"extract": {"values": {"0": "background"}}},
            "extract.values: 0 can't be a lesion's number: 0 is what a mask",
        ),
        ({"extract": {"values": {"1": "cyst", "-1": ""}}}, "extract.values: -1 can't be a lesion's number"),
        ({"extract": {"values": {"cyst": "1"}}}, "extract.values.cyst: Input should be a valid integer"),
        ({"data": {"columns": {"path": "roi", "colour": "dx"}}}, "data.columns: names 'colour'; it takes path, label"),
        ({"training": {"seed": 2**20}}, "training.seed: Input should be less than or equal to 1048575"),
        ({"expand": {"seed": 2**20}}, "expand.seed: Input should be less than or equal to 1048575"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_its_value_and_the_rule(content, told):
    (problem,) = problems_of(content)
    assert told in problem
    assert problem.startswith("test.toml: ")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    "name",
    [
        *("training.minutes", "training.kimg", "training.generator_lr", "training.discriminator_lr"),
        *("training.holdout", "benchmark.minutes", "benchmark.kimg", "extract.margin", "extract.fov"),
    ],
)
def test_a_number_that_has_no_end_or_is_none_is_refused(name, value):
    section, setting = name.split(".")
    (problem,) = problems_of({section: {setting: value}})
    assert f"test.toml: {name}: Input should be a finite number (given: {value})" in problem


@pytest.mark.parametrize("number", [0, -1])
def test_what_lies_outside_lesions_is_no_lesion_from_python_either(number):
    with pytest.raises(ValidationError, match="0 is what a mask holds outside lesions"):
        ExtractSection(values={number: "background"})
    assert ExtractSection(values={1: "", 2: "cyst"}).values == {1: "", 2: "cyst"}


def test_columns_are_those_that_the_readers_know():
    assert set(COLUMNS) == set(readers.ALIASES)
    assert set(SCAN_COLUMNS) == {*scan_tables.ALIASES, "box"}
    for ours in (*COLUMNS, *SCAN_COLUMNS):
        assert make_recipe({"data": {"columns": {ours: "theirs"}}}, "test").data.columns == {ours: "theirs"}


def test_the_command_line_and_the_recipe_have_the_same_largest_seed():
    assert options.LARGEST_SEED == LARGEST_SEED
    assert make_recipe({"training": {"seed": LARGEST_SEED}}, "test").training.seed == LARGEST_SEED


def test_all_problems_are_reported_at_once():
    wrong = {"modle": 1, "model": {"size": 30, "name": "x"}, "expand": {"factor": 0}, "training": {"batch": "many"}}
    wrong |= {"data": {"columns": {"colour": "dx"}}, "extract": {"values": {0: "background"}}}
    problems = problems_of(wrong)
    assert len(problems) == 7
    names = ("modle", "model.size", "model.name", "expand.factor", "training.batch", "data.columns", "extract.values")
    for name in names:
        assert any(f"test.toml: {name}" in p for p in problems)


@pytest.mark.parametrize("text", ["[model\nsize = 3", "size: 3", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path, text):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=r"bad\.toml: is no TOML"):
        load_recipe(tmp_path / "bad.toml")


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.toml: no such recipe"):
        load_recipe(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match="is no TOML"):
        load_recipe(tmp_path)


def test_options_change_what_is_given_and_leave_the_rest():
    recipe = make_recipe(FULL, "test").with_options(model={"size": 64, "name": None}, expand={"factor": 4.0})
    assert (recipe.model.size, recipe.model.name, recipe.expand.factor) == (64, "dcgan", 4.0)
    assert recipe.benchmark == make_recipe(FULL, "test").benchmark


def test_options_are_checked_like_a_file():
    with pytest.raises(UsageError, match=r"^--size: "):
        Recipe().with_options(model={"size": 30})
    with pytest.raises(UsageError, match=r"^the command line: model\.colour is no setting"):
        Recipe().with_options(model={"colour": 30})


def test_options_change_what_stands_at_the_top_too():
    changed = Recipe(claim="it helps").with_options(out="here", name=None, training={"seed": 3})
    assert (changed.out, changed.name, changed.claim, changed.training.seed) == ("here", "recipe", "it helps", 3)
    with pytest.raises(UsageError, match="training"):
        Recipe().with_options(training=3)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("training", {"seed": 1}),
        ("training", {"minutes": 2.0}),
        ("training", {"holdout": 0.3}),
        ("model", {"size": 32}),
        ("model", {"name": "dcgan"}),
        ("data", {"path": "other"}),
    ],
)
def test_the_hash_changes_with_what_decides_about_the_weights(section, change):
    assert Recipe().with_options(**{section: change}).hash() != Recipe().hash()


@pytest.mark.parametrize(("section", "change"), [("expand", {"factor": 7.0}), ("benchmark", {"steps": 7})])
def test_the_hash_does_not_change_with_what_comes_after_a_fit(section, change):
    assert Recipe().with_options(**{section: change}).hash() == Recipe().hash()


def test_the_hash_is_the_same_after_a_round_trip(tmp_path):
    recipe = make_recipe(FULL, "test")
    recipe.save(tmp_path / "saved.toml")
    assert load_recipe(tmp_path / "saved.toml").hash() == recipe.hash()


@pytest.mark.parametrize(
    ("training", "length"),
    [({}, (5.0, None)), ({"minutes": 2}, (2, None)), ({"kimg": 3}, (None, 3)), ({"minutes": 2, "kimg": 3}, (2, 3))],
)
def test_a_fit_lasts_five_minutes_where_nothing_is_said(training, length):
    assert make_recipe({"training": training}, "test").training.length == length


def test_a_size_that_was_not_named_stays_open_through_options_and_files(tmp_path):
    unnamed = Recipe().with_options(training={"seed": 3}, model={"size": None})
    unnamed.save(tmp_path / "recipe.toml")
    assert unnamed.named_size is load_recipe(tmp_path / "recipe.toml").named_size is None
    named = unnamed.with_options(model={"size": 64}).with_options(training={"seed": 4})
    named.save(tmp_path / "named.toml")
    assert named.named_size == load_recipe(tmp_path / "named.toml").named_size == 64
    assert load_recipe(tmp_path / "recipe.toml").hash() == unnamed.hash()


@pytest.mark.parametrize(("size", "quick"), [(64, 32), (28, 28)])
def test_quick_keeps_arms_and_classifiers_and_makes_all_else_small(size, quick):
    whole = make_recipe({"model": {"size": size}, "benchmark": {"arms": ["classic", "auto"], "seeds": 3}}, "test")
    small = make_quick(whole)
    assert (small.benchmark.arms, small.benchmark.classifiers) == (whole.benchmark.arms, whole.benchmark.classifiers)
    assert (small.model.size, small.benchmark.seeds, small.data.max_per_class) == (quick, 1, 18)
    assert small.out != whole.out


@pytest.mark.parametrize(
    ("extract", "spatial_dims", "dims"),
    [({}, 2, 2), ({}, 3, 3), ({"dims": 2}, 3, 2), ({"dims": 3}, 2, 3), ({"format": "nifti"}, 3, 3)],
)
def test_lesions_are_cut_in_the_dimensions_and_size_of_the_model_where_nothing_else_is_said(
    tmp_path, extract, spatial_dims, dims
):
    recipe = make_recipe({"extract": extract, "model": {"spatial_dims": spatial_dims, "size": 32}}, "test")
    recipe.save(tmp_path / "recipe.toml")
    for found in (recipe, load_recipe(tmp_path / "recipe.toml"), make_quick(recipe)):
        assert (found.cutting.dims, found.cutting.size) == (dims, 32)
    assert load_recipe(tmp_path / "recipe.toml").hash() == recipe.hash()


def test_settings_that_do_not_go_with_the_dimensions_of_the_model_are_told():
    recipe = make_recipe({"extract": {"every": 3}, "model": {"spatial_dims": 3, "size": 32}}, "test")
    with pytest.raises(UsageError, match=r"every 3 \(--sections\) is for dims 2"):
        _ = recipe.cutting
