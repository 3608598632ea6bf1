from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from augmentor.benchmarking import auto
from augmentor.benchmarking.auto import FACTORS, SCREENS, Plan, choose, count_trials
from augmentor.errors import AugmentorError, UsageError
from augmentor.progress import silent
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    return fit(write_set(folder / "lesions", patients=10), tiny_recipe(), folder / "run", latest=False)


def decide(run, monkeypatch, score, classifier="paper-cnn"):
    """`score(plan)` gives the Brier score of every held-out patient under a plan."""

    def scores(self, plan):
        patients = sorted(set(self.run.held_out.table["patient"]))
        spread = 0.001 * np.arange(len(patients)) * plan.factor  # where nothing varies nothing can be told
        return pd.Series(score(plan) + spread, index=patients)

    monkeypatch.setattr(auto._Inner, "_scores", scores)
    return choose(run, classifier, 1, 0, silent)


def test_where_nothing_helps_none_is_chosen(run, monkeypatch):
    choice = decide(run, monkeypatch, lambda plan: 0.5 + 0.1 * (plan.factor > 1))
    assert choice.plan == Plan()
    assert choice.plan.factor == 1


def test_where_nothing_differs_none_is_chosen(run, monkeypatch):
    assert decide(run, monkeypatch, lambda _: 0.5).plan.factor == 1


