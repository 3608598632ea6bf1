from typing import get_args

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from augmentor.benchmarking.arms import ARMS, TrainingSet, build_training_set
from augmentor.benchmarking.classifiers import make_classifier
from augmentor.recipe import ArmName, ClassifierName

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 2
NOISE = gaussian_filter(RNG.normal(0, 1, (40, 1, 28, 28)), (0, 0, 2, 2))
IMAGES = (NOISE + LABELS[:, None, None, None] * 0.6 - 0.3).clip(-1, 1).astype(np.float32)


def silent(_done: float, _note: str) -> None: ...


@pytest.mark.parametrize("name", get_args(ClassifierName))
@pytest.mark.parametrize("augment", [False, True])
def test_a_classifier_learns_what_is_easy_and_follows_its_seed(name, augment):
    predictions = []
    for _ in range(2):
        model = make_classifier(name, 1, 28, 2, steps=40)
        model.fit(TrainingSet(IMAGES, LABELS, 40, augment), 0, silent)
        predictions.append(model.predict(IMAGES))
    assert (predictions[0] == predictions[1]).all()
    assert predictions[0].shape == (40, 2)
    assert predictions[0].sum(1) == pytest.approx(1, abs=1e-3)
    assert (predictions[0].argmax(1) == LABELS).mean() > 0.9


@pytest.mark.parametrize("name", get_args(ClassifierName))
def test_any_channel_and_class_count_goes(name):
    images = RNG.normal(0, 0.3, (12, 3, 28, 28)).clip(-1, 1).astype(np.float32)
    model = make_classifier(name, 3, 28, 4, steps=2)
    model.fit(TrainingSet(images, np.arange(12) % 4, 12, True), 0, silent)
    assert model.predict(images).shape == (12, 4)


def test_every_arm_of_the_recipe_exists():
    assert set(ARMS) == set(get_args(ArmName))


def test_an_arm_adds_synthetic_lesions_only_where_it_has_a_gan():
    synthetic = (IMAGES[:6], LABELS[:6])
    assert build_training_set(ARMS["classic"], IMAGES, LABELS, synthetic).n_synthetic == 0
    assert build_training_set(ARMS["classic+gan"], IMAGES, LABELS, synthetic).n_synthetic == 6
