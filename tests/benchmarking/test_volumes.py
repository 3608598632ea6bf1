"""The benchmark on volumes: its classifiers, and a small one from end to end."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from augmentor.benchmarking.arms import TrainingSet
from augmentor.benchmarking.benchmark import benchmark
from augmentor.benchmarking.classifiers import make_classifier
from augmentor.benchmarking.networks import NETWORKS
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError
from augmentor.progress import silent
from augmentor.training.classic import classic
from tests.lesion_sets import draw_phantom, tiny_recipe

LABELS = np.arange(24) % 2
NOISE = gaussian_filter(np.random.default_rng(0).normal(0, 2, (24, 1, 16, 16, 16)), (0, 0, 2, 2, 2))
VOLUMES = (NOISE + LABELS[:, None, None, None, None] * 0.6 - 0.3).clip(-1, 1).astype(np.float32)
DATA = TrainingSet(VOLUMES, LABELS, n_real=24, draws=8)
QUICK = [name for name in (*NETWORKS, "logistic", "svm", "forest") if name != "densenet121"]


def fitted(name: str, steps: int, data: TrainingSet = DATA):
    model = make_classifier(name, VOLUMES.shape[1:], 2, steps)
    model.fit(data, 0, silent)
    return model


@pytest.mark.parametrize("name", QUICK)
def test_a_classifier_learns_what_is_easy_in_volumes(name):
    steps = 12 if name in NETWORKS else 1
    assert (fitted(name, steps).predict(VOLUMES).argmax(1) == LABELS).mean() > (0.6 if name == "paper-cnn" else 0.8)


@pytest.mark.slow
@pytest.mark.parametrize("mixup", [False, True])
def test_a_large_network_takes_volumes(mixup):
    data = TrainingSet(VOLUMES[:8], LABELS[:8], n_real=8, draws=8, mixup=mixup)
    chances = fitted("densenet121", 1, data).predict(VOLUMES[:4])
    assert chances.sum(1) == pytest.approx(1, abs=1e-5)


def test_classic_augmentation_turns_volumes_every_way():
    """A ball stays in its place and keeps its size, within the zoom; a rod points everywhere."""
    line = (torch.arange(16) - 7.5) ** 2
    rod = ((line[:, None, None] + line[:, None] + 0 * line) < 6).float()[None, None].expand(200, 1, 16, 16, 16)
    moved = classic(rod * 2 - 1, torch.Generator().manual_seed(0))
    assert moved.shape == rod.shape
    assert moved.abs().max() <= 1
    inside = moved > 0
    lengths = torch.stack([inside.any(dim=tuple({2, 3, 4} - {a})).sum(-1).flatten() for a in (2, 3, 4)], 1)
    longest = torch.bincount(lengths.argmax(1), minlength=3)
    assert longest.min() > 20


@pytest.mark.slow
def test_a_benchmark_of_volumes_ends_with_a_verdict(tmp_path):
    draw_phantom(tmp_path / "lesions", patients=12, per_class=8, size=16, dims=3)
    asked = {"arms": ["classic", "classic+gan"], "classifiers": ["logistic"], "factor": 1.5}
    model = {"spatial_dims": 3, "with_mask": True, "condition_on": "size"}
    recipe = tiny_recipe(model=model, benchmark=asked, training={"kimg": 0.016, "snapshots": 1})
    results = benchmark(read_lesions(tmp_path / "lesions"), recipe, tmp_path / "out")
    assert not results.summary["failed"]
    assert set(results.table["arm"]) == set(asked["arms"])
    assert (results.table["n_synthetic"][results.table["arm"] == "classic+gan"] > 0).all()
    assert results.summary["verdict"]


def test_a_benchmark_of_volumes_must_be_asked_for(tmp_path):
    draw_phantom(tmp_path / "lesions", patients=3, per_class=3, size=16, dims=3)
    with pytest.raises(DataError, match="--spatial-dims 3"):
        benchmark(read_lesions(tmp_path / "lesions"), tiny_recipe(), tmp_path / "out")
