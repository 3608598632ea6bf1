"""The classifiers: networks of networks.py, and scikit-learn estimators on features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import betaincinv, softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Generator, Tensor

from augmentor.benchmarking.arms import TrainingSet
from augmentor.benchmarking.networks import NETWORKS, Network
from augmentor.model.blocks import fast_layout, in_fast_layout
from augmentor.model.devices import DeviceName, computes_in_bfloat16, find_device
from augmentor.model.features import FeatureSpace, pretrained_features, pretrained_weights, texture_features
from augmentor.progress import Update, silent
from augmentor.recipe import ClassifierName
from augmentor.training.classic import classic

Features = Callable[[np.ndarray], np.ndarray]
_VIEWS = 20  # draws a training lesion that the feature classifiers see, in every arm
_CHUNK = 256  # views held at a time
_ALPHA = 0.4  # of mixup


class Classifier(Protocol):
    """`fit`, then `predict`: (N, C, S, S) in [-1, 1] -> (N, classes) probabilities."""

    def fit(self, data: TrainingSet, seed: int, update: Update) -> None: ...

    def predict(self, images: np.ndarray) -> np.ndarray: ...


# Any scikit-learn estimator works: a line here (and its name in the recipe's ClassifierName) adds one.
_ESTIMATORS: dict[str, tuple[Features, Callable[[int], Any]]] = {
    "logistic": (texture_features, lambda seed: LogisticRegression(C=0.1, max_iter=2000, random_state=seed)),
    "svm": (texture_features, lambda seed: OneVsRestClassifier(SVC(C=3.0, random_state=seed))),
    "forest": (texture_features, lambda seed: RandomForestClassifier(200, min_samples_leaf=2, random_state=seed)),
    "pretrained": (pretrained_features, lambda seed: LogisticRegression(C=0.01, max_iter=2000, random_state=seed)),
}


def make_classifier(
    name: ClassifierName, shape: tuple[int, ...], classes: int, steps: int, device: DeviceName = "cpu"
) -> Classifier:
    """A classifier of images (C, S, S) or volumes (C, S, S, S); `steps` and `device` are for networks only.

    Raises UsageError where the extra or the device that it needs is missing.
    """
    require_classifier(name)
    if name in NETWORKS:
        known = shape[0], shape[1], classes, len(shape) - 1
        return _NetworkClassifier(NETWORKS[name], known, steps, find_device(device))
    return _FeatureClassifier(*_ESTIMATORS[name], classes)


def train_classifier(
    name: ClassifierName,
    data: TrainingSet,
    classes: int,
    steps: int,
    seed: int,
    device: DeviceName = "cpu",
    update: Update = silent,
) -> Classifier:
    """A classifier of such images as `data` has, trained on them. Raises what `make_classifier` raises."""
    model = make_classifier(name, data.images.shape[1:], classes, steps, device)
    model.fit(data, seed, update)
    return model


def require_classifier(name: ClassifierName) -> None:
    """Raise UsageError where what the classifier needs is not installed: now, not after the GANs have been fitted."""
    if name == "pretrained":
        pretrained_weights()


def diverged(probabilities: np.ndarray) -> bool:
    """Whether a classifier said anything that is no number, so that nothing can be measured on what it said."""
    return not np.isfinite(probabilities).all()


def can_pretrain(name: ClassifierName) -> bool:
    """Can it be trained on synthetic lesions first and on real ones then? Networks can, frozen features can't."""
    return name in NETWORKS


def _balanced(labels: Tensor, count: int, randomness: Generator) -> Tensor:
    """(N,) int64 -> (count,) rows, drawn with replacement so that each class that occurs is as likely."""
    weights = (1.0 / torch.bincount(labels))[labels]
    return torch.multinomial(weights, count, replacement=True, generator=randomness)


