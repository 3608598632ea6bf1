"""`fit` held wrong: exit code 2, and a message with the value, the rule and the next step."""

import json
import os
import shlex
from pathlib import Path

import pytest

from augmentor.cli.show import show_fit
from augmentor.errors import UsageError
from augmentor.training.run import Run
from tests.cli.files import contents, noise, save

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--model", "stylegan"), ["--model", "'cgan', 'dcgan', 'acgan', 'plain-dcgan' or 'monai'", "'stylegan'"]),
        (("--size", "30"), ["--size", "multiple of 4", "30"]),
        (("--size", "8"), ["--size", "16", "8"]),
        (("--spatial-dims", "4"), ["--spatial-dims", "2 or 3", "4"]),
        (("--spatial-dims", "3", "--size", "128"), ["size 128 is too large for volumes"]),
        (("--spatial-dims", "3", "--size", "16"), ["holds images (16x16)", "--spatial-dims 2"]),
        (("--with-mask", "--size", "16"), ["no mask", "--with-mask"]),
        (("--condition-on", "size", "--size", "16"), ["no spacing", "roi_side_mm"]),
        (("--condition-on", "age"), ["--condition-on", "'size'", "'age'"]),
        (("--minutes", "0"), ["--minutes", "greater than 0"]),
        (("--holdout", "1.5"), ["--holdout", "less than or equal to 0.5", "1.5"]),
        (("--max-per-class", "0"), ["--max-per-class", "0"]),
        (("--minutes", "soon"), ["--minutes", "valid number"]),
        (("--minutes", "1,5"), ["--minutes", "'1,5' is not a valid number", "Write 1.5."]),
        (("--holdout", ",25"), ["--holdout", "',25' is not a valid number", "Write 0.25."]),
        (("--minutes", "inf"), ["--minutes", "finite number"]),
        (("--columns", "colour=dx"), ["--columns: names 'colour'; it takes path, label", "for a table of scans image"]),
        (("--seed", "-1"), ["--seed", "greater than or equal to 0"]),
        (("--seed", "1048576"), ["--seed", "less than or equal to 1048575"]),
    ],
)
def test_a_bad_option_is_named_with_its_value_and_its_rule(augmentor, lesion_folder, arguments, told):
    outcome = augmentor("fit", "--data", lesion_folder, *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


def test_all_bad_options_come_together(augmentor, lesion_folder):
    outcome = augmentor("fit", "--data", lesion_folder, "--size", 30, "--model", "x", "--holdout", 2, "--minutes", -1)
    assert outcome.code == 2
    assert outcome.says("--size", "--model", "--holdout", "--minutes")


def test_without_data_it_says_what_to_give(augmentor):
    outcome = augmentor("fit")
    assert outcome.code == 2
    assert outcome.says("--data is missing", "Give a folder by class")


def test_a_resumed_fit_takes_no_option_that_its_recipe_has(augmentor, lesion_folder):
    outcome = augmentor("fit", "--resume", "--data", lesion_folder)
    assert outcome.code == 2
    assert outcome.says("--resume", "Leave --data")
    outcome = augmentor("fit", "--resume", "--seed", "1", "--model", "cgan", "--device", "cpu")
    assert outcome.code == 2
    assert outcome.says("Leave --model, --seed out; --out and --device can be given")


def test_where_nothing_is_to_be_resumed_the_folder_is_named(augmentor, tmp_path):
    for more, told in (
        ((), "runs/ holds no unfinished run"),
        (("--out", tmp_path), "holds no unfinished run to resume"),
    ):
        outcome = augmentor("fit", "--resume", *more)
        assert outcome.code == 2
        assert outcome.says(told)


@pytest.mark.parametrize("command", ["fit", "benchmark"])
def test_an_output_folder_that_holds_files_is_left_as_it_is(augmentor, command, lesion_folder, tmp_path):
    save(tmp_path / "out" / "precious.png", noise(4, 4))
    (tmp_path / "out" / "cells").mkdir()
    before = contents(tmp_path)
    outcome = augmentor(command, "--data", lesion_folder, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.says(tmp_path / "out", "already holds files, and nothing is overwritten", "--out")
    assert contents(tmp_path) == before


def test_an_output_that_is_a_file_is_refused_and_left_as_it_is(augmentor, lesion_folder, tmp_path):
    (tmp_path / "out").write_text("precious")
    outcome = augmentor("fit", "--data", lesion_folder, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert (tmp_path / "out").read_text() == "precious"


def test_a_failed_command_leaves_nothing_behind(augmentor, lesion_folder, tmp_path):
    (lesion_folder / "a" / "ap0_9.png").write_text("no image")
    before = contents(tmp_path)
    augmentor("fit", "--data", lesion_folder)
    augmentor("benchmark", "--data", lesion_folder)
    assert contents(tmp_path) == before


def test_the_command_that_comes_next_can_be_copied(capsys, tmp_path):
    folder = tmp_path / "Läuf 1"
    folder.mkdir()
    summary = {"chosen": "", "discrimination_held_out": None, "kimg": 1, "seconds": 1}
    (folder / "run.json").write_text(json.dumps(summary))
    show_fit(Run(folder), folder / "report.html")
    following = shlex.split(capsys.readouterr().out.partition("Next: ")[2])
    assert following == ["augmentor", "expand", "--run", str(folder), "--factor", "3"]


def test_data_behind_a_link_that_can_move_are_recorded_where_they_lie(augmentor, lesion_folder, tmp_path, monkeypatch):
    """What is recorded names the lesions that were fitted, wherever the link leads later."""
    recorded = []

    def fit(_lesions, recipe, *_arguments, **_options):
        recorded.append(recipe.data.path)
        raise UsageError("enough")

    monkeypatch.setattr("augmentor.training.fit.fit", fit)
    Path("latest").symlink_to(lesion_folder)
    (tmp_path / "runs").symlink_to(lesion_folder.parent)
    for data in ("latest", tmp_path / "runs" / lesion_folder.name, lesion_folder):
        assert augmentor("fit", "--data", data).says("enough")
    assert recorded == [str(lesion_folder.resolve())] * 3
    given = os.path.relpath(lesion_folder)
    assert augmentor("fit", "--data", given).says("enough")
    assert recorded[-1] == given


def test_ctrl_c_while_the_page_is_made_says_what_goes_on(augmentor, lesion_folder, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("augmentor.report.html.report", stopped)
    monkeypatch.setattr("augmentor.training.fit.fit", lambda *_, **__: Run(Path("runs/mine").absolute()))
    outcome = augmentor("fit", "--data", lesion_folder, "--kimg", "0.1")
    assert outcome.code == 130
    assert outcome.says("it is complete", "`augmentor report", "`augmentor expand --run", "runs/mine")
