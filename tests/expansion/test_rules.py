import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.preprocessing import StandardScaler

from augmentor.data.lesions import class_numbers
from augmentor.data.phantom import write_phantom
from augmentor.data.readers import read_lesions
from augmentor.data.splits import groups, outer_folds
from augmentor.data.squares import load_images
from augmentor.expansion.labels import LabelCheck
from augmentor.expansion.realism import Realism, fit_realism
from augmentor.expansion.rules import Synthetic, TextureRules, fit_texture_rules
from augmentor.model.features import texture_features
from augmentor.recipe import PhantomSection
from tests.expansion.fake import training_lesions

IMAGES, TARGETS, PATIENTS = training_lesions()
FRESH, _, _ = training_lesions(60, seed=5)


def test_strict_limits_are_tighter_than_light_ones():
    light, strict = (fit_texture_rules(IMAGES, TARGETS, PATIENTS, level) for level in ("light", "strict"))
    assert strict.farthest < light.farthest
    assert light.least <= 0.25 < strict.least == 0.5


def test_the_limits_are_percentiles_of_what_training_lesions_reach():
    hundred = np.arange(101) / 100
    realism = Realism(StandardScaler(), [], np.ones(2), 2 * hundred)
    for own, level, least, farthest in (
        (hundred, "light", 0.01, 1.98 * 1.1),
        (hundred, "strict", 0.5, 1.9),
        (np.full(101, 0.9), "light", 0.25, 1.98 * 1.1),  # classes that are told apart: half of chance
    ):
        rules = TextureRules(LabelCheck(np.empty(0), [], 2, own), realism, level)
        assert (rules.least, rules.farthest) == pytest.approx((least, farthest))


class _Undecided:
    """A member for three classes that is never sure."""

    def probabilities(self, features):
        return np.tile([0.40, 0.35, 0.25], (len(features), 1))


@pytest.mark.parametrize(("level", "refused"), [("light", [0, 0, 0]), ("strict", [0, 1, 1])])
def test_a_strict_screen_refuses_a_lesion_that_another_class_has_more_of(level, refused):
    """Beyond chance, which is a third, is the second class too."""
    labels = LabelCheck(np.zeros((1, 80), np.int64), [[_Undecided()]], 3, np.ones(80))
    realism = fit_realism(texture_features(IMAGES), np.arange(80) % 3)
    rules = TextureRules(labels, realism, level)
    for target, expected in enumerate(refused):
        lesion = Synthetic("a", 0, IMAGES[target])
        rules.judge([lesion], np.zeros(1, np.int64), target)
        assert lesion.rule == ("label" if expected else None)


def test_a_lesion_that_is_not_of_numbers_does_not_pass():
    broken = Synthetic("a", 0, np.full_like(FRESH[0], np.nan))
    with np.errstate(invalid="ignore"):
        fit_texture_rules(IMAGES, TARGETS, PATIENTS, "label").judge([broken], np.zeros(1, np.int64), 0)
    assert broken.rule == "label"


GROSS = {
    "pixels in another order": lambda image, rng: rng.permutation(image.ravel()).reshape(image.shape),
    "noise alone": lambda image, rng: rng.normal(0, 0.3, image.shape),
    "flat": lambda image, _: np.full_like(image, image.mean()),
    "blur of 3 pixels": lambda image, _: gaussian_filter(image, (0, *[3] * (image.ndim - 1))),
}
SLIGHT = {  # how many of these are refused hangs on what the lesions of a set are like
    "blur of 2": lambda image, _: gaussian_filter(image, (0, *[2] * (image.ndim - 1))),
    "blur of 1": lambda image, _: gaussian_filter(image, (0, *[1] * (image.ndim - 1))),
    "a grid of a twentieth": lambda image, _: image + 0.1 * (np.indices(image.shape).sum(0) % 2 * 2 - 1),
    "noise of a twentieth": lambda image, rng: image + rng.normal(0, 0.1, image.shape),
    "inverted": lambda image, _: -image,
}


def refused_for_realism(rules, images, targets):
    """The shares that are refused for their texture alone, and for it or their spectrum."""
    found = []
    for target in np.unique(targets):
        lesions = [Synthetic("a", 0, image.clip(-1, 1).astype(np.float32)) for image in images[targets == target]]
        rules.judge(lesions, np.zeros(len(lesions), np.int64), target)
        found += [(lesion.measured["realism"] > rules.farthest, lesion.rule == "realism") for lesion in lesions]
    return np.mean(found, axis=0)


def sides(lesions, size):
    """Rules of realism alone, fitted on two thirds of the patients; the others' lesions, and their classes."""
    fold = outer_folds(lesions, 3, 0)[0]
    train, test = lesions.rows(fold.train), lesions.rows(fold.test)
    images, intensity = load_images(train.paths, size)
    targets = [class_numbers(side.table["label"], lesions.classes) for side in (train, test)]
    rules = fit_texture_rules(images, targets[0], groups(train), "realism")
    return rules, load_images(test.paths, size, intensity)[0], targets[1]


def real_lesions(name, shared_data, tmp_path):
    if name == "brain tumours":
        columns = {"path": "roi", "label": "label", "patient": "run", "fold": "fold"}
        return read_lesions(shared_data("brain-mri-cheng-3class/index.csv"), columns).at_most(100), 64
    if name == "chest X-rays":
        return read_lesions(shared_data("pneumoniamnist/pneumoniamnist.npz")).at_most(100), 28
    size, dims, patients = (64, 2, 45) if name == "phantom" else (32, 3, 24)
    section = PhantomSection(patients=patients, per_class=2 * patients if dims == 2 else 36, size=size, dims=dims)
    return read_lesions(write_phantom(tmp_path / "lesions", section, 0)), size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brain tumours", "chest X-rays", "phantom", "phantom in three dimensions"])
def test_what_is_no_lesion_is_refused_and_other_patients_lesions_are_not(name, shared_data, tmp_path, capsys):
    rules, images, targets = sides(*real_lesions(name, shared_data, tmp_path))
    rng = np.random.default_rng(0)
    refused = {"as they are": refused_for_realism(rules, images, targets)}
    for fault, spoil in (GROSS | SLIGHT).items():
        refused[fault] = refused_for_realism(rules, np.stack([spoil(image, rng) for image in images]), targets)
    with capsys.disabled():
        print(f"\n{name}, {len(images)} lesions: texture alone, with the spectrum")
        print("\n".join(f"  {fault} {100 * one:.0f} %, {100 * both:.0f} %" for fault, (one, both) in refused.items()))
    assert refused["as they are"][1] < 0.15
    assert min(refused[fault][1] for fault in GROSS) > 0.95


def test_a_strict_limit_of_the_spectrum_is_tighter_and_each_is_told():
    light, strict = (fit_texture_rules(IMAGES, TARGETS, PATIENTS, level).limits for level in ("light", "strict"))
    assert strict["spectrum_at_most"] < light["spectrum_at_most"]
    assert "spectrum_at_most" not in fit_texture_rules(IMAGES, TARGETS, PATIENTS, "label").limits
