from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import special, stats

from augmentor.benchmarking import auto
from augmentor.benchmarking.arms import ARMS
from augmentor.benchmarking.auto import (
    FACTORS,
    SCREENS,
    Choice,
    Plan,
    Trial,
    can_choose,
    choose,
    count_trials,
    count_witnesses,
    least_p,
)
from augmentor.data.squares import load_images
from augmentor.errors import AugmentorError, DataError, UsageError
from augmentor.model.checkpoint import load_card
from augmentor.progress import silent
from augmentor.training.fit import fit
from tests.benchmarking.test_fold import sixteen_bit
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    return fit(write_set(folder / "lesions", patients=10), tiny_recipe(), folder / "run", latest=False)


@pytest.mark.parametrize("use", ["mix", "only", "pretrain"])
def test_the_arm_of_a_plan_uses_our_gans_lesions_as_the_plan_says(use):
    arm = Plan(3.0, use).arm
    assert arm is ARMS[arm.name]
    assert (arm.gan, arm.use, arm.screened) == ("cgan", use, True)
    assert Plan(1.0, use).arm is ARMS["classic"]


PATIENTS = 20


def hold_out(monkeypatch, probabilities=None, patients=PATIENTS):
    """So many patients of one lesion of class 0 each are held out; `probabilities(plan)` gives (patients, 2) of them,
    else a classifier does."""
    made = auto._Inner.__init__

    def init(self, *arguments):
        made(self, *arguments)
        self.held_out = np.zeros(patients), np.zeros(patients, int)

    monkeypatch.setattr(auto._Inner, "__init__", init)
    monkeypatch.setattr(auto, "independent_patients", lambda _: np.arange(patients))
    if probabilities:
        monkeypatch.setattr(auto._Inner, "_probabilities", lambda _self, plan: probabilities(plan))


def with_scores(scores):
    """(N, 2) probabilities of lesions of class 0 that have these (N,) Brier scores, 0 to 2."""
    right = 1 - np.sqrt(np.clip(scores, 0, 2) / 2)
    return np.stack([right, 1 - right], 1)


def decide(run, monkeypatch, score, classifier="paper-cnn"):
    """`score(plan)` gives the Brier score of every held-out patient under a plan."""

    def probabilities(plan):
        spread = 0.001 * np.resize(np.arange(4), PATIENTS) * plan.factor  # where nothing varies nothing can be told
        return with_scores(score(plan) + spread)

    hold_out(monkeypatch, probabilities)
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
    hold_out(monkeypatch, lambda _: with_scores(rng.normal(0.5, 0.3, PATIENTS)))
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


def noisy(monkeypatch, spread, gain):
    """Scores of the held-out patients whose gain under a plan is `gain(plan)`, and varies by about `spread(plan)`."""
    noise = np.resize([0.8, -1.0, 1.3, -1.1, 0.2], PATIENTS)
    hold_out(monkeypatch, lambda plan: with_scores(0.5 - gain(plan) + spread(plan) * (noise - noise.mean())))


def test_the_largest_of_the_sure_gains_is_chosen_and_not_the_surest(run, monkeypatch):
    gains, spreads = {2.0: 0.1, 5.0: 0.3}, {2.0: 0.0001, 5.0: 0.01}
    noisy(monkeypatch, lambda plan: spreads.get(plan.factor, 0.0), lambda plan: gains.get(plan.factor, 0.0))
    choice = choose(run, "svm", 1, 0, silent)
    by_factor = {trial.plan.factor: trial for trial in choice.trials[:4]}
    assert by_factor[2.0].p < by_factor[5.0].p
    assert choice.plan == Plan(5.0)


def test_a_plan_is_judged_by_the_one_sided_paired_test_with_one_patient_more(run, monkeypatch):
    """Both call lesions 0 to 2 alike; the plan is surest of lesion 2 among these, and by far of lesion 4. Were lesion 2
    of the other class, the score would go from 2 x 0.7^2 to 2 x 0.9^2."""
    right = {1.0: np.array([0.6, 0.4, 0.7, 0.3, 0.1]), 2.0: np.array([0.8, 0.45, 0.9, 0.6, 0.99])}
    hold_out(monkeypatch, lambda plan: np.stack([right[plan.factor], 1 - right[plan.factor]], 1), 5)
    inner = auto._Inner(run, "svm", 1, 0)
    inner.baseline()
    trial = inner.judge(Plan(2.0))
    before, after = (np.append(2 * (1 - right[factor]) ** 2, 2 * right[factor][2] ** 2) for factor in (1.0, 2.0))
    assert trial.p == pytest.approx(stats.ttest_rel(before, after, alternative="greater").pvalue)
    assert trial.gain == pytest.approx((before - after)[:5].mean())
    assert trial.error == pytest.approx(stats.sem((before - after)[:5]))


