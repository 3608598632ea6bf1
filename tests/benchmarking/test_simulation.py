from inspect import signature
from io import StringIO
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from augmentor.benchmarking import simulation
from augmentor.benchmarking.comparison import McNemar, compare
from augmentor.benchmarking.scores import METRICS
from augmentor.benchmarking.simulation import Study, describe, simulate
from augmentor.cli import show, trial
from augmentor.cli.options import Steps
from augmentor.data.splits import outer_folds
from augmentor.errors import DataError, UsageError
from augmentor.recipe import BenchmarkSection

TINY = {"patients": 9, "per_class": 9, "size": 16, "folds": 3, "seeds": 1, "classifiers": ("logistic",)}


@pytest.fixture
def few_judges(monkeypatch):
    """The true difference is told by 30 lesions: for tests that do not look at it, which nothing else depends on."""
    monkeypatch.setattr(simulation, "_JUDGES", 10)


def test_how_many_lesions_tell_the_truth_changes_nothing_else(monkeypatch):
    tables = []
    for count in (10, 30):
        monkeypatch.setattr(simulation, "_JUDGES", count)
        tables.append(simulate(Study(**TINY), 1))
    few, more = tables
    assert few["truth"].tolist() != more["truth"].tolist()
    pd.testing.assert_frame_equal(few.drop(columns="truth"), more.drop(columns="truth"))


@pytest.mark.usefixtures("few_judges")
def test_a_study_has_a_row_a_simulation_and_classifier_and_repeats_itself():
    table = simulate(Study(**(TINY | {"classifiers": ("logistic", "svm")})), 2)
    assert table.groupby("simulation")["classifier"].apply(list).tolist() == [["logistic", "svm"]] * 2
    assert set(table["arm"]) == {"resampled"}
    again = simulate(Study(**(TINY | {"classifiers": ("logistic", "svm")})), 2)
    pd.testing.assert_frame_equal(table, again)


def test_perfect_lesions_of_other_patients_truly_help():
    table = simulate(Study(perfect=8.0, **TINY), 4)
    assert set(table["arm"]) == {"classic+gan"}
    assert table["truth"].mean() > 0.02


def test_wrong_labels_make_perfect_lesions_help_more_and_are_not_tested():
    right, wrong = (simulate(Study(perfect=4.0, mislabelled=share, **TINY), 4) for share in (0.0, 2 / 3))
    assert wrong["truth"].mean() > right["truth"].mean() + 0.05
    assert wrong["difference"].mean() > 0.05  # tested against the lesions' own labels, as the truth is


@pytest.mark.usefixtures("few_judges")
def test_the_second_opinion_is_mcnemars_on_what_the_cells_called(monkeypatch):
    called = []

    def told(arm, baseline):
        called.append((arm, baseline))
        return McNemar(3, 1, 0.625)

    monkeypatch.setattr(simulation, "mcnemar", told)
    assert simulate(Study(**(TINY | {"seeds": 2})), 1)["mcnemar"].tolist() == [0.625]
    ((arm, baseline),) = called
    assert set(arm["arm"]) == {"resampled"}
    assert set(baseline["arm"]) == {"classic"}
    assert arm["path"].value_counts().eq(2).all()  # every lesion once a seed
    assert len(arm) == len(baseline) == 2 * 27


@pytest.mark.usefixtures("few_judges")
def test_pairs_are_counted_as_a_benchmark_counts_them(monkeypatch):
    sets = []

    def told(table, *rest):
        sets.append(table["test_set"].nunique())
        return compare(table, *rest)

    monkeypatch.setattr(simulation, "outer_folds", lambda lesions, count, _seed: outer_folds(lesions, count, 0))
    monkeypatch.setattr(simulation, "compare", told)
    simulate(Study(**(TINY | {"seeds": 2})), 1)
    assert sets == [3]  # the second seed repeats the first one's folds


@pytest.mark.usefixtures("few_judges")
def test_a_set_that_cannot_be_cut_is_drawn_anew(monkeypatch):
    seen = []

    def refuse_first(lesions, count, seed):
        seen.append(seed)
        if len(seen) == 1:
            raise DataError(["Fold 1 lacks class cyst"])
        return outer_folds(lesions, count, seed)

    monkeypatch.setattr(simulation, "outer_folds", refuse_first)
    assert len(simulate(Study(**TINY), 1)) == 1
    assert len(seen) == 2


def test_what_is_simulated_is_kept_as_it_comes(tmp_path, monkeypatch):
    def stop_at_two(task, _):
        if task.number == 2:
            raise KeyboardInterrupt
        return [{"simulation": task.number, "classifier": "logistic"}]

    monkeypatch.setattr(simulation, "_simulate_one", stop_at_two)
    with pytest.raises(KeyboardInterrupt):
        simulate(Study(**TINY), 3, out=tmp_path / "rows.csv")
    assert pd.read_csv(tmp_path / "rows.csv")["simulation"].tolist() == [0, 1]


def test_too_few_perfect_lesions_are_refused_before_the_start():
    with pytest.raises(UsageError, match=r"--perfect 0.1 with --per-class 9 .* means 0.6 synthetic lesions a class"):
        simulate(Study(perfect=0.1, **TINY), 1)


