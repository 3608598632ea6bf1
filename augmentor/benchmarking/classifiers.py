"""The classifiers. To add one: a function (channels, size, classes) -> network, or any scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from monai.networks.nets import DenseNet
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn

from augmentor.benchmarking.arms import TrainingSet
from augmentor.model.blocks import fast_layout
from augmentor.model.features import texture_features
from augmentor.progress import Update
from augmentor.recipe import ClassifierName
from augmentor.training.classic import classic

_BATCH = 64
_VIEWS = 5  # draws a real lesion that the feature classifiers see, in every arm


class Classifier(Protocol):
    """`fit`, then `predict`: (N, C, S, S) in [-1, 1] -> (N, classes) probabilities."""

    def fit(self, data: TrainingSet, seed: int, update: Update) -> None: ...

    def predict(self, images: np.ndarray) -> np.ndarray: ...


def make_classifier(name: ClassifierName, channels: int, size: int, classes: int, steps: int) -> Classifier:
    if name in _NETWORKS:
        build, optimiser = _NETWORKS[name]
        return _NetworkClassifier(lambda: build(channels, size, classes), optimiser, classes, steps)
    return _FeatureClassifier(_ESTIMATORS[name], classes)


def paper_cnn(channels: int, size: int, classes: int) -> nn.Module:
    """The CNN of Frid-Adar et al. 2018: three pairs of convolution and max-pooling, two dense layers, dropout 0.5."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    flat = 128 * (size // 8) ** 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(flat, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes)
    )


def densenet(channels: int, size: int, classes: int) -> nn.Module:
    """MONAI's DenseNet in a size that 64x64 lesions and two cores bear: 0.3 million weights, DenseNet121 has 7."""
    del size
    return DenseNet(2, channels, classes, init_features=24, growth_rate=12, block_config=(3, 6, 12), dropout_prob=0.1)


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    """The paper's optimiser; ten times its rate, for a few hundred steps instead of its many thousand."""
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)


def _adamw(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)


_NETWORKS: dict[str, tuple[Callable[[int, int, int], nn.Module], Callable[[nn.Module], torch.optim.Optimizer]]] = {
    "paper-cnn": (paper_cnn, _sgd),
    "densenet": (densenet, _adamw),
}
_ESTIMATORS: dict[str, Callable[[int], Any]] = {
    "logistic": lambda seed: LogisticRegression(C=0.1, max_iter=2000, random_state=seed),
    "svm": lambda seed: SVC(C=3.0, random_state=seed),
}


class _NetworkClassifier:
    """A network trained for a fixed number of steps on class-balanced batches: the same schedule in every arm."""

    def __init__(
        self,
        build: Callable[[], nn.Module],
        optimiser: Callable[[nn.Module], torch.optim.Optimizer],
        classes: int,
        steps: int,
    ):
        self._build, self._optimiser, self._classes, self._steps = build, optimiser, classes, steps

    def fit(self, data: TrainingSet, seed: int, update: Update) -> None:
        torch.manual_seed(seed)
        randomness = torch.Generator().manual_seed(seed)
        images, labels = torch.from_numpy(data.images), torch.tensor(data.labels)
        weights = (1.0 / torch.bincount(labels, minlength=self._classes))[labels]
        real = images[: data.n_real]  # the same scale in every arm
        self.mean_, self.deviation_ = real.mean(), real.std().clamp(min=1e-6)
        self.network_ = fast_layout(self._build()).train()
        optimiser = self._optimiser(self.network_)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self._steps)
        for step in range(1, self._steps + 1):
            rows = torch.multinomial(weights, _BATCH, replacement=True, generator=randomness)
            batch = classic(images[rows], randomness) if data.augment else images[rows]
            loss = F.cross_entropy(self._logits(batch), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            update(step / self._steps, "")
        self.network_.eval()

    def _logits(self, images: Tensor) -> Tensor:
        images = ((images - self.mean_) / self.deviation_).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            return self.network_(images).float()

    @torch.no_grad()
    def predict(self, images: np.ndarray) -> np.ndarray:
        return torch.cat([self._logits(part).softmax(1) for part in torch.tensor(images).split(256)]).numpy()


class _FeatureClassifier:
    """A scikit-learn estimator on texture features; it sees five class-balanced draws a real lesion in every arm."""

    def __init__(self, estimator: Callable[[int], Any], classes: int):
        self._estimator, self._classes = estimator, classes

    def fit(self, data: TrainingSet, seed: int, update: Update) -> None:
        images, labels = _views(data, seed)
        self.estimator_ = make_pipeline(StandardScaler(), self._estimator(seed))
        self.estimator_.fit(texture_features(images), labels)
        update(1.0, "")

    def predict(self, images: np.ndarray) -> np.ndarray:
        features = texture_features(images)
        if hasattr(self.estimator_, "predict_proba"):
            return self.estimator_.predict_proba(features)
        scores = self.estimator_.decision_function(features)
        scores = np.stack([-scores, scores], 1) if scores.ndim == 1 else scores
        return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


def _views(data: TrainingSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Class-balanced draws, augmented where the arm says so: as many in every arm, whatever its synthetic lesions."""
    randomness = torch.Generator().manual_seed(seed)
    labels = torch.tensor(data.labels)
    weights = (1.0 / torch.bincount(labels))[labels]
    rows = torch.multinomial(weights, _VIEWS * data.n_real, replacement=True, generator=randomness)
    images = torch.from_numpy(data.images)[rows]
    if data.augment:
        images = torch.cat([classic(part, randomness) for part in images.split(256)])
    return images.numpy(), data.labels[rows.numpy()]
