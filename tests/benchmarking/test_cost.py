"""What a benchmark is told to cost before it starts."""

import errno
from dataclasses import replace

import pytest
import torch

from augmentor.benchmarking import cost, networks
from augmentor.benchmarking.auto import count_trials
from augmentor.benchmarking.cell_task import CellTask
from augmentor.benchmarking.cells import Spec
from augmentor.benchmarking.cost import Probe
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask
from augmentor.data.splits import outer_folds
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("cost") / "lesions")


def fold_of(lesions, tmp_path, **benchmark):
    return FoldData(lesions, outer_folds(lesions, 2, 0)[0], 0, tiny_recipe(benchmark=benchmark), tmp_path)


def cell(data, arm="classic", classifier="paper-cnn"):
    return CellTask(data, Spec(arm, classifier, data.fold.name, 0, 3.0))


def test_a_classifier_is_tried_once_and_its_seconds_are_those_of_all_its_steps(lesions, tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(clock)))
    data, probe = fold_of(lesions, tmp_path, steps=30), Probe()
    assert probe.cell(cell(data)) == 30 / cost._STEPS  # one tick for the few steps that were tried
    assert probe.cell(cell(data, "real")) == probe.cell(cell(data))
    assert next(clock) == 2


@pytest.mark.parametrize("classifier", ["paper-cnn", "logistic"])
def test_auto_takes_one_training_more_than_its_choice(lesions, tmp_path, classifier):
    data, probe = fold_of(lesions, tmp_path), Probe()
    plain, auto = (probe.cell(cell(data, arm, classifier)) for arm in ("classic", "auto"))
    assert plain > 0
    assert auto == plain * (1 + count_trials(classifier))


def test_minutes_bound_what_the_images_of_a_gan_would_take(lesions, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(cost, "_seconds_an_image", lambda task: asked.append(task) or 0.01)

    def seconds(**length):
        data = fold_of(lesions, tmp_path, **({"kimg": None} | length))
        return Probe().gan(GanTask(data, "cgan"))

    assert seconds(kimg=10) == seconds(kimg=10, minutes=5) == 100
    assert seconds(kimg=10, minutes=1) == 60
    asked.clear()
    assert seconds(minutes=2) == 120
    assert not asked  # the clock needs no probe


def test_a_gan_is_tried_once_a_model(lesions, tmp_path):
    data, probe = fold_of(lesions, tmp_path), Probe()
    first = probe.gan(GanTask(data, "cgan"))
    assert first > 0
    assert probe.gan(GanTask(data, "cgan")) == first


def out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 GiB")


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("error", "told"), [(out_of_memory, None), (full, "No space left")])
def test_what_fails_in_the_probe_costs_nothing_and_only_a_full_disk_ends_it(
    lesions, tmp_path, monkeypatch, error, told
):
    monkeypatch.setitem(networks.NETWORKS, "paper-cnn", replace(networks.NETWORKS["paper-cnn"], build=error))
    monkeypatch.setattr(cost, "build_gan", error)
    data, probe = fold_of(lesions, tmp_path), Probe()
    for ask in (lambda: probe.cell(cell(data)), lambda: probe.gan(GanTask(data, "cgan"))):
        if told:
            with pytest.raises(OSError, match=told):
                ask()
        else:
            assert ask() == 0
    assert probe.cell(cell(data, classifier="logistic")) > 0
