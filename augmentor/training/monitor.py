"""What a snapshot is worth, seen from held-out patients: equilibrium, likeness, variety."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from augmentor.measures import LEAST_DEVIATION, coverage, drawn_rows, mmd, spread_rows, standardise
from augmentor.model.blocks import Generator
from augmentor.model.features import texture_features
from augmentor.model.lesions import LoadedLesions
from augmentor.model.memorisation import make_copy_check
from augmentor.sampling import sample, seed_of

_A_CLASS = 64
_LEARNED = 0.2  # of AUC
_MOST_COMPARED = 1000  # training lesions in which near-copies are looked for
_SEED = 1_000  # of the lesions that are looked at: `expand` writes others, unless it is asked for this seed


@dataclass(frozen=True)
class Snapshot:
    """Measures of one snapshot; None where nothing is held out.

    discrimination_train, discrimination_held_out: AUC with which the discriminator tells training (held-out) lesions
    from synthetic ones of their class, mean over the classes of both: 0.5 is the equilibrium. mmd, coverage: of
    held-out lesions, mean over classes, in texture features; mmd is None where no class has lesions of two held-out
    patients. near_copies: the share of lesions that the screen would refuse, being nearer to a training lesion than
    other patients' lesions come. by_heart: whether the discriminator has learned the training lesions by heart, for the
    train value is far above the held-out one (where nothing is held out: above 0.5), or there are more near-copies than
    before training. From then on it pulls the generator towards these lesions and away from others like them.
    """

    discrimination_train: float
    discrimination_held_out: float | None
    mmd: float | None
    coverage: float | None
    near_copies: float
    by_heart: bool


class Monitor:
    """Holds the reference lesions and their features, measured once."""

    def __init__(
        self,
        train: LoadedLesions,
        held_out: LoadedLesions | None,
        seed: int,
        masks: int = 0,
        patients: np.ndarray | None = None,
        held_out_patients: np.ndarray | None = None,
    ):
        """masks: how many of the last channels are masks, which are no part of the pictures. patients: (N,) of the
        training lesions, held_out_patients: (M,) of the held-out ones, one each by default."""
        self.train, self.held_out, self.seed, self.masks = train, held_out, seed, masks
        self._theirs = self._features(held_out.images) if held_out else np.empty((0, 0))
        self._ours = self._features(train.images) if held_out else self._theirs
        rows = spread_rows(len(train.labels), _MOST_COMPARED)
        self._patients = patients = np.arange(len(train.labels)) if patients is None else patients
        alone = np.arange(len(held_out.labels)) if held_out else np.empty(0, np.int64)
        self._held_out_patients = alone if held_out_patients is None else held_out_patients
        self._classes = np.unique(train.labels)  # which the discriminator is judged by
        if held_out:
            self._classes = np.intersect1d(self._classes, held_out.labels)
        others = self._pictures(held_out.images) if held_out else None
        self._rows = rows
        self._copies = make_copy_check(self._pictures(train.images[rows]), patients[rows].tolist(), others)
        self._at_start: np.ndarray | None = None  # which lesions were near-copies before training

    def _pictures(self, images: Tensor) -> np.ndarray:
        return images[:, : images.shape[1] - self.masks].numpy()

    def _features(self, images: Tensor) -> np.ndarray:
        return texture_features(self._pictures(images))

    def warning(self, training: Sequence[str], held_out: Sequence[str]) -> str | None:
        """What is wrong with the real lesions that tell what a near-copy is (see `CopyCheck`), by their files."""
        return self._copies.warning_with([*(training[row] for row in self._rows), *held_out])

    def floor(self) -> dict[str, float | None]:
        """mmd and coverage that the real training lesions themselves reach against the held-out ones."""
        if self.held_out is None:
            return {}
        score = self._compare(self._ours, self.train.labels.numpy(), self._patients)
        return {"mmd": score[0], "coverage": score[1]}

    def begin_at(self, generator: Generator) -> None:
        """Remember `generator` as the one before training; without it the first that is measured is."""
        self._at_start = self._near_copies(self._draw(generator))

    def measure(self, generator: Generator, discriminator: nn.Module) -> Snapshot:
        """Judge fresh lesions of `generator`; leaves both networks in the mode they were in."""
        made = self._draw(generator)
        near = self._near_copies(made)
        if self._at_start is None:
            self._at_start = near
        synthetic = _logits(discriminator, made)
        score: tuple[float | None, float | None] = (None, None)
        if self.held_out is not None:
            score = self._compare(self._features(made.images), made.labels.numpy())
        told = self._told(self.train, made, discriminator, synthetic)
        told_held_out = self._told(self.held_out, made, discriminator, synthetic) if self.held_out else None
        by_heart = self._by_heart(told, told_held_out) or _more(near, self._at_start)
        return Snapshot(told, told_held_out, *score, float(near.mean()), by_heart)

    def _near_copies(self, made: LoadedLesions) -> np.ndarray:
        return self._copies.originals.distances(self._pictures(made.images))[0] < self._copies.threshold

    def _told(self, real: LoadedLesions, made: LoadedLesions, discriminator: nn.Module, synthetic: np.ndarray) -> float:
        """AUC with which real lesions are told from those made of their class, mean over classes: a discriminator that
        is told the class has a level for each, and both sides have their own shares of them. synthetic: the logits of
        `made`."""
        logits, ours, theirs = _logits(discriminator, real), real.labels.numpy(), made.labels.numpy()
        return float(np.mean([_auc(logits[ours == c], synthetic[theirs == c]) for c in self._classes]))

    def _by_heart(self, told: float, told_held_out: float | None) -> bool:
        """An AUC of n lesions by chance has a deviation of 1 / sqrt(12 n) (Mann and Whitney 1947): two of them, of the
        side that is worth fewer lesions, are allowed for."""
        sides = ((self.train, self._patients), (self.held_out, self._held_out_patients))
        worth = [_worth(side.labels.numpy(), patients, self._classes) for side, patients in sides if side]
        learned = told - (0.5 if told_held_out is None else told_held_out)
        return learned > _LEARNED + 2 / (12 * min(worth)) ** 0.5

    def _draw(self, generator: Generator) -> LoadedLesions:
        classes = int(self.train.labels.max()) + 1
        labels = [c for c in range(classes) for _ in range(_A_CLASS)]
        seeds = [seed_of(_SEED + self.seed, c, i) for c in range(classes) for i in range(_A_CLASS)]
        images, sides = zip(*sample(generator, labels, seeds), strict=True)
        sides_mm = None if None in sides else torch.tensor(sides)
        return LoadedLesions(torch.stack(images), torch.tensor(labels), sides_mm)

    def _compare(
        self, features: np.ndarray, labels: np.ndarray, patients: np.ndarray | None = None
    ) -> tuple[float | None, float | None]:
        """(mmd, coverage), mean over the classes with two or more lesions on both sides; None where there are none.

        patients: (N,) of the lesions, one each by default. mmd is of the classes with two patients or more on both
        sides; coverage, which rises with the number of lesions, of as many as there are training lesions at most."""
        assert self.held_out is not None
        both = np.concatenate([self._ours, self._theirs])  # a few held-out lesions alone would make one feature decide
        _, reference, features = standardise(both, self._theirs, features, least=LEAST_DEVIATION)
        patients = np.arange(len(labels)) if patients is None else patients
        theirs, distances, covered = self.held_out.labels.numpy(), [], []
        for c in np.unique(theirs):
            if min((theirs == c).sum(), (labels == c).sum()) > 1:
                real, other = reference[theirs == c], features[labels == c]
                distances.append(mmd(real, other, self._held_out_patients[theirs == c], patients[labels == c]))
                covered.append(coverage(real, other[drawn_rows(len(other), self._most(c))]))
        return _mean([d for d in distances if not np.isnan(d)]), _mean(covered)

    def _most(self, label: int) -> int:
        """How many lesions of a class coverage takes, of a snapshot and of the floor (two at least)."""
        count = int((self.train.labels == label).sum())
        return min(count, _A_CLASS) if count > 1 else _A_CLASS


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _worth(labels: np.ndarray, patients: np.ndarray, classes: np.ndarray) -> float:
    """How many lesions of different patients tell as much of a mean over classes as these do, if a patient's are all
    alike: one over the sum of the patients' squared weights (Kish 1965, section 11.7), where all classes weigh as much.
    """
    weights = np.zeros(len(labels))
    for c in classes:
        weights[labels == c] = 1 / (len(classes) * (labels == c).sum())
    whose = np.unique(patients, return_inverse=True)[1]
    return float(1 / (np.bincount(whose, weights) ** 2).sum())


def _more(now: np.ndarray, before: np.ndarray) -> bool:
    """Whether more of the same lesions are marked than before, by two deviations of chance (McNemar 1947)."""
    gone, come = (before & ~now).sum(), (now & ~before).sum()
    return bool(come - gone > 2 * (come + gone) ** 0.5)


@torch.no_grad()
def _logits(discriminator: nn.Module, lesions: LoadedLesions) -> np.ndarray:
    training = discriminator.training
    discriminator.eval()
    device = next(discriminator.parameters()).device
    parts = torch.arange(len(lesions.labels)).split(64)
    logits = torch.cat([discriminator(*lesions.rows(part, device)).cpu() for part in parts])
    discriminator.train(training)
    return logits.numpy()


def _auc(real: np.ndarray, synthetic: np.ndarray) -> float:
    truth = np.concatenate([np.ones(len(real)), np.zeros(len(synthetic))])
    return float(roc_auc_score(truth, np.concatenate([real, synthetic])))
