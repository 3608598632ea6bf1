"""`run` and `demo`: what they print, and recipes held wrong."""

import shlex
import sys
from inspect import signature
from types import SimpleNamespace

import pytest

from augmentor import evaluate
from augmentor.pipeline import Outcome, run_recipe

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_recipe_that_does_not_exist_is_named(augmentor):
    outcome = augmentor("run", "gone.toml")
    assert outcome.code == 2
    assert outcome.says("gone.toml: no such recipe", "pipelines/")


def test_all_problems_of_a_recipe_come_together(augmentor, tmp_path):
    (tmp_path / "bad.toml").write_text("[modle]\n[model]\nsize = 30\n[expand]\nfactor = 0.5\n")
    outcome = augmentor("run", tmp_path / "bad.toml")
    assert outcome.code == 2
    assert outcome.says("bad.toml: modle is no setting", "bad.toml: model.size", "bad.toml: expand.factor")


def test_a_recipe_without_data_says_what_to_set(augmentor, tmp_path):
    (tmp_path / "short.toml").write_text("[model]\nsize = 32\n")
    outcome = augmentor("run", tmp_path / "short.toml")
    assert outcome.code == 2
    assert outcome.says("names no data", "Set data.path")


def test_a_window_of_a_recipe_that_is_none_is_named_with_file_and_setting(augmentor, tmp_path):
    (tmp_path / "bad.toml").write_text('[data]\npath = "scans.csv"\n[extract]\nwindow = "kidneys"\n')
    outcome = augmentor("run", tmp_path / "bad.toml")
    assert outcome.code == 2
    assert outcome.says("bad.toml: extract.window: ", "'kidneys' is no window. Give a name (abdomen")


def test_a_recipe_that_only_checks_prints_what_check_does(augmentor, tmp_path, lesion_folder):
    (tmp_path / "only.toml").write_text(f'steps = ["check"]\n[data]\npath = "{lesion_folder}"\n')
    ran, checked = augmentor("run", tmp_path / "only.toml"), augmentor("check", "--data", lesion_folder)
    assert (ran.code, ran.out) == (0, checked.out)
    assert ran.says("Warning: ", "It can be fitted.")


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ({"judged": "latest/report.html", "evaluation": "evaluated"}, "latest/report.html"),
        ({"report": "out/report.html"}, "Report: out/report.html"),
    ],
)
def test_the_page_that_steps_without_a_fit_leave_is_named(augmentor, tmp_path, monkeypatch, steps, named):
    monkeypatch.setattr("augmentor.pipeline.run_recipe", lambda *_: Outcome(tmp_path, **steps))
    monkeypatch.setattr("augmentor.cli.recipes.show_evaluation", print)
    (tmp_path / "recipe.toml").write_text('steps = ["expand"]\n')
    assert augmentor("run", tmp_path / "recipe.toml").says(named)


def test_another_folder_changes_nothing_else_of_a_recipe(augmentor, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr("augmentor.pipeline.run_recipe", lambda recipe, *_: taken.append(recipe) or Outcome(tmp_path))
    (tmp_path / "recipe.toml").write_text('out = "here"\n[data]\npath = "lesions"\n')
    for options in ((), ("--out", tmp_path / "there")):
        augmentor("run", tmp_path / "recipe.toml", *options)
    here, there = taken
    assert (here.named_size, there.named_size) == (None, None)  # so that lesions decide about the side
    assert there.model_dump() == here.model_dump() | {"out": str(tmp_path / "there")}


def test_quick_judges_a_tenth_of_the_lesions(augmentor, tmp_path, monkeypatch):
    judged = []
    monkeypatch.setattr("augmentor.pipeline.run_recipe", lambda *given: judged.append(given[3]) or Outcome(tmp_path))
    (tmp_path / "recipe.toml").write_text('[data]\npath = "lesions"\n')
    for options in ((), ("--quick",)):
        augmentor("run", tmp_path / "recipe.toml", *options)
    assert judged == [200, 20]


def test_as_many_lesions_are_judged_as_is_said_in_one_place(augmentor, tmp_path, monkeypatch):
    judged = []
    monkeypatch.setattr("augmentor.evaluation.evaluate.JUDGED", 7)
    monkeypatch.setattr("augmentor.pipeline.run_recipe", lambda *given: judged.append(given[3]) or Outcome(tmp_path))
    (tmp_path / "recipe.toml").write_text('[data]\npath = "lesions"\n')
    augmentor("run", tmp_path / "recipe.toml")
    augmentor("demo", "--out", tmp_path / "demo")
    assert judged == [7, 7]
    monkeypatch.setattr("augmentor.training.run.open_run", lambda _: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr("augmentor.evaluation.evaluate.evaluate", lambda _run, count, *_: judged.append(count))
    monkeypatch.setattr("augmentor.report.html.report", lambda *_: sys.exit(0))
    augmentor("evaluate", "--run", tmp_path)
    assert judged == [7, 7, 7]
    assert signature(run_recipe).parameters["judged"].default == signature(evaluate).parameters["per_class"].default


def test_a_recipe_that_only_draws_says_what_it_drew_and_that_it_is_there(augmentor, tmp_path):
    (tmp_path / "draw.toml").write_text('steps = ["phantom"]\n[phantom]\npatients = 3\nper_class = 3\nsize = 16\n')
    out = tmp_path / "Meine Läsionen"
    first, second = [augmentor("run", tmp_path / "draw.toml", "--out", out) for _ in range(2)]
    for outcome in (first, second):
        assert outcome.code == 0
        assert shlex.split(outcome.out.partition("Next: ")[2]) == ["augmentor", "check", "--data", f"{out}/lesions"]
    assert first.says(f"Drew 9 lesions into {out / 'lesions'}.")
    assert second.says(f"{out / 'lesions'} has its 9 lesions since an earlier start.")
