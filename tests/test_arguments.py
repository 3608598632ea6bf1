from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import augmentor
from augmentor.arguments import checked
from augmentor.errors import DataError, UsageError
from augmentor.recipe import Recipe
from augmentor.training.run import Run
from tests.lesion_sets import tiny_recipe, write_set
from tests.torch_modes import odd_torch


@checked
def take(recipe: Recipe | None = None, out: Path | None = None, *, count: int = 1) -> tuple:
    return recipe, out, count


def test_a_path_may_be_a_string_a_recipe_a_dictionary_and_a_number_numpys():
    recipe, out, count = take({"training": {"minutes": 2}}, "here", count=np.int64(3))
    assert recipe == Recipe().with_options(training={"minutes": 2})
    assert (out, count) == (Path("here"), 3)


def test_what_is_right_comes_as_it_is():
    recipe = Recipe()
    assert take(recipe)[0] is recipe
    assert take() == (None, None, 1)


def test_all_that_fit_nothing_are_told_with_the_next_step():
    with pytest.raises(UsageError) as error:
        take("cheng.toml", 5, count=1.5)
    lines = str(error.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["recipe", "out", "count"]
    assert "'cheng.toml'" in lines[0]
    assert "load_recipe" in lines[0]
    assert "1.5" in lines[2]


def test_a_setting_of_a_dictionary_is_named():
    with pytest.raises(UsageError, match=r"take: recipe\.training\.minutes: .* \(given: -1\)"):
        take({"training": {"minutes": -1}})


def test_an_unknown_or_missing_name_is_pythons_own_error():
    with pytest.raises(TypeError, match="speed"):
        take(speed=3)
    with pytest.raises(TypeError, match="lesions"):
        augmentor.fit()


def test_an_error_of_the_functions_own_passes():
    @checked
    def build(content: dict) -> Recipe:
        return Recipe.model_validate(content)

    with pytest.raises(ValueError, match="Recipe"):
        build({"speed": 3})


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: augmentor.fit("lesions"), "fit: lesions: .*read_lesions"),
        (lambda: augmentor.benchmark("lesions"), "benchmark: lesions: .*read_lesions"),
        (lambda: augmentor.expand("no-run"), "no-run: is no run folder"),
        (lambda: augmentor.expand(5), "expand: run: .*what fit gives"),
        (lambda: augmentor.expand(Run(Path("run")), "auto"), r"expand: factor: .*\(given: 'auto'\)"),
        (lambda: augmentor.evaluate(Run(Path("run")), 1), r"evaluate: per_class: .* 2 \(given: 1\)"),
        (lambda: augmentor.evaluate(Run(Path("run")), 20.5), "evaluate: per_class: .*integer"),
        (lambda: augmentor.extract([], "out", workers=0), r"extract: workers: .*1 \(given: 0\)"),
        (lambda: augmentor.extract("scans.csv", "out"), "extract: scans: .*read_scans"),
        (lambda: augmentor.extract(([], []), "out"), "extract: scans: .*read_scans"),
        (lambda: augmentor.read_lesions("lesions", columns="path=roi"), "read_lesions: columns: .*'path=roi'"),
        (lambda: augmentor.load_recipe("no.toml"), "no.toml: no such recipe"),
    ],
)
def test_the_public_functions_tell_a_wrong_argument(tmp_path, monkeypatch, call, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=told):
        call()


def test_a_path_may_begin_with_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert take(out="~/here")[1] == take(out=Path("~/here"))[1] == tmp_path / "here"
    assert take(out="here/~")[1] == Path("here/~")
    with pytest.raises(UsageError, match=r"~nobody-at-all/here: .*\./~nobody"):
        take(out="~nobody-at-all/here")
    with pytest.raises(UsageError, match=str(tmp_path / "no.toml")):
        augmentor.load_recipe("~/no.toml")


def test_a_function_finds_torch_as_a_process_does_that_has_set_nothing():
    @checked
    def look(size: int) -> tuple:
        torch.rand(size)
        weights = torch.ones(size, requires_grad=True)
        (2 * weights).sum().backward()
        return weights.grad.tolist(), weights.dtype, torch.is_inference_mode_enabled()

    for mode in (odd_torch, torch.no_grad):
        before = torch.get_rng_state()
        with mode():
            default = torch.get_default_dtype()
            assert look(2) == ([2.0, 2.0], torch.float32, False)
            assert torch.get_default_dtype() == default
            assert not torch.is_grad_enabled()
        assert torch.equal(torch.get_rng_state(), before)


@contextmanager
def default_device(name: str):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize(
    "mode",
    [
        partial(torch.autocast, "cpu", torch.bfloat16),
        partial(default_device, "meta"),  # whose tensors hold nothing
        partial(torch.device, "meta"),
    ],
)
def test_a_function_finds_neither_autocast_nor_another_default_device(mode):
    @checked
    def look(size: int) -> tuple:
        found = torch.ones(size, size) @ torch.ones(size, size)
        return found.tolist(), found.dtype

    with mode():
        before = torch.get_default_device(), torch.is_autocast_enabled("cpu")
        assert look(2) == ([[2.0, 2.0], [2.0, 2.0]], torch.float32)
        assert (torch.get_default_device(), torch.is_autocast_enabled("cpu")) == before


@pytest.mark.usefixtures("few_augmented")
def test_the_verbs_work_however_torch_is_set_up_and_leave_its_random_state(tmp_path, monkeypatch):
    monkeypatch.setattr("augmentor.training.encoder._STEPS", 3)
    recipe = tiny_recipe(benchmark={"classifiers": ["paper-cnn"]})
    lesions = write_set(tmp_path / "lesions", patients=8)
    before = torch.get_rng_state()
    with odd_torch():
        run = augmentor.fit(lesions, recipe, tmp_path / "run", latest=False)
        assert torch.equal(torch.get_rng_state(), before)
        augmentor.expand(run, 2, tmp_path / "more", {"screen": "off"})
        assert torch.equal(torch.get_rng_state(), before)
        augmentor.evaluate(run, 10)
        assert torch.equal(torch.get_rng_state(), before)
        found = augmentor.benchmark(lesions, recipe, tmp_path / "benchmark")
        assert torch.equal(torch.get_rng_state(), before)
    assert not found.summary["failed"]


def test_a_run_is_named_by_its_folder_too(tmp_path):
    lesions = augmentor.read_lesions(
        str(write_set(tmp_path / "lesions").source), patient_pattern="<patient>_<anything>"
    )
    run = augmentor.fit(lesions, tiny_recipe(), str(tmp_path / "run"), latest=False)
    enlarged = augmentor.expand(str(run.folder), 2, str(tmp_path / "more"), {"screen": "off"})
    assert len(enlarged) == 2 * len(run.training)


def test_no_lesions_are_refused_in_words(tmp_path):
    nothing = write_set(tmp_path / "lesions").rows([])
    with pytest.raises(DataError, match="no lesion is left"):
        augmentor.fit(nothing, out=tmp_path / "run")


def test_a_notebook_completes_the_verbs():
    assert set(augmentor.__all__) <= set(dir(augmentor))
