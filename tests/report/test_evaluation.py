"""What is read from evaluation.json."""

from __future__ import annotations

import pytest

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
