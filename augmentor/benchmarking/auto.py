"""`auto`: how many synthetic lesions, used how, from which screen; chosen on held-out training patients, or none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from augmentor.benchmarking.arms import ARMS, BASELINE, GAN_ARM, Labelled, Use, build_training_set
from augmentor.benchmarking.classifiers import can_pretrain, diverged, train_classifier
from augmentor.benchmarking.pool import pool
from augmentor.benchmarking.statistics import ALPHA, independent_patients
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.squares import load_images
from augmentor.errors import AugmentorError, UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.model.checkpoint import Card, load_card
from augmentor.model.devices import device_here
from augmentor.progress import Update
from augmentor.recipe import ClassifierName, ScreenLevel
from augmentor.training.run import Run

FACTORS = (2.0, 3.0, 5.0, 10.0)
SCREENS: tuple[ScreenLevel, ...] = ("light", "off", "strict")


@dataclass(frozen=True)
class Plan:
    """factor 1 is no synthetic lesions at all."""

    factor: float = 1.0
    use: Use = "mix"
    screen: ScreenLevel = "light"


@dataclass(frozen=True)
class Trial:
    """A plan on the held-out patients. gain: the mean over patients by which its Brier score is below that of no
    synthetic lesions; error: the standard error of that mean; p: of a one-sided paired t-test, not corrected. All but p
    are NaN where the classifier diverged, which is no reason for the plan nor against another."""

    plan: Plan
    brier: float
    gain: float = 0.0
    error: float = 0.0
    p: float = 1.0

    @property
    def diverged(self) -> bool:
        return bool(np.isnan(self.brier))


@dataclass(frozen=True)
class Choice:
    """The plan that is best by more than chance, else none; and all that was tried, the first being none."""

    plan: Plan
    trials: tuple[Trial, ...]

    def as_dict(self) -> dict[str, Any]:
        told = [asdict(t.plan) | {"brier": t.brier, "gain": t.gain, "error": t.error, "p": t.p} for t in self.trials]
        return asdict(self.plan) | {"tried": told}


def choose(run: Run, classifier: ClassifierName, steps: int, seed: int, update: Update) -> Choice:
    """Try plans on the run's own inner split: trained on its training patients, judged on its held-out ones, which
    its GAN has not seen either. First the factors, mixed; then pretraining at the best factor; then, if that is any
    better than none, the other screens.

    The best plan is taken if it is better than none beyond chance: a one-sided paired t-test over patients, p < 0.05
    after Bonferroni's correction for the plans tried (which holds about, for the last ones are picked on the way).
    Where nothing helps for sure, none is taken, so that `auto` can do little harm. Raises UsageError where nothing is
    held out, and AugmentorError where the classifier diverges without synthetic lesions.
    """
    inner = _Inner(run, classifier, steps, seed)
    trials = [inner.baseline()]

    def judge(*plans: Plan) -> Trial:
        for plan in plans:
            trials.append(inner.judge(plan))
            update(len(trials) / (count_trials(classifier) + 1), f"{len(trials)} plans tried")
        measured = [t for t in trials[1:] if not t.diverged]
        return max(measured, key=lambda t: t.gain, default=trials[0])

    best = judge(*(Plan(factor) for factor in FACTORS))
    if can_pretrain(classifier) and best.plan.factor > 1:
        best = judge(replace(best.plan, use="pretrain"))
    if best.gain > 0:
        best = judge(*(replace(best.plan, screen=screen) for screen in SCREENS if screen != best.plan.screen))
    sure = best.p * (len(trials) - 1) < ALPHA
    return Choice(best.plan if sure else Plan(), tuple(trials))


def count_trials(classifier: ClassifierName) -> int:
    """Trainings that a choice takes at most, without the last one that it is made for."""
    return 1 + len(FACTORS) + can_pretrain(classifier) + len(SCREENS) - 1


class _Inner:
    """The inner split of a run, and a classifier that is trained on one side and judged on the other."""

    def __init__(self, run: Run, classifier: ClassifierName, steps: int, seed: int):
        if not len(run.held_out):
            raise UsageError(
                f"{run.folder}: holds no patients out, so nothing can say how many synthetic lesions help. "
                "Fit with --holdout 0.2, or give --factor a number."
            )
        self.run, self.classifier, self.steps, self.seed = run, classifier, steps, seed
        card = load_card(run.chosen_checkpoint)
        self.classes = card.classes
        self.real, self.held_out = (self._load(side, card) for side in (run.training, run.held_out))

    def _load(self, side: Lesions, card: Card) -> Labelled:
        images, _ = load_images(side.paths, card.model.size, card.intensity)
        return images, class_numbers(side.table["label"], self.classes)

    def baseline(self) -> Trial:
        self.without = self._scores(Plan())
        if self.without.isna().any():
            raise AugmentorError(
                f"{self.classifier} diverged without synthetic lesions: its probabilities are not finite. Take another "
                "classifier."
            )
        return Trial(Plan(), float(self.without.mean()))

    def judge(self, plan: Plan) -> Trial:
        scores = self._scores(plan)
        if scores.isna().any():
            return Trial(plan, *[float("nan")] * 3)
        gains = (self.without - scores).to_numpy()
        error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0
        p = float(stats.t.sf(gains.mean() / error, len(gains) - 1)) if error else 1.0
        return Trial(plan, float(scores.mean()), float(gains.mean()), error, p)

    def _scores(self, plan: Plan) -> pd.Series:
        """The Brier score of each held-out patient (mean over the patient's lesions); NaN where the classifier
        diverged."""
        arm, synthetic = ARMS[BASELINE], None
        if plan.factor > 1:
            arm = ARMS["pretrain-gan" if plan.use == "pretrain" else GAN_ARM]
            wanted = wanted_counts(self.run.training.counts(), plan.factor)
            images, labels = pool(self.run, wanted, self.seed, plan.screen)
            synthetic = images, class_numbers(labels, self.classes)
        data = build_training_set(arm, self.real, synthetic, plan.factor, self.seed)
        device = device_here(self.run.recipe.training.device)
        model = train_classifier(self.classifier, data, len(self.classes), self.steps, self.seed, device)
        images, truth = self.held_out
        probabilities = model.predict(images)
        scores = ((probabilities - np.eye(len(self.classes))[truth]) ** 2).sum(1)
        by_patient = pd.Series(scores).groupby(independent_patients(self.run.held_out)).mean()
        return by_patient * (np.nan if diverged(probabilities) else 1.0)
