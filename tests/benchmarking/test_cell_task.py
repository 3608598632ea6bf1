"""A cell before and while it is computed."""

import pytest

from augmentor.benchmarking import cell_task
from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.cells import Spec
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask, fit_gan
from augmentor.data.splits import outer_folds
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
