"""The first sentences of a page: never against the numbers that stand further down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from augmentor.report.sections.verdict import verdict
from augmentor.report.sources import find_sources
from tests.report.fake import write_run

SPACES = {"trained": {"mean": {"mmd": 0.0312}}, "texture": {"mean": {"mmd": 0.014}}}
FLOOR = {"trained": {"mean": {"mmd": 0.0202}}, "texture": {"mean": {"mmd": -0.0139}}}


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path / "run", np.random.default_rng(0), steps=10)


def lead(run: Path) -> str:
    section = verdict(find_sources([run]), run)
    return section.blocks[0].text


def evaluated(run: Path, **content: object) -> str:
    (run / "evaluation.json").write_text(json.dumps(content))
    return lead(run)


def test_of_a_run_that_was_evaluated_the_evaluation_is_told_first_and_by_space(run):
    told = evaluated(run, spaces=SPACES, floor=FLOOR)
    assert told.startswith(
        "The distance of synthetic lesions to held-out ones (MMD; lower is nearer) is 0.031 in trained features "
        "(training lesions: 0.020) and 0.014 in texture features (training lesions: -0.014)."
    )
    assert "0.010" not in told  # the floor of training's own measure
    assert "chose the snapshot" not in told
    assert told.count("About 0 or below means that no difference was seen.") == 1


@pytest.mark.parametrize("spaces", [{}, {"texture": {"mean": {"kid": 1.0}}}, {"texture": {"mean": {"mmd": None}}}])
def test_without_an_evaluated_distance_that_of_training_is_told_for_what_it_is(run, spaces):
    before = lead(run)
    assert "0.020 by the measure that chose the snapshot (texture features); training lesions reach 0.010." in before
    assert evaluated(run, spaces=spaces) == before


def test_a_floor_that_was_not_measured_is_left_out(run):
    assert "is 0.031 in trained features and 0.014 in texture features." in evaluated(run, spaces=SPACES)


def test_a_run_that_held_nobody_out_says_that_nothing_tells_how_near_its_lesions_are(run):
    assert "No patients were held out" not in lead(run)
    summary = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(summary | {"discrimination_held_out": None, "mmd": None, "floor": {}}))
    assert lead(run).startswith("No patients were held out, so that nothing tells how near these lesions come")