def test_chance_alone_is_seldom_a_reason(run, monkeypatch):
    """With plans that are all the same, scores being noise, some plan is taken in 5 % of choices or less."""
    rng = np.random.default_rng(0)
    names = [f"patient {i}" for i in range(20)]
    monkeypatch.setattr(
        auto._Inner, "_scores", lambda _self, _plan: pd.Series(rng.normal(0.5, 0.3, len(names)), index=names)
    )
    inner = auto._Inner(run, "svm", 1, 0)
    monkeypatch.setattr(auto, "_Inner", lambda *_: inner)
    chosen = sum(choose(run, "svm", 1, 0, silent).plan.factor > 1 for _ in range(400))
    assert chosen <= 0.05 * 400 + 3 * (400 * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("factor", FACTORS)
def test_the_factor_that_is_surely_best_is_chosen(run, monkeypatch, factor):
    choice = decide(run, monkeypatch, lambda plan: 0.5 - 0.1 * (plan.factor == factor))
    assert choice.plan == Plan(factor)


def test_pretraining_and_another_screen_are_chosen_where_they_are_better(run, monkeypatch):
    best = Plan(5.0, "pretrain", "strict")

    def score(plan):
        parts = (plan.factor == best.factor, plan.use == best.use, plan.screen == best.screen)
        return 0.9 - 0.1 * sum(parts) * (plan.factor == best.factor)

    assert decide(run, monkeypatch, score).plan == best
    assert decide(run, monkeypatch, score, "svm").plan.use == "mix"  # no estimator is trained in two stages


def noisy(run, monkeypatch, spread, gain):
    """Scores of the held-out patients whose gain under a plan is `gain(plan)`, and varies by about `spread(plan)`."""
    patients = sorted(set(run.held_out.table["patient"]))
    noise = np.resize([0.8, -1.0, 1.3, -1.1, 0.2], len(patients))

    def scores(_self, plan):
        return pd.Series(0.5 - gain(plan) + spread(plan) * (noise - noise.mean()), index=patients)

    monkeypatch.setattr(auto._Inner, "_scores", scores)


def test_the_largest_of_the_sure_gains_is_chosen_and_not_the_surest(run, monkeypatch):
    gains, spreads = {2.0: 0.1, 5.0: 0.3}, {2.0: 0.0001, 5.0: 0.01}
    noisy(run, monkeypatch, lambda plan: spreads.get(plan.factor, 0.0), lambda plan: gains.get(plan.factor, 0.0))
    choice = choose(run, "svm", 1, 0, silent)
    by_factor = {trial.plan.factor: trial for trial in choice.trials[:4]}
    assert by_factor[2.0].p < by_factor[5.0].p
    assert choice.plan == Plan(5.0)


def test_a_plan_is_judged_by_the_one_sided_paired_test(run, monkeypatch):
    noisy(run, monkeypatch, lambda plan: 0.05 * plan.factor, lambda plan: 0.1 * (plan.factor > 1))
    inner = auto._Inner(run, "svm", 1, 0)
    inner.baseline()
    scores = [inner._scores(plan) for plan in (Plan(2.0), Plan())]
    assert inner.judge(Plan(2.0)).p == pytest.approx(stats.ttest_rel(*scores, alternative="less").pvalue)


def test_a_patient_counts_once_with_the_mean_of_all_of_its_lesions(run, monkeypatch):
    class Fixed:
        def predict(self, images):
            return np.stack([np.arange(len(images)) / len(images), 1 - np.arange(len(images)) / len(images)], 1)

    monkeypatch.setattr(auto, "train_classifier", lambda *_: Fixed())
    inner = auto._Inner(run, "svm", 1, 0)
    images, truth = inner.held_out
    errors = 2 * (Fixed().predict(images)[np.arange(len(truth)), truth] - 1) ** 2
    by_patient: dict[str, list[float]] = {}
    for patient, error in zip(run.held_out.table["patient"], errors, strict=True):
        by_patient.setdefault(patient, []).append(error)
    found = inner._scores(Plan())
    assert found.to_dict() == pytest.approx({patient: np.mean(own) for patient, own in by_patient.items()})
    assert len(found) < len(images)


def test_no_more_trainings_than_are_told_before(run, monkeypatch):
    for classifier in ("paper-cnn", "svm"):
        choice = decide(run, monkeypatch, lambda plan: 0.5 - 0.1 * (plan.factor > 1), classifier)
        assert len(choice.trials) == count_trials(classifier)
        assert {t.plan.screen for t in choice.trials} == set(SCREENS)


def test_it_is_judged_on_held_out_patients_that_neither_gan_nor_classifier_saw(run, monkeypatch):
    seen = []
    original = auto.train_classifier

    def recorded(name, data, *arguments):
        seen.append(data)
        return original(name, data, *arguments)

    monkeypatch.setattr(auto, "train_classifier", recorded)
    inner = auto._Inner(run, "svm", 1, 0)
    inner.baseline()
    inner.judge(Plan(2.0))
    held_out = {image.tobytes() for image in inner.held_out[0]}
    assert len(seen) == 2
    assert seen[1].n_synthetic == len(run.training)
    for data in seen:
        assert not held_out & {image.tobytes() for image in data.images}


def diverging(run, monkeypatch, *plans):
    """Factor 5 helps surely; the network diverges under these plans, all of its probabilities or some."""
    original, trained = auto._Inner._scores, []

    class Fixed:
        def __init__(self, right, broken):
            self.right, self.broken = right, broken

        def predict(self, images):
            truth = np.eye(2)[inner.held_out[1]]
            chances = 0.5 + (truth - 0.5) * self.right * (1 - 0.01 * np.arange(len(images)))[:, None]
            chances[: len(images) - 1 if self.broken == "some" else None] *= np.nan if self.broken else 1
            return chances

    def scores(self, plan):
        trained.append(plan)
        return original(self, plan)

    def train(*_):
        plan = trained[-1]
        return Fixed(0.9 if plan.factor == 5 else 0.1 * plan.factor / 10, dict(plans).get(plan))

    monkeypatch.setattr(auto._Inner, "_scores", scores)
    monkeypatch.setattr(auto, "train_classifier", train)
    inner = auto._Inner(run, "svm", 1, 0)
    monkeypatch.setattr(auto, "_Inner", lambda *_: inner)
    return choose(run, "svm", 1, 0, silent)


@pytest.mark.parametrize("how", ["all", "some"])
def test_a_plan_under_which_the_classifier_diverges_hides_no_other(run, monkeypatch, how):
    choice = diverging(run, monkeypatch, (Plan(2.0), how), (Plan(10.0), how), (Plan(5.0, screen="off"), how))
    assert choice.plan == Plan(5.0)
    lost = [t.plan for t in choice.trials if t.diverged]
    assert lost == [Plan(2.0), Plan(10.0), Plan(5.0, screen="off")]
    assert all(t.p == 1 and np.isnan(t.gain) for t in choice.trials if t.plan in lost)


def test_where_every_plan_diverges_none_is_taken(run, monkeypatch):
    choice = diverging(run, monkeypatch, *((Plan(factor), "all") for factor in FACTORS))
    assert choice.plan == Plan()
    assert len(choice.trials) == 1 + len(FACTORS)


@pytest.mark.parametrize("how", ["all", "some"])
def test_a_baseline_that_diverges_is_an_error_and_not_a_choice_of_none(run, monkeypatch, how):
    with pytest.raises(AugmentorError, match="svm diverged"):
        diverging(run, monkeypatch, (Plan(), how))


def test_a_patient_under_two_names_is_one_witness(run, monkeypatch):
    """Each image of one held-out patient lies there again under another patient's name."""
    monkeypatch.setattr(auto, "train_classifier", lambda *_: Uncertain())
    table = run.held_out.table
    again = table[table["patient"] == table["patient"].iloc[0]].assign(patient="the second name")
    inner = auto._Inner(run, "svm", 1, 0)
    before = inner._scores(Plan())
    rows = [*range(len(table)), *np.flatnonzero(table["patient"] == table["patient"].iloc[0])]
    inner.held_out = tuple(side[rows] for side in inner.held_out)
    held_out = replace(run.held_out, table=pd.concat([table, again], ignore_index=True))
    monkeypatch.setattr(type(run), "held_out", property(lambda _: held_out))
    pd.testing.assert_series_equal(inner._scores(Plan()), before)


class Uncertain:
    def predict(self, images):
        share = images.mean((1, 2, 3))
        return np.stack([share, 1 - share], 1)


def test_a_run_without_held_out_patients_can_not_choose(tmp_path):
    recipe = tiny_recipe(training={"holdout": 0})
    run = fit(write_set(tmp_path / "lesions"), recipe, tmp_path / "run", latest=False)
    with pytest.raises(UsageError, match="--holdout"):
        choose(run, "svm", 1, 0, silent)
