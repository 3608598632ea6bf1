"""A study's CSV: gone on with where it is the same study's, refused and untouched where it is anything else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from augmentor.benchmarking import rows, simulation
from augmentor.benchmarking.simulation import Study, simulate
from augmentor.errors import UsageError

STUDY = Study(perfect=1.0, mislabelled=2 / 3, classifiers=("svm", "logistic"))
CHANGED = {"perfect": 2.0, "mislabelled": 0.0, "patients": 19, "per_class": 31, "size": 36, "folds": 4, "seeds": 3}
CHANGED |= {"classifiers": ("svm", "forest"), "steps": 8}


def simulated(task, _progress):
    """Rows as those of a simulation, of its number: floats of all digits, some unknown, and a verdict."""
    randomness = np.random.default_rng(task.number)
    for name in task.study.classifiers:
        floats = dict(zip(("truth", "mcnemar", "low"), randomness.normal(size=3) * 10.0**-task.number, strict=True))
        unknown = {"p": float("nan"), "detectable": float("nan") if task.number % 2 else 0.1 + 0.2}
        yield {"simulation": task.number, "classifier": name, "verdict": "none", "cells": 6} | floats | unknown


@pytest.fixture
def made(monkeypatch):
    """The numbers of the simulations that are computed, in their order; Ctrl-C comes at those in `stops`."""

    class Made(list):
        stops: frozenset[int] = frozenset()

    numbers = Made()

    def one(task, progress):
        if task.number in numbers.stops:
            raise KeyboardInterrupt
        numbers.append(task.number)
        return list(simulated(task, progress))

    monkeypatch.setattr(simulation, "_simulate_one", one)
    return numbers


def interrupted(made, stops, file, count=6):
    made.stops = frozenset({stops})
    with pytest.raises(KeyboardInterrupt):
        simulate(STUDY, count, out=file)
    made.stops = frozenset()
    made.clear()


@pytest.mark.parametrize("stop", range(6))
def test_a_study_that_was_stopped_ends_as_one_that_was_not(made, tmp_path, stop):
    whole = simulate(STUDY, 6, out=tmp_path / "whole.csv")
    interrupted(made, stop, tmp_path / "part.csv")
    assert (tmp_path / "part.csv").exists() == (stop > 0)
    table = simulate(STUDY, 6, out=tmp_path / "part.csv")
    assert made == list(range(stop, 6))
    pd.testing.assert_frame_equal(table, whole, check_exact=True)
    assert (tmp_path / "part.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    pd.testing.assert_frame_equal(simulate(STUDY, 6), whole, check_exact=True)


def test_more_simulations_are_added_and_fewer_are_told_without_losing_any(made, tmp_path):
    file = tmp_path / "rows.csv"
    simulate(STUDY, 2, out=file)
    more = simulate(STUDY, 5, out=file)
    assert made == [0, 1, 2, 3, 4]
    content, state = file.read_bytes(), file.stat().st_mtime_ns
    fewer = simulate(STUDY, 3, out=file)
    assert made == [0, 1, 2, 3, 4]
    assert fewer["simulation"].unique().tolist() == [0, 1, 2]
    pd.testing.assert_frame_equal(more[more["simulation"] < 3], fewer, check_exact=True)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (content, state)


def test_every_setting_of_a_study_is_tried():
    assert set(CHANGED) == set(Study.__dataclass_fields__)


@pytest.mark.parametrize("name", CHANGED)
def test_rows_of_another_study_are_refused_with_the_setting_and_left_as_they_are(made, tmp_path, name):
    file = tmp_path / "rows.csv"
    interrupted(made, 2, file)
    content = file.read_bytes()
    with pytest.raises(UsageError) as told:
        simulate(replace(STUDY, **{name: CHANGED[name]}), 6, out=file)
    there, here = (",".join(v) if isinstance(v, tuple) else f"{v:.12g}" for v in (getattr(STUDY, name), CHANGED[name]))
    option = f"--{name.replace('_', '-')}"
    assert f"--out {file}: its rows were made with {option} {there}, not {here}" in str(told.value)
    assert f"Give {option} {there} to go on with them, or another --out." in str(told.value)
    assert made == []
    assert file.read_bytes() == content


def test_rows_of_other_code_are_refused(made, tmp_path, monkeypatch):
    file = tmp_path / "rows.csv"
    interrupted(made, 2, file)
    monkeypatch.setattr(simulation, "result_key", lambda *_: "another")
    with pytest.raises(UsageError, match=r"made by another version of augmentor or of its libraries.*another --out"):
        simulate(STUDY, 6, out=file)
    assert made == []


@pytest.mark.parametrize(
    "content",
    [b"", b"mine", b"path,label\n1.png,cyst\n", b"simulation,classifier\n0,svm\n", b"\xff\xfe\x00", b"\x89PNG"],
)
def test_a_file_of_anything_else_is_refused_and_left_as_it_is(made, tmp_path, content):
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"mine.csv: holds no rows that .* nothing is overwritten. Give a new file"):
        simulate(STUDY, 6, out=file)
    assert made == []
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("mine.csv", content)]


def test_a_simulation_of_which_a_row_is_missing_is_told(made, tmp_path):
    file = tmp_path / "rows.csv"
    interrupted(made, 2, file)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UsageError, match=r"rows.csv: is damaged \(simulation 1 has rows of logistic\)"):
        simulate(STUDY, 6, out=file)
    assert made == []


@pytest.mark.parametrize("there", [0, 2])
def test_what_another_program_wrote_meanwhile_is_not_overwritten(made, tmp_path, monkeypatch, there):
    file = tmp_path / "rows.csv"
    if there:
        simulate(STUDY, there, out=file)

    def one(task, progress):
        if task.number == 4:
            file.write_text("another's")
        made.append(task.number)
        return list(simulated(task, progress))

    monkeypatch.setattr(simulation, "_simulate_one", one)
    with pytest.raises(UsageError, match="another program has written into it meanwhile"):
        simulate(STUDY, 6, out=file)
    assert file.read_text() == "another's"
    assert made == [0, 1, 2, 3, 4]


def test_rows_are_in_order_whenever_they_were_made():
    named = [{"simulation": n, "classifier": name} for n in (2, 0, 1) for name in ("svm", "logistic")]
    assert rows.in_order(named).to_numpy().tolist() == [[n, name] for n in range(3) for name in ("logistic", "svm")]
