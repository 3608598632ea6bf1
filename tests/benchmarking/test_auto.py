import numpy as np
import pandas as pd
import pytest

from augmentor.benchmarking import auto
from augmentor.benchmarking.auto import FACTORS, SCREENS, Plan, choose, count_trials
from augmentor.errors import UsageError
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
    return choose(run, classifier, 1, 0, lambda _done, _note: None)


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
    chosen = sum(choose(run, "svm", 1, 0, lambda _done, _note: None).plan.factor > 1 for _ in range(400))
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


def test_a_run_without_held_out_patients_can_not_choose(tmp_path):
    recipe = tiny_recipe(training={"holdout": 0})
    run = fit(write_set(tmp_path / "lesions"), recipe, tmp_path / "run", latest=False)
    with pytest.raises(UsageError, match="--holdout"):
        choose(run, "svm", 1, 0, lambda _done, _note: None)
