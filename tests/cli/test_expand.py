"""`expand` held wrong, and what it says of the run that it takes."""

import json
import os
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from augmentor.benchmarking.auto import Choice, Plan, Trial
from augmentor.cli import generator
from augmentor.cli.console import err
from augmentor.data.readers import read_lesions
from augmentor.recipe import Recipe
from augmentor.training.fit import fit
from augmentor.training.run import Run, point_latest_to
from tests.lesion_sets import tiny_recipe

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--factor", "many"), ["--factor", "'many'", "neither a number nor `auto`"]),
        (("--factor", "2,5"), ["--factor", "'2,5'", "Write 2.5."]),
        (("--screen", "loose"), ["--screen", "'loose'", "'strict'"]),
        (("--factor", "auto", "--classifier", "magic"), ["--classifier magic", "densenet"]),
        (("--factor", "2", "--classifier", "svm"), ["--classifier names whom --factor auto asks. Leave it out"]),
        (("--classifier", "cnn"), ["--classifier names whom --factor auto asks. Leave it out"]),
        (("--seed", "1048576"), ["--seed", "less than or equal to 1048575"]),
        (("--factor", "auto", "--balance"), ["--factor auto", "Leave --balance and --screen out"]),
        (("--factor", "auto", "--screen", "off"), ["--factor auto", "Leave --balance and --screen out"]),
    ],
)
def test_a_bad_option_is_named_with_its_value_and_its_rule(augmentor, arguments, told):
    outcome = augmentor("expand", *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


@pytest.mark.parametrize("factor", ["0.5", "0", "-3", "nan", "inf"])
def test_a_factor_under_one_or_endless_is_refused_with_an_example(augmentor, factor):
    outcome = augmentor("expand", "--factor", factor)
    assert outcome.code == 2
    assert outcome.says("--factor", f"factor {factor}", "must be 1 or more", "three times its real size")


def test_an_unknown_format_is_refused_with_those_there_are(augmentor):
    outcome = augmentor("expand", "--format", "jpeg")
    assert outcome.code == 2
    assert outcome.says("--format", "'nifti'", "'dicom'", "'jpeg'")


@pytest.mark.parametrize("command", ["expand", "evaluate"])
def test_without_a_run_it_says_how_to_make_one(augmentor, command):
    outcome = augmentor(command)
    assert outcome.code == 2
    assert outcome.says("No run yet: runs/latest does not exist here", "augmentor fit --data")


@pytest.mark.parametrize("command", ["expand", "evaluate"])
def test_a_folder_that_is_no_run_is_named(augmentor, command, lesion_folder):
    outcome = augmentor(command, "--run", lesion_folder)
    assert outcome.code == 2
    assert outcome.says(lesion_folder, "is no run folder", "augmentor fit --data")


# Which run it was


def fitted(lesion_folder, folder, **sections):
    pattern = "<patient>_<n>"
    recipe = tiny_recipe(data={"path": str(lesion_folder), "patient_pattern": pattern}, **sections)
    return fit(read_lesions(lesion_folder, patient_pattern=pattern), recipe, folder)


def unfinished(folder, age):
    """What a fit leaves that was stopped so many seconds after 2001."""
    state = Run(folder).state
    state.parent.mkdir(parents=True)
    for file in (state, state.with_suffix(".json"), folder / "recipe.toml"):
        file.touch()
        os.utime(file, (1e9 + age, 1e9 + age))


@pytest.fixture
def _latest(elsewhere):
    """runs/latest points to a run that ended ten seconds after 2001."""
    folder = elsewhere / "runs" / "a"
    folder.mkdir(parents=True)
    for name in ("run.json", "recipe.toml"):
        (folder / name).write_text("")
        os.utime(folder / name, (1e9 + 10, 1e9 + 10))
    point_latest_to(Run(folder))


@pytest.mark.usefixtures("_latest")
@pytest.mark.parametrize("command", ["expand", "evaluate"])
def test_a_newer_fit_that_has_not_ended_is_told_with_the_command_that_goes_on(augmentor, command):
    unfinished(Path("runs/Läuf 2"), age=20)
    outcome = augmentor(command)
    assert outcome.says("Warning: runs/Läuf 2 is newer than runs/latest, and has not ended:")
    line = next(line for line in outcome.err.splitlines() if line.startswith("Warning"))
    assert shlex.split(line.partition("ended: ")[2]) == ["augmentor", "fit", "--resume", "--out", "runs/Läuf 2"]
    assert "Warning" not in augmentor(command, "--run", "runs/a").err


@pytest.mark.usefixtures("_latest")
def test_an_older_fit_that_has_not_ended_is_not_told(augmentor):
    unfinished(Path("runs/b"), age=5)
    assert "Warning" not in augmentor("expand").err


def test_a_fit_that_has_not_ended_is_told_where_there_is_no_run(augmentor):
    unfinished(Path("runs/b"), age=5)
    assert augmentor("expand").says("runs/b is newer than runs/latest, and has not ended", "No run yet")


def test_it_says_which_run_what_was_refused_and_what_comes_next(augmentor, lesion_folder, tmp_path):
    folder = tmp_path / "Läuf 1"
    fitted(lesion_folder, folder)
    outcome = augmentor("expand", "--run", folder, "--screen", "off", "--out", "made")
    screen = json.loads(Path("made/dataset_description.json").read_text())["Screen"]
    refused = sum(sum(counts.values()) for counts in screen["refused"].values())
    line = next(line for line in outcome.out.splitlines() if line.startswith("From"))
    assert line.startswith(f"From {folder} (fitted on {lesion_folder}); refused: ")
    assert sum(int(word) for word in line.partition("refused")[2].split() if word.isdecimal()) == refused
    *_, following = outcome.out.splitlines()
    told = f"Next: augmentor benchmark --data '{folder}/lesions.csv' --size {Run(folder).recipe.model.size}"
    assert shlex.split(following) == shlex.split(told)


# What `--factor auto` says of its evidence


def asked_for_auto(monkeypatch, patients, classifier, *trials):
    """What is set where so many patients of a lesion each are held out and these plans were tried."""
    monkeypatch.setattr("augmentor.benchmarking.auto.count_witnesses", lambda _: patients)
    tried = (Trial(Plan(), 0.6), *trials)
    choice = Choice(Plan(), tried)

    def choose(*_):
        err.print("searched")
        return choice

    monkeypatch.setattr("augmentor.benchmarking.auto.choose", choose)
    run = SimpleNamespace(held_out=[None] * 11, recipe=Recipe())
    return generator._choose_factor(run, classifier)


SURE_AS_IT_SEEMS = Trial(Plan(5.0), 0.366, 0.234, 0.039, 0.031)


@pytest.mark.parametrize(("patients", "classifier", "least"), [(3, "logistic", "0.17"), (4, "cnn", "0.056")])
def test_that_nothing_can_be_told_from_chance_is_said_before_the_search(
    monkeypatch, capsys, patients, classifier, least
):
    asked_for_auto(monkeypatch, patients, classifier, SURE_AS_IT_SEEMS)
    before, _, _ = " ".join(capsys.readouterr().err.split()).partition("searched")
    assert f"Warning: the run holds {patients} patients out" in before
    assert f"p is {least} or more, and must be below 0.05" in before


@pytest.mark.parametrize(("patients", "classifier"), [(4, "logistic"), (5, "cnn"), (40, "cnn")])
def test_where_something_can_be_told_nothing_is_said_before_the_search(monkeypatch, capsys, patients, classifier):
    asked_for_auto(monkeypatch, patients, classifier, SURE_AS_IT_SEEMS)
    assert "Warning" not in capsys.readouterr().err


def test_why_no_plan_was_taken_does_not_contradict_the_table_above_it(monkeypatch, capsys):
    trials = [SURE_AS_IT_SEEMS, Trial(Plan(10.0), 0.5, 0.1, 0.02, 0.04)]
    assert asked_for_auto(monkeypatch, 3, "logistic", *trials)["factor"] == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "+0.234 +- 0.039" in told
    assert "0.062" in told.partition("The best plan")[0]
    assert (
        "The best plan (factor 5, mix, screen light) helped logistic on the 3 held-out patients, but not beyond chance "
        "(p = 0.062 after correction for 2 plans; it must be below 0.05): the real ones alone are written."
    ) in told


@pytest.mark.parametrize("trial", [Trial(Plan(5.0), 0.7, -0.1, 0.05, 0.9), Trial(Plan(5.0), *[float("nan")] * 3)])
def test_where_no_plan_was_better_that_is_said(monkeypatch, capsys, trial):
    asked_for_auto(monkeypatch, 1, "logistic", trial)
    told = " ".join(capsys.readouterr().out.split())
    assert "No factor helped logistic on the 1 held-out patient: the real ones alone are written." in told
