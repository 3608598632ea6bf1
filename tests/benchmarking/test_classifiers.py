from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from augmentor.benchmarking import classifiers
from augmentor.benchmarking.arms import TrainingSet
from augmentor.benchmarking.classifiers import can_pretrain, make_classifier, require_classifier
from augmentor.benchmarking.networks import NETWORKS, Network
from augmentor.errors import UsageError
from augmentor.model import features
from augmentor.recipe import ClassifierName

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 2
NOISE = gaussian_filter(RNG.normal(0, 1, (40, 1, 16, 16)), (0, 0, 2, 2))
IMAGES = (NOISE + LABELS[:, None, None, None] * 0.6 - 0.3).clip(-1, 1).astype(np.float32)
DATA = TrainingSet(IMAGES, LABELS, n_real=40, draws=12)
NAMES = get_args(ClassifierName)
FEATURE_NAMES = [name for name in NAMES if name not in NETWORKS]
LARGE = {"densenet121"}  # its steps take a second: one is taken
TRAINED = [name for name in NAMES if name not in LARGE]


def silent(_done: float, _note: str) -> None: ...


def skip_without_weights(name: str) -> None:
    if name == "pretrained":
        pytest.importorskip(features._WEIGHTS, reason="the extra `pretrained` is not installed")


def trained(name: str, data: TrainingSet, steps: int = 20, seed: int = 0, classes: int = 2):
    skip_without_weights(name)
    model = make_classifier(name, data.images.shape[1:], classes, steps)
    model.fit(data, seed, silent)
    return model


class Recorder(torch.nn.Module):
    """A network of one layer that keeps every batch it is given while it is trained."""

    def __init__(self, batches: list[torch.Tensor]):
        super().__init__()
        self.layer, self.batches = torch.nn.Linear(16 * 16, 2), batches

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.batches.append(images.clone())
        return self.layer(images.flatten(1))


@pytest.fixture
def recorded(monkeypatch):
    """`paper-cnn` replaced by a Recorder; the batches, and the learning rates of all steps."""
    batches, rates = [], []

    def optimiser(network):
        made = torch.optim.SGD(network.parameters(), lr=0.1)
        made.register_step_post_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return made

    monkeypatch.setitem(NETWORKS, "paper-cnn", Network(lambda *_: Recorder(batches), optimiser, batch=8))
    return batches, rates


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("augment", [False, True])
def test_a_classifier_learns_what_is_easy(name, augment):
    predicted = trained(name, replace(DATA, augment=augment)).predict(IMAGES)
    assert predicted.shape == (40, 2)
    assert predicted.sum(1) == pytest.approx(1, abs=1e-3)
    assert (predicted.argmax(1) == LABELS).mean() > 0.9


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_gives_the_same_predictions_in_every_kind_of_arm(name):
    for change in ({}, {"mixup": True}, {"pretrain": True, "n_real": 20}):
        data = replace(DATA, **change)
        first, second = (trained(name, data, steps=4).predict(IMAGES) for _ in range(2))
        assert (first == second).all(), change


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_gives_other_predictions(name):
    assert (trained(name, DATA, steps=4).predict(IMAGES) != trained(name, DATA, steps=4, seed=1).predict(IMAGES)).any()


@pytest.mark.parametrize("name", NAMES)
def test_any_channel_and_class_count_goes(name):
    images = RNG.normal(0, 0.3, (12, 3, 16, 16)).clip(-1, 1).astype(np.float32)
    data = TrainingSet(images, np.arange(12) % 4, 12, 12)
    assert trained(name, data, steps=1, classes=4).predict(images).shape == (12, 4)


@pytest.mark.parametrize("name", [*FEATURE_NAMES, "cnn"])
def test_an_arm_without_real_lesions_is_learnt_from(name):
    predicted = trained(name, replace(DATA, n_real=0)).predict(IMAGES)
    assert (predicted.argmax(1) == LABELS).mean() > 0.9


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_a_class_without_training_lesions_gets_no_chance(name):
    labels = np.where(LABELS == 1, 2, 0)
    predicted = trained(name, replace(DATA, labels=labels), classes=3).predict(IMAGES)
    assert (predicted[:, 1] == 0).all()
    assert (predicted.argmax(1) == labels).mean() > 0.9


@pytest.mark.parametrize("change", [{}, {"augment": False}, {"mixup": True}, {"n_real": 10}, {"pretrain": True}])
def test_every_arm_takes_the_same_steps_batches_and_rates(recorded, change):
    batches, rates = recorded
    trained("paper-cnn", replace(DATA, n_real=20) if "pretrain" in change else DATA, steps=6)
    expected = [len(b) for b in batches], list(rates)
    batches.clear()
    rates.clear()
    trained("paper-cnn", replace(DATA, **({"n_real": 20} | change)), steps=6)
    assert ([len(b) for b in batches], rates) == expected


def test_pretraining_shows_synthetic_lesions_first_and_real_ones_then(recorded):
    batches, _ = recorded
    flat = np.linspace(-1, 1, 40, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 16, 16), np.float32)
    model = trained("paper-cnn", TrainingSet(flat, LABELS, 20, 20, augment=False, pretrain=True), steps=7)
    shown = [batch[:, 0, 0, 0] * model.deviation_ + model.mean_ for batch in batches]
    assert [bool((b > 0).all()) for b in shown] == [True] * 3 + [False] * 4
    assert all((b < 0).all() for b in shown[3:])


