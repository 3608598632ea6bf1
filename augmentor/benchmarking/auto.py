"""`auto`: how many synthetic lesions, used how, from which screen; chosen on held-out training patients, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from augmentor.benchmarking.arms import ARMS, BASELINE, GAN_ARM, Arm, Labelled, Use, build_training_set
from augmentor.benchmarking.classifiers import can_pretrain, diverged, train_classifier
from augmentor.benchmarking.limits import ALPHA
from augmentor.benchmarking.pool import pool
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.splits import independent_patients
from augmentor.data.squares import load_images
from augmentor.errors import AugmentorError, UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.model.checkpoint import Card, load_card
from augmentor.model.devices import device_here
from augmentor.progress import Update
from augmentor.recipe import ArmName, ClassifierName, ScreenLevel
from augmentor.training.run import Run

FACTORS = (2.0, 3.0, 5.0, 10.0)
SCREENS: tuple[ScreenLevel, ...] = ("light", "off", "strict")
_ARM_OF: dict[Use, ArmName] = {"mix": GAN_ARM, "only": "gan-only", "pretrain": "pretrain-gan"}


@dataclass(frozen=True)
class Plan:
    """factor 1 is no synthetic lesions at all."""

    factor: float = 1.0
    use: Use = "mix"
    screen: ScreenLevel = "light"

    @property
    def arm(self) -> Arm:
        """The arm whose training set it is, where it is tried and where it is chosen."""
        return ARMS[_ARM_OF[self.use] if self.factor > 1 else BASELINE]


@dataclass(frozen=True)
class Trial:
    """A plan on the held-out patients. gain: the mean over patients by which its Brier score is below that of no
    synthetic lesions; error: the standard error of that mean; p: of a one-sided t-test of these gains and of
    `_unseen_gain`, not corrected. All but p are NaN where the classifier diverged, which is no reason for
    the plan nor against another."""

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

    @property
    def best(self) -> Trial:
        """The one that was put to the test."""
        return _best(self.trials)

    @property
    def plans(self) -> int:
        """How many were tried beside none."""
        return len(self.trials) - 1

    def corrected(self, trial: Trial) -> float:
        """Its p after Bonferroni's correction for the plans that were tried."""
        return min(1.0, trial.p * self.plans)

    def as_dict(self) -> dict[str, Any]:
        told = [asdict(t.plan) | {"brier": t.brier, "gain": t.gain, "error": t.error, "p": t.p} for t in self.trials]
        return asdict(self.plan) | {"tried": told}


def choose(run: Run, classifier: ClassifierName, steps: int, seed: int, update: Update) -> Choice:
    """Try plans on the run's own inner split: trained on its training patients, judged on its held-out ones, which
    its GAN has not seen either. First the factors, mixed; then pretraining at the best factor; then, if that is any
    better than none, the other screens.

    The best plan is taken if it is better than none beyond chance: a one-sided paired t-test over the patients and one
    more, on whom it loses (`_unseen_gain`), p < 0.05 after Bonferroni's correction for the plans tried. Without that
    one, a plan that only makes the classifier surer would win wherever no held-out patient happens to be misclassified.
    The 5 % hold about, for such losses are rare and large; docs/benchmark.md has simulated rates. Raises UsageError
    where nothing is held out, and AugmentorError where the classifier diverges without synthetic lesions.
    """
    inner = _Inner(run, classifier, steps, seed)
    trials = [inner.baseline()]

    def judge(*plans: Plan) -> Trial:
        for plan in plans:
            trials.append(inner.judge(plan))
            update(len(trials) / (count_trials(classifier) + 1), f"{len(trials)} plans tried")
        return _best(trials)

    best = judge(*(Plan(factor) for factor in FACTORS))
    if can_pretrain(classifier) and best.plan.factor > 1:
        best = judge(replace(best.plan, use="pretrain"))
    if best.gain > 0:
        best = judge(*(replace(best.plan, screen=screen) for screen in SCREENS if screen != best.plan.screen))
    choice = Choice(best.plan, tuple(trials))
    return choice if choice.corrected(best) < ALPHA else replace(choice, plan=Plan())


def _best(trials: Sequence[Trial]) -> Trial:
    """That of the largest gain; the first, none at all, where the classifier diverged under every plan."""
    return max((t for t in trials[1:] if not t.diverged), key=lambda t: t.gain, default=trials[0])


