"""What a fit under way holds."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from augmentor.model.gan import METHODS
from augmentor.recipe import make_recipe
from augmentor.training import under_way as module
from augmentor.training.fit import fit
from augmentor.training.run import Run
from augmentor.training.under_way import UnderWay
from tests.lesion_sets import tiny_recipe, write_set


def under_way(folder: Path, shown: float, seconds: float, **training: Any) -> UnderWay:
    recipe = make_recipe({"training": training}, "test")
    trainer: Any = SimpleNamespace(kimg=shown, step=3)
    return UnderWay(Run(folder), recipe, trainer, cast(Any, None), cast(Any, None), "lesions", None, seconds=seconds)


@pytest.mark.parametrize(
    ("training", "share"),
    [
        ({"kimg": 8.0}, 0.25),
        ({"minutes": 2.0}, 0.5),
        ({"minutes": 2.0, "kimg": 8.0}, 0.5),
        ({"minutes": 10.0, "kimg": 8.0}, 0.25),
        ({}, 0.2),  # of five minutes
    ],
)
def test_the_share_that_is_done_is_that_of_the_nearer_limit(tmp_path, training, share):
    assert under_way(tmp_path, 2.0, 60.0, **training).share == pytest.approx(share)


def test_a_fit_has_ended_at_its_length_or_where_more_would_only_copy(tmp_path):
    assert under_way(tmp_path, 8.0, 1.0, kimg=8.0).ended
    begun = under_way(tmp_path, 1.0, 1.0, kimg=8.0)
    assert not begun.ended
    begun.stopped = True
    assert begun.ended


@pytest.mark.parametrize("grafts", [False, True])
def test_how_far_lesions_are_moved_is_measured_for_a_model_that_starts_from_them(monkeypatch, grafts):
    monkeypatch.setitem(METHODS, "dcgan", replace(METHODS["dcgan"], grafts=grafts))
    monkeypatch.setattr(module, "measure_reach", lambda *_: "far")
    monkeypatch.setattr(module, "groups", lambda *_: None, raising=False)
    run: Any = SimpleNamespace(training=None)
    recipe = make_recipe({"model": {"name": "dcgan"}}, "test")
    assert module._moved(run, cast(Any, None), recipe) == ("far" if grafts else None)


def test_records_of_snapshots_are_kept_and_those_of_steps_written_alone(tmp_path):
    begun = under_way(tmp_path, 1.0, 1.0, kimg=8.0)
    begun.record("step", {"loss_d": 1.0})
    begun.record("snapshot", {"mmd": 0.1})
    assert [record["kind"] for record in begun.run.metrics] == ["step", "snapshot"]
    assert begun.snapshots == [begun.run.metrics[1]]


def test_the_monitor_is_told_whose_the_lesions_of_both_sides_are(tmp_path, monkeypatch):
    def monitor(train, held_out, _seed, _masks, *patients):
        for side, whose in zip((train, held_out), patients, strict=True):
            assert len(whose) == len(side.labels) > len(np.unique(whose)) > 1
        raise KeyboardInterrupt("seen")

    monkeypatch.setattr(module, "Monitor", monitor)
    with pytest.raises(KeyboardInterrupt, match="seen"):
        fit(write_set(tmp_path / "lesions", patients=9, per_patient=3), tiny_recipe(), tmp_path / "run")


def test_the_record_of_a_snapshot_is_on_the_disk_before_its_state(tmp_path, monkeypatch):
    synced = []
    begun = under_way(tmp_path, 1.0, 1.0, kimg=8.0)
    monkeypatch.setattr("os.fsync", lambda _: synced.append(begun.run.metrics))
    begun.record("step", {"loss_d": 1.0})
    assert synced == []
    begun.record("snapshot", {"mmd": 0.1})
    assert [[record["kind"] for record in seen] for seen in synced] == [["step", "snapshot"]]
