"""What is read from evaluation.json."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from augmentor.cli import show
from augmentor.evaluation.evaluate import Evaluation
from augmentor.report import evaluation

SCORES = {"spaces": {"texture": {"mean": {"kid": 0.4}}}, "floor": {"texture": {"mean": {"kid": 0.1}}}}


def test_a_side_that_is_absent_has_no_column():
    table = evaluation.scores(SCORES)
    assert table.to_dict("records") == [
        {"space": "texture", "class": "mean", "measure": "kid", "synthetic": 0.4, "floor": 0.1}
    ]
    assert evaluation.scores({}).empty


def test_the_ends_of_an_interval_stand_beside_their_measure():
    measured = {"kid": 0.4, "kid_low": 0.3, "kid_high": 0.5, "lonely_low": 1.0}
    table = evaluation.scores({"spaces": {"texture": {"mean": measured}}})
    assert table.to_dict("records")[0] == {
        **{"space": "texture", "class": "mean", "measure": "kid"},
        **{"synthetic": 0.4, "synthetic_low": 0.3, "synthetic_high": 0.5},
    }
    assert table["measure"].tolist() == ["kid", "lonely_low"]


def test_numbers_about_the_whole_are_found_with_and_without_an_interval():
    found = evaluation.whole(
        SCORES | {"near_copies": 0.1, "tstr": {"value": 0.7, "low": 0.6, "high": 0.8}, "alarm": True}
    )
    assert found == {
        "near_copies": {"value": 0.1, "low": None, "high": None},
        "tstr": {"value": 0.7, "low": 0.6, "high": 0.8},
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, ""),
        ({"alarm": False, "alarm_sentence": "No alarm."}, ""),
        ({"alarm": True, "alarm_sentence": "Copies."}, "Copies."),
    ],
)
def test_an_alarm_is_told_where_it_was_raised(content, told):
    assert evaluation.alarm(content) == told


@pytest.mark.parametrize(("held_out", "real"), [(0.8, "training lesion"), (None, "real lesion")])
def test_the_terminal_says_what_the_page_says(monkeypatch, held_out, real):
    sides = {side: {"texture": {"mean": {"kid": value}}} for value, side in enumerate(evaluation.SIDES)}
    sides["spaces"]["texture"]["mean"] |= {"kid_low": -0.5, "kid_high": 0.5}
    numbers = {name: {"value": 0.7, "low": 0.6, "high": 0.8} for name in evaluation.MEANINGS}
    numbers |= {"near_copies": 0.1, "authenticity_held_out": {"value": held_out, "low": None, "high": None}}
    others = {"alarm": False, "alarm_sentence": "No alarm.", "copies": [], "counts": {}, "notes": [], "masks": None}
    shown = Console(file=StringIO(), width=200)
    monkeypatch.setattr(show, "out", shown)
    show.show_evaluation(Evaluation(**sides, **numbers, **others))
    lines = [[x.strip() for x in re.split("[│┃]", line)[1:-1]] for line in shown.file.getvalue().splitlines()]
    assert ["", "synthetic", "real lesions, augmented", "floor: real lesions", "training halves"] in lines
    assert ["kid (lower is better)", "0.000 (-0.500 to 0.500)", "1.000", "2.000", "3.000"] in lines
    told = {line[0]: line[1] for line in lines if len(line) == 2}
    for name in evaluation.MEANINGS.keys() - {"near_copies", "authenticity_held_out"}:
        assert told[evaluation.MEANINGS[name].format(real=real)] == "0.700 (0.600 to 0.800)"
    assert told["The same of held-out real lesions"] == ("0.800" if held_out else "not measured")
