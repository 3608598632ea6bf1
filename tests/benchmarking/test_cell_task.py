"""A cell before and while it is computed."""

from types import SimpleNamespace

import pytest

from augmentor.benchmarking import auto, cell_task
from augmentor.benchmarking.auto import Choice, Plan
from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.cells import Spec
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask, fit_gan
from augmentor.data.splits import outer_folds
from augmentor.errors import UsageError
from augmentor.progress import Progress
from tests.lesion_sets import tiny_recipe, write_set


@pytest.mark.parametrize(
    ("arm", "screen"),
    [("classic+dcgan", "off"), ("classic+acgan", "off"), ("classic+gan", "strict"), ("auto", "strict")],
)
def test_the_papers_gans_are_screened_for_near_copies_alone(tmp_path, arm, screen):
    lesions = write_set(tmp_path / "lesions")
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(benchmark={"screen": "strict"}), tmp_path)
    assert CellTask(data, Spec(arm, "svm", "1", 0, 3.0)).screen == screen


@pytest.mark.parametrize("plan", [Plan(), Plan(3.0, "mix", "strict"), Plan(2.0, "pretrain")], ids=str)
def test_the_plan_that_was_judged_is_what_is_trained(tmp_path, monkeypatch, plan):
    """The inner split's classifier and the fold's own are trained on sets of one arm, at one factor."""
    lesions = write_set(tmp_path / "lesions")
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out")
    asked = []

    def build(arm, _real, synthetic, factor, _seed):
        asked.append((arm, factor, synthetic is None))
        raise UsageError("here")

    monkeypatch.setattr(FoldData, "synthetic", lambda *_: (data.real, []))
    monkeypatch.setattr(auto, "pool", lambda *_: (data.real[0], data.train.table["label"]))
    for module in (auto, cell_task):
        monkeypatch.setattr(module, "build_training_set", build)
    monkeypatch.setattr(cell_task, "choose", lambda *_: Choice(plan, ()))
    inner = object.__new__(auto._Inner)
    inner.run, inner.real, inner.classes, inner.seed = (
        SimpleNamespace(training=data.train),
        data.real,
        lesions.classes,
        0,
    )
    with pytest.raises(UsageError):
        inner._probabilities(plan)
    with pytest.raises(UsageError):
        cell_task._compute(CellTask(data, Spec("auto", "svm", "1", 0, 3.0)), lambda *_: None)
    judged, trained = asked
    assert judged == trained


def test_what_auto_tells_of_its_way_never_runs_backward(tmp_path):
    lesions = write_set(tmp_path / "lesions", patients=8)
    data = FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(), tmp_path / "out")
    assert fit_gan(GanTask(data, "cgan"), Progress()).error is None
    told = []
    task = CellTask(data, Spec("auto", "paper-cnn", data.fold.name, 0, 1.0))
    cell_task._compute(task, lambda done, _note: told.append(done))
    assert len(told) > 3 + 5  # the steps of the last training, and the plans before it
    assert told == sorted(told)
    assert told[-1] == 1
