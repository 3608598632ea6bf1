"""`benchmark` and `calibrate` held wrong: exit code 2, and a message with the value, the rule and the next step."""

import os
from pathlib import Path

import pandas as pd
import pytest

from augmentor.benchmarking import simulation
from augmentor.cli.show import show_results
from augmentor.errors import UsageError

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--arms", "real,magic"), ["--arms", "'classic+gan'", "'magic'"]),
        (("--arms", "real,real"), ["real, real: name each once"]),
        (("--classifiers", "resnet"), ["--classifiers", "'densenet'", "'resnet'"]),
        (("--folds", "1"), ["--folds", "1"]),
        (("--factor", "0.5"), ["--factor", "factor 0.5 must be 1 or more", "three times its real size"]),
        (("--factor", "2,5"), ["--factor", "'2,5' is not a valid number", "Write 2.5."]),
        (("--size", "30"), ["--size", "multiple of 4", "30"]),
    ],
)
def test_a_bad_option_is_named_with_its_value_and_its_rule(augmentor, lesion_folder, arguments, told):
    outcome = augmentor("benchmark", "--data", lesion_folder, *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


def test_more_folds_than_patients_are_refused_with_every_class_that_has_too_few(augmentor, lesion_folder):
    pattern = ("--patient-pattern", "<patient>_<n>")
    outcome = augmentor("benchmark", "--data", lesion_folder, *pattern, "--folds", 5)
    assert outcome.code == 2
    assert outcome.says("Class 'a' has 4 patients", "Class 'c' has 4 patients", "lower --folds")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "nowhere/null.csv"), ["nowhere/null.csv", "a folder that exists"]),
        (("--out", "mine.csv"), ["mine.csv", "nothing is overwritten"]),
        (("--perfect", "0,5"), ["--perfect", "'0,5' is not a valid number", "Write 0.5."]),
        (("--mislabelled", "0,5"), ["--mislabelled", "'0,5' is not a valid number", "Write 0.5."]),
        (("--perfect", "-1"), ["--perfect is -1", "0 or more"]),
        (("--mislabelled", "1.5"), ["--mislabelled is 1.5", "0 to 1"]),
    ],
)
def test_a_bad_option_of_calibrate_is_told_before_anything_is_simulated(
    augmentor, tmp_path, monkeypatch, arguments, told
):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    outcome = augmentor("calibrate", *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)
    assert mine.read_text() == "mine"


def simulated(task, _progress):
    found = {"truth": 0.0, "mcnemar": 1.0, "patients_low": -0.1, "patients_high": 0.1 / (1 + task.number)}
    found |= {"verdict": "none", "difference": 0.01 * task.number, "low": -0.1, "high": 0.1, "detectable": 0.3}
    return [{"simulation": task.number, "classifier": name} | found for name in task.study.classifiers]


def test_a_study_that_ctrl_c_stopped_goes_on_by_the_same_command(augmentor, monkeypatch):
    """It leaves and prints what one that was not stopped does."""

    def stopped(task, progress):
        if task.number == 2:
            raise KeyboardInterrupt
        return simulated(task, progress)

    monkeypatch.setattr(simulation, "_simulate_one", stopped)
    outcome = augmentor("calibrate", "--simulations", 4, "--out", "rows.csv")
    assert outcome.code == 130
    assert outcome.says("Start the same command again", "`calibrate --out` had done")
    assert pd.read_csv("rows.csv")["simulation"].unique().tolist() == [0, 1]
    monkeypatch.setattr(simulation, "_simulate_one", simulated)
    printed = [augmentor("calibrate", "--simulations", 4, "--out", name) for name in ("rows.csv", "whole.csv")]
    assert [outcome.code for outcome in printed] == [0, 0]
    assert printed[0].out == printed[1].out
    assert Path("rows.csv").read_bytes() == Path("whole.csv").read_bytes()
    content = Path("rows.csv").read_bytes()
    outcome = augmentor("calibrate", "--simulations", 4, "--perfect", 1, "--out", "rows.csv")
    assert outcome.code == 2
    assert outcome.says("--out rows.csv", "--perfect 0, not 1", "Give --perfect 0 to go on with them, or another --out")
    assert Path("rows.csv").read_bytes() == content
    assert sorted(file.name for file in Path().iterdir()) == ["rows.csv", "whole.csv"]


def test_a_folder_is_no_file_of_a_study(augmentor):
    Path("rows.csv").mkdir()
    outcome = augmentor("calibrate", "--out", "rows.csv")
    assert outcome.code == 2
    assert outcome.says("--out rows.csv", "must be a file")


@pytest.mark.parametrize(
    ("command", "function"),
    [
        ("fit", "training.fit.fit"),
        ("benchmark", "benchmarking.benchmark.benchmark"),
        ("screens", "benchmarking.screening.study_screen"),
    ],
)
def test_data_behind_a_link_are_recorded_where_they_lie_by_every_command(
    augmentor, lesion_folder, monkeypatch, command, function
):
    recorded = []

    def record(_lesions, recipe, *_arguments, **_options):
        recorded.append(recipe.data.path)
        raise UsageError("enough")

    monkeypatch.setattr(f"augmentor.{function}", record)
    Path("latest").symlink_to(lesion_folder)
    for data in ("latest", os.path.relpath(lesion_folder)):
        assert augmentor(command, "--data", data).says("enough")
    assert recorded == [str(lesion_folder.resolve()), os.path.relpath(lesion_folder)]


def test_the_table_says_that_it_pools_what_the_verdict_takes_the_mean_of(capsys, tmp_path):
    arms = [
        {"classifier": "svm", "arm": "real", "metric": metric, "mean": 0.37, "low": 0.2, "high": 0.5}
        for metric in ("sensitivity", "specificity", "auc")
    ]
    show_results({"arms": arms, "verdict": "No gain shown."}, tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert "Of all test sets pooled; the differences below are means over test sets. No gain shown." in told
