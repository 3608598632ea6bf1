"""`benchmark` and `calibrate` held wrong: exit code 2, and a message with the value, the rule and the next step."""

import pytest

from augmentor.cli.show import show_results

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


def test_the_table_says_that_it_pools_what_the_verdict_takes_the_mean_of(capsys, tmp_path):
    arms = [
        {"classifier": "svm", "arm": "real", "metric": metric, "mean": 0.37, "low": 0.2, "high": 0.5}
        for metric in ("sensitivity", "specificity", "auc")
    ]
    show_results({"arms": arms, "verdict": "No gain shown."}, tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert "Of all test sets pooled; the differences below are means over test sets. No gain shown." in told