def _mix(images: Tensor, randomness: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """mixup (Zhang et al. 2018): (B, C, S, ...) -> the same, (B,) the first image's share, (B,) the row of the second.

    Shares come from Beta(0.4, 0.4) and are folded to 0.5 or more, so that the first image is always the larger part;
    as each image is once first and once second, that leaves the distribution of blends as it was.
    """
    shares = betaincinv(_ALPHA, _ALPHA, torch.rand(len(images), generator=randomness).numpy())
    share = torch.from_numpy(np.maximum(shares, 1 - shares)).to(images)
    partner = torch.randperm(len(images), generator=randomness).to(images.device)
    return torch.lerp(images[partner], images, share.view(-1, *[1] * (images.dim() - 1))), share, partner


class _NetworkClassifier:
    """A network trained for a fixed number of steps on class-balanced batches: the same schedule in every arm."""

    def __init__(self, network: Network, shape: tuple[int, int, int, int], steps: int, device: torch.device):
        self._how, self._shape, self._steps, self._device = network, shape, steps, device

    def fit(self, data: TrainingSet, seed: int, update: Update) -> None:
        # Dropout knows no generator of its own.
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._fit(data, seed, update)

    def _fit(self, data: TrainingSet, seed: int, update: Update) -> None:
        self._randomness = torch.Generator().manual_seed(seed)
        scale = torch.from_numpy(data.images[: data.n_real or None])  # not the synthetic ones', where there are real
        self.mean_, self.deviation_ = float(scale.mean()), max(float(scale.std()), 1e-6)
        self.network_ = fast_layout(self._how.build(*self._shape)).to(self._device).train()
        self._optimiser = self._how.optimiser(self.network_)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, self._steps)
        done = 0
        for stage, steps in self._stages(data):
            images, labels = torch.from_numpy(stage.images).to(self._device), torch.tensor(stage.labels)
            for _ in range(steps):
                self._step(images, labels, stage)
                done += 1
                update(done / self._steps, "")
        self.network_.eval()

    def _stages(self, data: TrainingSet) -> list[tuple[TrainingSet, int]]:
        """What is trained on for how many steps; all steps and one schedule together, whatever the arm."""
        if not data.pretrain:
            return [(data, self._steps)]
        first = self._steps // 2
        return [(data.rows(slice(data.n_real, None)), first), (data.rows(slice(data.n_real)), self._steps - first)]

    def _step(self, images: Tensor, labels: Tensor, data: TrainingSet) -> None:
        rows = _balanced(labels, self._how.batch, self._randomness)
        batch, targets = images[rows.to(self._device)], F.one_hot(labels[rows], self._shape[2]).float()
        targets = targets.to(self._device)
        if data.augment:
            batch = classic(batch, self._randomness)
        if data.mixup:
            batch, share, partner = _mix(batch, self._randomness)
            targets = torch.lerp(targets[partner], targets, share[:, None])
        loss = F.cross_entropy(self._logits(batch), targets, label_smoothing=self._how.smoothing)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._schedule.step()

    def _logits(self, images: Tensor) -> Tensor:
        images = in_fast_layout((images - self.mean_) / self.deviation_)
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=computes_in_bfloat16(self._device, self._shape[3])
        ):
            return self.network_(images).float()

    @torch.no_grad()
    def predict(self, images: np.ndarray) -> np.ndarray:
        parts = torch.tensor(images).split(256)
        return torch.cat([self._logits(part.to(self._device)).softmax(1).cpu() for part in parts]).numpy()


class _FeatureClassifier:
    """A scikit-learn estimator on features; it sees `_VIEWS` class-balanced draws a training lesion in every arm."""

    def __init__(self, features: Features, estimator: Callable[[int], Any], classes: int):
        self._features, self._estimator, self._classes = features, estimator, classes

    def fit(self, data: TrainingSet, seed: int, update: Update) -> None:
        parts = [(_space_of(self._features)(images), labels) for images, labels in _views(data, seed)]
        features, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        self.estimator_ = make_pipeline(StandardScaler(), self._estimator(seed)).fit(features, labels)
        update(1.0, "")

    def predict(self, images: np.ndarray) -> np.ndarray:
        features = _space_of(self._features)(images)
        made = np.zeros((len(images), self._classes))  # a class without training lesions stays at 0
        made[:, self.estimator_.classes_] = _probabilities(self.estimator_, features)
        return made


def _probabilities(estimator: Any, features: np.ndarray) -> np.ndarray:
    """The estimator's own, else softmax of its margins.

    Not calibrated (Platt 1999): inner folds over views would set views of one lesion against each other, and the
    calibrated class can differ from the estimator's. Softmax keeps the decision; with three or more classes it changes
    the order of lesions, and so the AUC, and what it gives are no calibrated probabilities.
    """
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(features)
    margins = estimator.decision_function(features)
    return softmax(np.stack([-margins, margins], 1) if margins.ndim == 1 else margins, axis=1)


def _views(data: TrainingSet, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Class-balanced draws of the lesions and their labels, some at a time: twenty of each would not fit in memory.

    There are as many draws in every arm, whatever its synthetic lesions; without augmentation they repeat.
    """
    randomness = torch.Generator().manual_seed(seed)
    images = torch.from_numpy(data.images)
    for rows in _balanced(torch.tensor(data.labels), _VIEWS * data.draws, randomness).split(_CHUNK):
        seen = images[rows]
        if data.augment:
            seen = classic(seen, randomness)
        if data.mixup:
            seen, _, _ = _mix(seen, randomness)  # the label stays that of the larger share
        yield seen.numpy(), data.labels[rows.numpy()]


@lru_cache
def _space_of(features: Features) -> FeatureSpace:
    """With one seed and arm, the estimators see the same views and the same test lesions: they are embedded once."""
    return FeatureSpace(getattr(features, "__name__", "features"), features)