def sharpened(rng, patients, share_right, surer):
    """Probabilities by plan: without synthetic lesions about `surer[0]` for the class that is called, under each plan
    about `surer[1]`; whom the classifier has right is chance."""
    right, noise = rng.random(patients) < share_right, 0.3 * rng.normal(size=patients)

    def probabilities(plan):
        logits = special.logit(surer[plan.factor > 1]) + noise + 0.1 * (plan.factor > 1) * rng.normal(size=patients)
        called = special.expit(logits)
        return np.stack([np.where(right, called, 1 - called), np.where(right, 1 - called, called)], 1)

    return probabilities


@pytest.mark.parametrize(
    ("patients", "share_right", "surer"), [(5, 0.9, (0.86, 0.955)), (8, 0.85, (0.8, 0.92)), (20, 0.9, (0.86, 0.955))]
)
def test_a_plan_that_only_makes_the_classifier_surer_is_seldom_taken(run, monkeypatch, patients, share_right, surer):
    """Its expected Brier score is the same, but among few patients there may be none on whom it loses."""
    rng, chosen = np.random.default_rng(0), 0
    hold_out(monkeypatch, patients=patients)
    inner = auto._Inner(run, "paper-cnn", 1, 0)
    monkeypatch.setattr(auto, "_Inner", lambda *_: inner)
    for _ in range(100):
        probabilities = sharpened(rng, patients, share_right, surer)
        monkeypatch.setattr(inner, "_probabilities", probabilities)
        chosen += choose(run, "paper-cnn", 1, 0, silent).plan.factor > 1
    assert chosen <= 0.05 * 100 + 2 * (100 * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_what_was_not_seen_is_never_a_reason_for_a_plan(classes):
    rng = np.random.default_rng(0)
    for _ in range(200):
        without, given = rng.dirichlet(np.full(classes, 0.5), (2, 6))
        assert auto._unseen_gain(without, given) < 0
        assert auto._unseen_gain(without, without) == 0


def test_a_plan_that_is_right_where_the_classifier_was_wrong_is_taken(run, monkeypatch):
    """Of 40 patients 12 were misclassified and 9 of these are no longer; nothing else changes but by chance."""
    noise = np.random.default_rng(0).normal(0, 0.02, 40)
    right = np.where(np.arange(40) < 12, 0.2, 0.85) + noise

    def probabilities(plan):
        found = np.where(np.arange(40) < 9 * (plan.factor == 3), 0.8, right) + 0.1 * noise[::-1] * plan.factor
        return np.stack([found, 1 - found], 1)

    hold_out(monkeypatch, probabilities, 40)
    assert choose(run, "svm", 1, 0, silent).plan.factor == 3


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
    found = inner._scores(inner._probabilities(Plan()))
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
    hold_out(monkeypatch)
    original, trained = auto._Inner._probabilities, []

    class Fixed:
        def __init__(self, right, broken):
            self.right, self.broken = right, broken

        def predict(self, images):
            truth = np.eye(2)[inner.held_out[1]]
            chances = 0.5 + (truth - 0.5) * self.right * (1 - 0.01 * np.arange(len(images)))[:, None]
            chances[: len(images) - 1 if self.broken == "some" else None] *= np.nan if self.broken else 1
            return chances

    def probabilities(self, plan):
        trained.append(plan)
        return original(self, plan)

    def train(*_):
        plan = trained[-1]
        return Fixed(0.9 if plan.factor == 5 else 0.1 * plan.factor / 10, dict(plans).get(plan))

    monkeypatch.setattr(auto._Inner, "_probabilities", probabilities)
    monkeypatch.setattr(auto, "train_classifier", train)
    monkeypatch.setattr(auto, "pool", lambda run, *_: (inner.real[0], run.training.table["label"]))
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
    before = inner._scores(inner._probabilities(Plan()))
    rows = [*range(len(table)), *np.flatnonzero(table["patient"] == table["patient"].iloc[0])]
    inner.held_out = tuple(side[rows] for side in inner.held_out)
    held_out = replace(run.held_out, table=pd.concat([table, again], ignore_index=True))
    monkeypatch.setattr(type(run), "held_out", property(lambda _: held_out))
    pd.testing.assert_series_equal(inner._scores(inner._probabilities(Plan())), before)


class Uncertain:
    def predict(self, images):
        share = images.mean((1, 2, 3))
        return np.stack([share, 1 - share], 1)


def test_a_run_without_held_out_patients_can_not_choose(tmp_path):
    recipe = tiny_recipe(training={"holdout": 0})
    run = fit(write_set(tmp_path / "lesions"), recipe, tmp_path / "run", latest=False)
    with pytest.raises(UsageError, match="--holdout"):
        choose(run, "svm", 1, 0, silent)


@pytest.mark.parametrize("classifier", ["svm", "cnn"])
@pytest.mark.parametrize("patients", range(1, 7))
def test_no_gains_have_a_lower_p_than_the_least_there_is_and_equal_ones_have_it(classifier, patients):
    rng, plans = np.random.default_rng(0), count_trials(classifier) - 1
    for _ in range(200):
        gains = np.append(rng.gamma(rng.uniform(0.1, 50), size=patients), -rng.choice([0, 0.01, 1]))
        assert min(1, plans * auto._p_above_zero(gains)) >= least_p(patients, classifier) * (1 - 1e-6)
    equal = np.append(np.full(patients, 0.3), 0)
    assert least_p(patients, classifier) == pytest.approx(min(1, plans * auto._p_above_zero(equal)))


@pytest.mark.parametrize(("classifier", "fewest"), [("svm", 4), ("logistic", 4), ("cnn", 5), ("paper-cnn", 5)])
def test_so_many_patients_it_takes_for_any_plan_to_be_chosen(run, monkeypatch, classifier, fewest):
    """Under every plan all are called right at once, nothing is lost on the one more: no gain could be surer."""
    monkeypatch.setattr(auto, "_unseen_gain", lambda *_: 0.0)
    for patients in range(1, 8):
        with monkeypatch.context() as patch:
            hold_out(patch, lambda plan: with_scores(np.full(patients, 1.0 * (plan.factor == 1))), patients)  # noqa: B023
            choice = choose(run, classifier, 1, 0, silent)
        assert choice.corrected(choice.best) == pytest.approx(least_p(patients, classifier))
        assert (choice.plan.factor > 1) == can_choose(patients, classifier) == (patients >= fewest)


def test_witnesses_are_patients_and_those_who_share_an_image_are_one(run):
    held_out = run.held_out
    assert count_witnesses(held_out) == held_out.table["patient"].nunique()
    again = held_out.table.assign(patient="the second name").iloc[:1]
    both = replace(held_out, table=pd.concat([held_out.table, again], ignore_index=True))
    assert count_witnesses(both) == count_witnesses(held_out)
    assert count_witnesses(held_out.rows([])) == 0


def test_the_plan_that_is_put_to_the_test_is_the_one_that_gained_most():
    none, lost = Trial(Plan(), 0.5), Trial(Plan(2.0), *[float("nan")] * 3)
    some, most = Trial(Plan(3.0), 0.4, 0.1, 0.01, 0.001), Trial(Plan(5.0), 0.3, 0.2, 0.1, 0.3)
    choice = Choice(Plan(), (none, lost, some, most))
    assert choice.best is most
    assert choice.corrected(most) == pytest.approx(0.9)
    assert choice.corrected(lost) == 1
    assert Choice(Plan(), (none, lost)).best is none


def test_a_run_whose_images_are_gone_is_told_with_where_it_needs_them(run, monkeypatch):
    held_out = replace(run.held_out, table=run.held_out.table.assign(path="/nowhere/1.png"))
    monkeypatch.setattr(type(run), "held_out", property(lambda _: held_out))
    with pytest.raises(DataError, match=f"/nowhere/1.png: no such file .*{run.folder} needs its images where"):
        choose(run, "svm", 1, 0, silent)


def test_both_inner_sides_are_on_the_scale_of_the_gan(tmp_path):
    lesions = sixteen_bit(write_set(tmp_path / "lesions"))
    run = fit(lesions, tiny_recipe(), tmp_path / "run", latest=False)
    scale, inner = load_card(run.chosen_checkpoint).intensity, auto._Inner(run, "logistic", 3, 0)
    for side, (images, _) in ((run.training, inner.real), (run.held_out, inner.held_out)):
        np.testing.assert_array_equal(images, load_images(side.paths, 16, scale)[0])
    assert scale != load_images(run.held_out.paths, 16)[1]


def test_images_that_changed_since_the_fit_choose_nothing(tmp_path):
    run = fit(write_set(tmp_path / "lesions"), tiny_recipe(), tmp_path / "run", latest=False)
    auto._Inner(run, "logistic", 3, 0)
    path = run.held_out.paths[0]
    Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    with pytest.raises(DataError, match=f"{path}: holds other pixels than when {run.folder} was fitted"):
        auto._Inner(run, "logistic", 3, 0)