def test_the_scale_of_intensities_comes_from_real_lesions_where_there_are_any():
    images = np.concatenate([IMAGES[:20] * 0.1, IMAGES[20:]])
    mixed = trained("cnn", replace(DATA, images=images, n_real=20), steps=1)
    assert mixed.deviation_ == pytest.approx(images[:20].std(), rel=0.05)
    only = trained("cnn", replace(DATA, images=images, n_real=0), steps=1)
    assert only.deviation_ == pytest.approx(images.std(), rel=0.05)


def test_mixup_blends_each_image_with_another_and_keeps_the_larger_share():
    images = torch.arange(2000.0)[:, None, None, None].expand(-1, 1, 2, 2)
    blended, share, partner = classifiers._mix(images, torch.Generator().manual_seed(0))
    expected = share * images[:, 0, 0, 0] + (1 - share) * partner
    torch.testing.assert_close(blended[:, 0, 0, 0], expected, rtol=1e-4, atol=1e-2)
    assert share.min() >= 0.5
    assert share.max() <= 1
    assert sorted(partner.tolist()) == list(range(2000))
    # Beta(a, a) folded: the mean of x (1 - x) stays a / (2 (2a + 1)).
    assert (share * (1 - share)).mean().item() == pytest.approx(0.4 / 3.6, abs=0.01)


@pytest.mark.parametrize("name", ["logistic", "cnn"])
def test_mixup_changes_what_is_learnt(name):
    plain, mixed = (trained(name, replace(DATA, mixup=m), steps=4).predict(IMAGES) for m in (False, True))
    assert (plain != mixed).any()


def views(data):
    return [np.concatenate(part) for part in zip(*classifiers._views(data, 0), strict=True)]


@pytest.mark.parametrize("change", [{}, {"augment": False}, {"mixup": True}, {"n_real": 0}])
def test_feature_classifiers_see_views_in_proportion_to_draws_whatever_the_rows(change):
    few, many = replace(DATA, **change), replace(DATA, **change)
    many = replace(many, images=np.repeat(IMAGES, 3, 0), labels=np.repeat(LABELS, 3))
    for data in (few, many):
        images, labels = views(data)
        assert len(images) == len(labels) == classifiers._VIEWS * 12


def test_views_are_balanced_over_classes():
    labels = np.array([0] * 36 + [1] * 4)
    _, drawn = views(replace(DATA, labels=labels))
    assert 0.4 < drawn.mean() < 0.6


def test_views_without_augmentation_are_the_lesions_themselves():
    images, labels = views(replace(DATA, augment=False))
    known = {(image.tobytes(), int(label)) for image, label in zip(IMAGES, LABELS, strict=True)}
    assert {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)} <= known


def test_views_are_held_some_at_a_time(monkeypatch):
    monkeypatch.setattr(classifiers, "_CHUNK", 50)
    assert {len(images) for images, _ in classifiers._views(DATA, 0)} <= {50, classifiers._VIEWS * 12 % 50}


def test_the_most_likely_class_is_the_support_vector_machines_decision():
    labels = np.arange(40) % 3
    model = trained("svm", replace(DATA, labels=labels), classes=3)
    decided = model.estimator_.predict(features.texture_features(IMAGES))
    assert (model.predict(IMAGES).argmax(1) == decided).all()


def test_images_that_repeat_are_embedded_once(monkeypatch):
    calls = []

    def counted(images):
        calls.append(len(images))
        return images.mean((1, 2, 3))[:, None]

    for name in ("logistic", "svm"):
        monkeypatch.setitem(classifiers._ESTIMATORS, name, (counted, classifiers._ESTIMATORS[name][1]))
        trained(name, DATA).predict(IMAGES)
    assert sum(calls) == classifiers._VIEWS * 12 + 40


@pytest.mark.parametrize("name", NAMES)
def test_networks_can_be_pretrained_and_feature_classifiers_can_not(name):
    assert can_pretrain(name) == (name in NETWORKS)


def test_a_classifier_whose_extra_is_missing_is_refused_with_the_command_that_adds_it(monkeypatch):
    monkeypatch.setattr(features, "_WEIGHTS", "no_such_package")
    for name in set(NAMES) - {"pretrained"}:
        require_classifier(name)
    with pytest.raises(UsageError, match=r'pip install -c constraints.txt "\.\[pretrained\]"'):
        require_classifier("pretrained")
    with pytest.raises(UsageError, match="no_such_package"):
        make_classifier("pretrained", (1, 16, 16), 2, 1)


def test_a_device_that_is_not_here_is_refused_and_auto_finds_one():
    absent = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(UsageError, match=absent):
        make_classifier("cnn", (1, 16, 16), 2, 1, device=absent)
    model = make_classifier("cnn", (1, 16, 16), 2, 1, device="auto")
    model.fit(DATA, 0, silent)
    assert model.predict(IMAGES).shape == (40, 2)


def test_the_paper_cnn_pools_before_it_rectifies_without_a_difference():
    torch.manual_seed(0)
    network = NETWORKS["paper-cnn"].build(1, 16, 2).eval()
    layers = list(network)
    images = torch.from_numpy(IMAGES)
    as_published = images
    for i in (0, 3, 6):
        as_published = layers[i + 1](layers[i](as_published).relu())
    assert torch.equal(torch.nn.Sequential(*layers[9:])(as_published), network(images))


def test_a_training_leaves_the_callers_random_state_and_does_not_depend_on_it():
    said = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        said.append(trained("paper-cnn", DATA, steps=3).predict(IMAGES))  # it has dropout
        assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(*said)
