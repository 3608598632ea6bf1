"""Which snapshots a fit takes and chooses, and when they end it."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from augmentor.training.fit import fit, resume_fit
from augmentor.training.monitor import Monitor
from augmentor.training.snapshots import choose, next_due
from tests.lesion_sets import tiny_recipe, write_set

pytestmark = pytest.mark.usefixtures("elsewhere")  # runs/ is one of the working folder


def judged_as(monkeypatch, *by_heart):
    """The monitor's snapshots, one after another, get these marks."""
    marks, measure = iter(by_heart), Monitor.measure
    monkeypatch.setattr(Monitor, "measure", lambda *arguments: replace(measure(*arguments), by_heart=next(marks)))


@pytest.mark.parametrize(
    ("mmd", "chosen"),
    [
        ((0.2, 0.1, 0.104, 0.2), 2),
        ((0.1, 0.2, 0.3, 0.2), 0),
        ((-0.1, -0.08, -0.097, 0.1), 2),
        ((0.3, 0.2, 0.11, 0.1), 3),
    ],
)
def test_of_the_snapshots_nearest_to_the_held_out_lesions_the_latest_is_chosen(
    tmp_path, lesions, monkeypatch, snapshots_of, mmd, chosen
):
    given, measure = iter(mmd), Monitor.measure
    monkeypatch.setattr(Monitor, "measure", lambda *a: replace(measure(*a), mmd=next(given), by_heart=False))
    run = fit(lesions, tiny_recipe(training={"snapshots": 3, "kimg": 0.072}), tmp_path / "run")
    assert run.summary["chosen"] == snapshots_of(run)[chosen]["checkpoint"]


def test_a_fit_ends_when_two_snapshots_in_a_row_know_the_lesions_by_heart(tmp_path, lesions, monkeypatch, snapshots_of):
    judged_as(monkeypatch, False, True, False, True, True)
    run = fit(lesions, tiny_recipe(training={"snapshots": 8}), tmp_path / "run")
    assert len(snapshots_of(run)) == 5
    assert 0 < run.summary["steps"] < 8
    assert "by heart" in run.summary["stopped_early"]
    assert run.summary["chosen"] in {s["checkpoint"] for s in snapshots_of(run) if not s["by_heart"]}
    assert "by heart" in run.summary["chosen_because"]


def test_a_fit_that_reaches_its_end_was_not_stopped(tmp_path, lesions, monkeypatch):
    judged_as(monkeypatch, False, True, True)
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    assert run.summary["steps"] == 8
    assert run.summary["stopped_early"] is None


def test_a_run_that_was_killed_as_it_stopped_is_trained_no_further(tmp_path, lesions, monkeypatch, snapshots_of):
    def killed(_under_way):
        raise OSError("power cut")

    judged_as(monkeypatch, False, True, True)
    with monkeypatch.context() as patch:
        patch.setattr("augmentor.training.fit._finish", killed)
        with pytest.raises(OSError, match="power cut"):
            fit(lesions, tiny_recipe(training={"snapshots": 8}), tmp_path / "run")
    run = resume_fit(tmp_path / "run")
    assert len(snapshots_of(run)) == 3
    assert run.summary["stopped_early"]


def test_a_published_method_is_trained_to_its_end(tmp_path, lesions, monkeypatch):
    judged_as(monkeypatch, *[True] * 9)
    run = fit(lesions, tiny_recipe(model={"name": "plain-dcgan"}), tmp_path / "run")
    assert run.summary["steps"] == 8
    assert run.summary["stopped_early"] is None


def test_too_few_held_out_lesions_for_a_measure_choose_the_last_snapshot(tmp_path):
    lesions = write_set(tmp_path / "lesions", classes=3, patients=5, per_patient=1)
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    assert run.summary["mmd"] is None
    assert run.summary["chosen"] == "0000008.safetensors"


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_snapshots_are_denser_early_and_the_last_is_at_the_end(count):
    recipe, due = tiny_recipe(training={"snapshots": count}), [0.0]
    for _ in range(count):
        due.append(next_due(SimpleNamespace(recipe=recipe, share=due[-1])))
    assert due == pytest.approx([(k / count) ** 2 for k in range(count + 1)])
    for begun, ended in pairwise(due):
        assert next_due(SimpleNamespace(recipe=recipe, share=(begun + ended) / 2)) == pytest.approx(ended)
    assert next_due(SimpleNamespace(recipe=recipe, share=1.2)) == 1


def test_a_snapshot_that_knows_the_lesions_by_heart_is_chosen_where_there_is_no_other_or_that_does_not_count():
    snapshots = [{"mmd": mmd, "by_heart": by_heart} for mmd, by_heart in ((0.3, False), (0.2, True), (0.1, True))]
    assert choose(snapshots, True)[0]["mmd"] == 0.3
    assert choose(snapshots[1:], True)[0]["mmd"] == 0.1
    assert choose(snapshots, False)[0]["mmd"] == 0.1


@pytest.mark.parametrize(("held_out", "why"), [(0.6, "no class has two held-out patients"), (None, "nothing held out")])
def test_without_an_mmd_the_last_is_chosen_and_it_is_said_why(held_out, why):
    snapshots = [{"mmd": None, "discrimination_held_out": held_out, "step": step, "by_heart": False} for step in (1, 2)]
    chosen, told = choose(snapshots, True)
    assert chosen["step"] == 2
    assert told == f"last ({why})"