def count_witnesses(held_out: Lesions) -> int:
    """How many independent patients a choice is judged on."""
    return len(set(independent_patients(held_out)))


def least_p(patients: int, classifier: ClassifierName) -> float:
    """The least p that a plan can have on so many patients, after Bonferroni's correction: where it gains the same on
    each of them and loses nothing on the one more.

    Of n gains and a number that is not above 0 the t is n at most, with n degrees of freedom: by Cauchy and Schwarz the
    n gains vary least, for their sum, where they are equal.
    """
    return min(1.0, float(stats.t.sf(patients, patients)) * (count_trials(classifier) - 1))


def can_choose(patients: int, classifier: ClassifierName) -> bool:
    """Whether any gain on so many patients would be beyond chance."""
    return least_p(patients, classifier) < ALPHA


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
        run.require_unchanged()
        self.run, self.classifier, self.steps, self.seed = run, classifier, steps, seed
        card = load_card(run.chosen_checkpoint)
        self.classes = card.classes
        self.real, self.held_out = (self._load(side, card) for side in (run.training, run.held_out))

    def _load(self, side: Lesions, card: Card) -> Labelled:
        images, _ = load_images(side.paths, card.model.size, card.intensity)
        return images, class_numbers(side.table["label"], self.classes)

    def baseline(self) -> Trial:
        self.without = self._probabilities(Plan())
        if diverged(self.without):
            raise AugmentorError(
                f"{self.classifier} diverged without synthetic lesions: its probabilities are not finite. Take another "
                "classifier."
            )
        return Trial(Plan(), float(self._scores(self.without).mean()))

    def judge(self, plan: Plan) -> Trial:
        probabilities = self._probabilities(plan)
        if diverged(probabilities):
            return Trial(plan, *[float("nan")] * 3)
        scores = self._scores(probabilities)
        gains = (self._scores(self.without) - scores).to_numpy()
        error = _standard_error(gains) if len(gains) > 1 else 0.0
        p = _p_above_zero(np.append(gains, _unseen_gain(self.without, probabilities)))
        return Trial(plan, float(scores.mean()), float(gains.mean()), error, p)

    def _probabilities(self, plan: Plan) -> np.ndarray:
        """(N, C) of the held-out lesions, from the classifier trained under this plan."""
        synthetic = None
        if plan.arm.gan:
            wanted = wanted_counts(self.run.training.counts(), plan.factor)
            images, labels = pool(self.run, wanted, self.seed, plan.screen)
            synthetic = images, class_numbers(labels, self.classes)
        data = build_training_set(plan.arm, self.real, synthetic, plan.factor, self.seed)
        device = device_here(self.run.recipe.training.device)
        model = train_classifier(self.classifier, data, len(self.classes), self.steps, self.seed, device)
        return model.predict(self.held_out[0])

    def _scores(self, probabilities: np.ndarray) -> pd.Series:
        """The Brier score of each held-out patient: the mean over the patient's lesions."""
        scores = _brier(probabilities, np.eye(len(self.classes))[self.held_out[1]])
        return pd.Series(scores).groupby(independent_patients(self.run.held_out)).mean()


def _brier(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,) scores, 0 to 2, of (N, C) probabilities, or of one (C,) row, against (N, C) truth of ones and zeros."""
    return ((probabilities - truth) ** 2).sum(1)


def _unseen_gain(without: np.ndarray, given: np.ndarray) -> float:
    """The gain on a patient like whom none may have been held out: misclassified, where the plan makes the classifier
    surer.

    without, given: (N, C) probabilities of the held-out lesions without synthetic lesions and under a plan. The patient
    has one lesion, that of which the plan is surest among those that both call alike, and of the class with which the
    plan does worst. It is 0 or less: if classes are as likely as `without` says, no other probabilities have a lower
    mean Brier score.
    """
    alike = without.argmax(1) == given.argmax(1)
    surest = (given.max(1) + alike).argmax()
    classes = np.eye(given.shape[1])
    return float((_brier(without[surest], classes) - _brier(given[surest], classes)).min())


def _p_above_zero(gains: np.ndarray) -> float:
    """Of a one-sided t-test that the mean gain is above 0; 1 where all are equal."""
    error = _standard_error(gains)
    return float(stats.t.sf(gains.mean() / error, len(gains) - 1)) if error else 1.0


def _standard_error(gains: np.ndarray) -> float:
    return float(gains.std(ddof=1) / np.sqrt(len(gains)))