@pytest.mark.parametrize(("folds", "seeds"), [(2, 1)])
def test_too_few_test_sets_for_any_verdict_are_refused_before_the_start(monkeypatch, folds, seeds):
    monkeypatch.setattr(simulation, "_simulate_one", lambda *_: pytest.fail("begun"))
    told = f"--folds {folds} with --seeds {seeds} has {folds * seeds} test sets, .* at least 3. Raise one of them"
    with pytest.raises(UsageError, match=told):
        simulate(Study(**(TINY | {"folds": folds, "seeds": seeds})), 1)


@pytest.mark.parametrize("field", ["perfect", "mislabelled"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0])
def test_a_share_that_is_no_number_of_lesions_is_refused_before_the_start(field, value):
    with pytest.raises(UsageError, match=f"--{field} is {value:g}"):
        simulate(Study(**(TINY | {field: value})), 1)


def test_benchmarks_of_which_none_had_a_spread_are_described_and_shown(monkeypatch):
    """All arms alike in each fold: no interval, no p, no smallest effect."""
    alike = {"classifier": "logistic", "judged": 0.5} | dict.fromkeys(METRICS, 0.5)
    chances = {}

    def cells(_study, _arm, _train, test, _seeds):
        yield alike, chances.setdefault(len(test[1]), np.eye(3)[np.arange(len(test[1])) % 3])

    monkeypatch.setattr(simulation, "_cells", cells)
    table = simulate(Study(**TINY), 2)
    assert {table[name].dtype.kind for name in ("low", "high", "p", "detectable")} == {"f"}
    found = describe(table)
    assert (found["gain"], found["harm"], found["difference"]) == (0, 0, 0)
    assert np.isnan(found["covered"])
    assert np.isnan(found["detectable"])
    lines = shown(monkeypatch, found)
    assert lines["intervals that hold the true difference"] == "-"
    assert lines["smallest effect seen with 80 % power (median)"] == "-"
    assert lines["verdict was gain"] == "0.0%"


@pytest.mark.usefixtures("few_judges")
def test_no_effect_is_told_that_no_classifier_could_reach(monkeypatch):
    found = describe(simulate(Study(**TINY), 1))
    key = "smallest effect seen with 80 % power (median)"
    assert shown(monkeypatch, found | {"detectable": 1.704})[key] == "none, however large"
    assert shown(monkeypatch, found | {"detectable": 0.704})[key] == "70.4 points"


def shown(monkeypatch, found):
    """What the terminal shows of a study: a line's name -> its value."""
    screen = Console(file=StringIO(), width=200)
    monkeypatch.setattr(show, "out", screen)
    show.show_study(found)
    cells = [line.split("\u2502")[1:-1] for line in screen.file.getvalue().splitlines()]
    return {name.strip(): value.strip() for name, value in (pair for pair in cells if len(pair) == 2)}


def test_a_network_is_simulated_with_the_steps_of_the_study():
    few, more = (simulate(Study(**(TINY | {"classifiers": ("cnn",), "steps": steps})), 1) for steps in (1, 3))
    assert set(few["classifier"]) == {"cnn"}
    assert few["truth"].tolist() != more["truth"].tolist()


def test_the_command_line_and_the_recipe_train_classifiers_alike():
    assert BenchmarkSection().steps == Study().steps
    for command in (trial.benchmark, trial.calibrate, trial.screens):
        assert signature(command).parameters["steps"].default is None  # the recipe's own
    assert f"Default: {Study().steps}." in get_args(Steps)[1].help


def test_a_benchmark_speaks_once_whatever_the_number_of_its_classifiers():
    rows = [
        {"simulation": 0, "classifier": "svm", "verdict": "gain"},
        {"simulation": 0, "classifier": "forest", "verdict": "none"},
        {"simulation": 1, "classifier": "svm", "verdict": "none"},
        {"simulation": 1, "classifier": "forest", "verdict": "none"},
    ]
    values = {"mcnemar": 0.04, "truth": 0.0, "difference": 0.0, "detectable": 0.1, "low": -0.1, "high": 0.1}
    values |= {"patients_low": 0.01, "patients_high": 0.09}
    found = describe(pd.DataFrame([r | values for r in rows]))
    assert found["gain"] == 0.5
    assert found["harm"] == 0
    assert found["mcnemar"] == found["by_patient"] == 1
    assert found["covered"] == 1
    assert found["covered_by_patient"] == 0
    assert found["simulations"] == 2


def test_an_interval_is_held_against_the_truth_of_its_own_classifier():
    values = {"verdict": "none", "mcnemar": 1.0, "difference": 0.0, "detectable": 0.1}
    values |= {"patients_low": -0.1, "patients_high": 0.1}
    rows = [
        {"simulation": 0, "classifier": "svm", "truth": 0.07, "low": 0.05, "high": 0.09},
        {"simulation": 0, "classifier": "forest", "truth": 0.01, "low": -0.01, "high": 0.03},
        {"simulation": 1, "classifier": "forest", "truth": 0.01, "low": None, "high": None},
    ]
    assert describe(pd.DataFrame([r | values for r in rows]))["covered"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("few_judges")
def test_the_verdict_is_silent_where_the_arms_are_the_same():
    """The null study in small; docs/results/calibration.md has it with 200 benchmarks."""
    table = simulate(Study(size=16, per_class=18), 12)
    found = describe(table)
    assert found["gain"] + found["harm"] <= 2 / 12  # more has a chance of 2 % where the true rate is 5 %
