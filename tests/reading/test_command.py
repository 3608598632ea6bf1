"""`read make` and `read score` as a user types them."""

import io
import json

import pytest
from rich.console import Console

from augmentor.cli.reading import show_reading
from augmentor.reading.score import score_reading, told_share
from tests.reading.kits import phantom_run, plain_key, save, true_answers


@pytest.fixture
def answered(tmp_path):
    key = plain_key(10, folder=tmp_path / "reading")
    for reader in key.orders:
        save(tmp_path / "reading", reader, true_answers(key, reader))
    return tmp_path / "reading"


def test_a_reading_is_made_read_by_the_classifier_and_scored(tmp_path, augmentor):
    folder, run = tmp_path / "reading", phantom_run().folder
    made = augmentor(
        "read", "make", "--run", run, "--readers", "anna,ben", "--n", 12, "--screen", "off", "--out", folder
    )
    assert made.code == 0
    assert made.says("anna.html", "ben.html", "key.json", "readers must not see")
    assert {file.name for file in folder.iterdir()} == {"anna.html", "ben.html", "key.json"}
    scored = augmentor("read", "score", folder, "--model")
    assert scored.code == 0
    assert scored.says("model", "score.json", "report.html", "No answers yet of anna, ben")
    result = json.loads((folder / "score.json").read_text())
    assert scored.says(result["verdict"], result["class_verdict"])
    assert result["verdict"] in (folder / "report.html").read_text().replace("&#39;", "'")
    assert (folder / "figures" / "reading.png").exists()


def test_scoring_again_replaces_what_scoring_wrote(answered, augmentor):
    assert augmentor("read", "score", answered).code == 0
    before = (answered / "report.html").read_text()
    again = augmentor("read", "score", answered)
    assert again.code == 0
    assert (answered / "report.html").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "phrases"),
    [
        (["make", "--readers", "a b"], ["--readers: 'a b'", "letters, digits"]),
        (["make", "--readers", "a" * 41], ["letters, digits, - and _ (40 at most)"]),
        (["make", "--readers", "anna,Anna"], ["are one name"]),
        (["make", "--readers", "model"], ["name of the classifier"]),
        (["make", "--readers", "anna", "--n", "7"], ["--n 7", "even number"]),
        (["make", "--readers", "anna", "--n", "1000"], ["--n 1000 needs", "fits", "--holdout"]),
        (["make", "--readers", "anna", "--columns", "path=x"], ["--columns", "Give --real"]),
        (["make", "--readers", "anna", "--screen", "hard"], ["hard"]),
    ],
)
def test_a_reading_that_cannot_be_made_leaves_nothing(tmp_path, augmentor, arguments, phrases):
    outcome = augmentor("read", *arguments, "--run", phantom_run().folder, "--out", tmp_path / "reading")
    assert outcome.code == 2
    assert outcome.says(*phrases)
    assert not (tmp_path / "reading").exists()


def test_a_reading_is_not_written_over_another(answered, augmentor):
    outcome = augmentor("read", "make", "--run", phantom_run().folder, "--readers", "anna", "--out", answered)
    assert outcome.code == 2
    assert outcome.says(str(answered))


def test_readers_of_the_training_patients_are_refused(tmp_path, augmentor):
    run = phantom_run()
    run.training.table.to_csv(tmp_path / "real.csv", index=False)
    outcome = augmentor("read", "make", "--run", run.folder, "--readers", "anna", "--real", tmp_path / "real.csv")
    assert outcome.code == 2
    assert outcome.says("was trained on", "has not seen")


@pytest.mark.parametrize(
    ("change", "phrases"),
    [
        (lambda rows: rows.iloc[1:], ["has no row for lesion L00"]),
        (lambda rows: rows.iloc[[0, *range(len(rows))]], ["more than one row for lesion L00"]),
        (
            lambda rows: rows.assign(lesion=rows["lesion"].replace("L03", "L99")),
            ["does not have, L99", "no row for lesion L03"],
        ),
        (lambda rows: rows.assign(reading="ffffffffffff"), ["is of reading ffffffffffff, the key is of abc123abc123"]),
        (lambda rows: rows.assign(reader="anna"), ["both hold answers of reader 'anna'"]),
        (lambda rows: rows.assign(kind="fake"), ["kind of lesion L00 is 'fake'", "real or synthetic"]),
    ],
)
def test_bad_answers_are_told_with_the_file(answered, augmentor, change, phrases):
    key = plain_key(10)
    save(answered, "ben", change(true_answers(key, "ben")))
    outcome = augmentor("read", "score", answered)
    assert outcome.code == 2
    assert outcome.says(answered / "answers-ben.csv", *phrases)
    assert not (answered / "score.json").exists()


def test_a_folder_without_a_key_and_an_idle_run_option_are_told(tmp_path, answered, augmentor):
    (tmp_path / "empty").mkdir()
    assert augmentor("read", "score", tmp_path / "empty").says("has no key.json")
    outcome = augmentor("read", "score", answered, "--run", tmp_path)
    assert (outcome.code, outcome.says("Add --model")) == (2, True)


@pytest.mark.parametrize("width", [40, 60, 72, 80, 120])
@pytest.mark.parametrize("names", [("anna", "ben"), ("Dr_Maximiliane-Wilhelmine_von-Hohenstein", "ben")])
def test_a_table_folds_names_and_keeps_every_number(tmp_path, monkeypatch, width, names):
    key = plain_key(47, names, tmp_path / "reading")
    for reader in names:
        wrong = true_answers(key, reader)
        wrong.loc[57:, "kind"] = wrong.loc[57:, "kind"].map({"real": "synthetic", "synthetic": "real"})
        save(tmp_path / "reading", reader, wrong)
    told = io.StringIO()
    monkeypatch.setattr("augmentor.cli.reading.out", Console(file=told, width=width))
    result = score_reading(tmp_path / "reading")
    show_reading(result)
    lines = told.getvalue().splitlines()
    bar = "\N{BOX DRAWINGS LIGHT VERTICAL}"
    rows = [[cell.strip() for cell in line.strip(bar).split(bar)] for line in lines if line.startswith(bar)]
    numbers = [row[1:] for row in rows if any(row[1:])]
    shown = [*result["readers"], result["all"]]
    assert [row[0] for row in numbers] == [told_share(reader["kind"]) for reader in shown]
    assert [row[2] for row in numbers] == [f"{reader['dprime']:.2f}" for reader in shown]
    assert all(all(row) for row in numbers)
    assert "\N{HORIZONTAL ELLIPSIS}" not in told.getvalue()
    assert "".join(row[0] for row in rows) == "".join(reader["reader"] for reader in shown)
    assert any("\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}" in line for line in lines)  # a line above the row of all
