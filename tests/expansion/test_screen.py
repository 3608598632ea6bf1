import json
from functools import lru_cache

import numpy as np
import pytest

import augmentor.expansion.screen as screening
from augmentor.data.squares import load_images
from augmentor.expansion.rules import Synthetic
from augmentor.expansion.screen import screen_of, synthesise
from augmentor.model.checkpoint import load_checkpoint
from augmentor.model.memorisation import make_copy_check
from augmentor.training.fit import fit
from tests.expansion.fake import CARD, CLASSES, FakeGenerator, make_screen, training_lesions
from tests.lesion_sets import tiny_recipe, write_set
from tests.threads import torch_threads

LEVELS = ("off", "light", "strict")


@lru_cache
def screen_at(level):
    """Fitted once for all tests, which only judge with it."""
    return make_screen(level)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    return fit(write_set(folder / "lesions"), tiny_recipe(), folder / "run", latest=False)


def draw(level, generator, count=32, seed=0):
    """The lesions drawn, and the screen with its counts."""
    screen = screening.Screen(screen_at(level).copies, screen_at(level).texture)
    return list(screen.draw(generator, CARD, dict.fromkeys(CLASSES, count), seed)), screen


def refused(screen, rule):
    return sum(screen.refused_of(label).get(rule, 0) for label in CLASSES) / screen.drawn.total()


@pytest.mark.parametrize("level", LEVELS)
def test_a_generator_like_the_real_lesions_fills_what_is_wanted(level):
    lesions, screen = draw(level, FakeGenerator())
    assert [x.label for x in lesions] == [label for label in CLASSES for _ in range(32)]
    lost = sum(refused(screen, rule) for rule in ("copy", "twin", "label", "realism"))
    assert lost <= {"off": 0.05, "light": 0.15, "strict": 0.35}[level]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("fault", "rule"), [("copied", "copy"), ("repeated", "twin")])
def test_copies_and_repetitions_are_refused_at_every_level(level, fault, rule):
    copied = training_lesions()[0][0]
    lesions, screen = draw(level, FakeGenerator(fault, copied=copied))
    assert 0.2 <= refused(screen, rule) <= 0.4
    for label in CLASSES:
        images = np.stack([x.image for x in lesions if x.label == label]).reshape(32, -1)
        assert len(np.unique(images.round(3), axis=0)) == 32
        assert not (np.abs(images - copied.ravel()).max(1) < 0.01).any()


@pytest.mark.parametrize("level", ["light", "strict"])
@pytest.mark.parametrize(("fault", "rule"), [("swapped", "label"), ("noise", "realism")])
def test_lesions_of_the_wrong_class_or_of_none_are_refused_unless_the_screen_is_off(level, fault, rule):
    _, screen = draw(level, FakeGenerator(fault))
    found = refused(screen, rule) + (refused(screen, "label") if rule == "realism" else 0)
    assert 0.2 <= found <= 0.5
    _, screen = draw("off", FakeGenerator(fault))
    assert refused(screen, rule) == 0


@pytest.mark.parametrize("level", ["off", "light"])
def test_more_lesions_begin_with_the_same_ones(level):
    generator = FakeGenerator("repeated")
    few, many = draw(level, generator, 20)[0], draw(level, generator, 50)[0]
    for label in CLASSES:
        begun, whole = ([x for x in lesions if x.label == label] for lesions in (few, many))
        assert [x.seed for x in whole[:20]] == [x.seed for x in begun]
        assert [x.measured for x in whole[:20]] == [x.measured for x in begun]


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_seed_gives_the_same_lesions_and_another_seed_others(level):
    one, again, other = (draw(level, FakeGenerator(), 16, seed)[0] for seed in (0, 0, 1))
    assert [x.seed for x in one] == [x.seed for x in again]
    assert all((x.image == y.image).all() for x, y in zip(one, again, strict=True))
    assert not {x.seed for x in one} & {x.seed for x in other}


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_kept_does_not_hang_on_the_number_of_threads(level):
    found = []
    for threads in (1, 8):
        with torch_threads(threads):
            found.append(draw(level, FakeGenerator("repeated"), 100))
    (one, screen), (several, screen_of_several) = found
    assert screen.summary() == screen_of_several.summary()
    assert [x.seed for x in one] == [x.seed for x in several]
    for x, y in zip(one, several, strict=True):
        assert x.image == pytest.approx(y.image, abs=1e-5)
        assert x.measured == pytest.approx(y.measured, abs=1e-3)


@pytest.mark.parametrize("level", LEVELS)
def test_each_lesion_carries_the_number_of_each_rule_and_it_is_within_the_limits(level):
    lesions, screen = draw(level, FakeGenerator())
    columns = {"copy_distance", "twin_distance"}
    columns |= {"label_agreement", "realism", "spectrum"} if level != "off" else set()
    columns |= {"spread"} if level == "strict" else set()
    limits = screen.summary()["limits"]
    for number, lesion in enumerate(lesions):
        missing = columns - lesion.measured.keys()
        assert missing <= ({"twin_distance", "spread"} if number % 32 == 0 else {"twin_distance"})
        assert lesion.measured.keys() <= columns
        assert lesion.measured["copy_distance"] >= limits["copy_distance_at_least"]
        assert lesion.measured.get("twin_distance", 9) >= limits["twin_distance_at_least"]
        assert lesion.measured.get("label_agreement", 1) >= limits.get("label_agreement_at_least", 0)
        assert lesion.measured.get("realism", 0) <= limits.get("realism_at_most", 0)
        assert lesion.measured.get("spectrum", 0) <= limits.get("spectrum_at_most", 0)


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_drawn_is_kept_or_refused(level):
    lesions, screen = draw(level, FakeGenerator("repeated"))
    assert screen.kept.total() == len(lesions) == 64
    assert screen.drawn.total() == screen.kept.total() + screen.refused.total()
    assert json.loads(json.dumps(screen.summary()))["kept"] == dict.fromkeys(CLASSES, 32)


def test_a_class_without_hope_is_given_up(monkeypatch):
    monkeypatch.setattr(screening, "_PATIENCE", 150)
    lesions, screen = draw("light", FakeGenerator("noise", share=1.0), 100)
    assert not lesions
    assert set(screen.drawn.values()) == {150}


def test_a_class_is_not_given_up_for_refusals_that_others_pass_between(monkeypatch):
    monkeypatch.setattr(screening, "_PATIENCE", 20)
    lesions, screen = draw("off", FakeGenerator("copied", 0.5, training_lesions()[0][0]), 64)
    assert len(lesions) == 128
    assert all(screen.refused_of(label)["copy"] > 20 for label in CLASSES)


def test_few_lesions_are_given_up_after_twenty_tries_each():
    lesions, screen = draw("light", FakeGenerator("noise", share=1.0), 3)
    assert not lesions
    assert set(screen.drawn.values()) == {60}


def test_none_wanted_draws_none():
    for level in LEVELS:
        lesions, screen = draw(level, FakeGenerator(), 0)
        assert not lesions
        assert not screen.drawn.total()


def test_a_strict_screen_spreads_wider_than_a_light_one():
    def nearest(level):
        lesions = draw(level, FakeGenerator())[0]
        scaler = screen_at("light").texture.realism.scaler
        points = scaler.transform(np.stack([x.features for x in lesions if x.label == "plain"]))
        gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
        return np.sort(gaps, axis=1)[:, 1].min()

    assert nearest("strict") > nearest("light")


def test_a_strict_screen_chooses_block_by_block_and_fills_what_is_wanted(monkeypatch):
    monkeypatch.setattr(screening, "_BLOCK", 32)
    lesions, screen = draw("strict", FakeGenerator(), 40)
    assert len(lesions) == 80
    assert refused(screen, "diversity") * screen.drawn.total() == 80


def test_a_strict_screen_keeps_all_that_pass_where_few_do(monkeypatch):
    monkeypatch.setattr(screening, "_TRIES", 1)
    lesions, screen = draw("strict", FakeGenerator("noise", share=0.7))
    assert 0 < len(lesions) < 64
    assert refused(screen, "diversity") == 0


def test_a_lesion_is_judged_alike_alone_and_behind_a_copy():
    images, _, _ = training_lesions(8, seed=5)
    images[0] = training_lesions()[0][3]
    lesions, alone = ([Synthetic("plain", i, image) for i, image in enumerate(images[:8])] for _ in range(2))
    screen = screen_at("light")
    screen._judge(lesions, 0)
    assert [x.rule for x in lesions] == ["copy"] + [None] * 7
    for lesion, other in zip(lesions, alone, strict=True):
        screen._judge([other], 0)
        assert lesion.rule == other.rule
        assert lesion.measured == pytest.approx(other.measured, abs=1e-3)  # near 0, a root of rounding


def test_the_screen_of_a_run_knows_its_patients_and_its_held_out_lesions(fitted, monkeypatch):
    card, given = load_checkpoint(fitted.chosen_checkpoint)[1], {}
    monkeypatch.setattr(
        screening, "make_copy_check", lambda *asked: given.update(copies=asked) or make_copy_check(*asked)
    )
    monkeypatch.setattr(screening, "fit_texture_rules", lambda *asked: given.update(texture=asked))
    screen_of(fitted, card)
    names = fitted.training.table["patient"].to_numpy()
    of_one_patient = names[:, None] == names[None]
    assert of_one_patient.sum() > len(names)
    for patients in (given["copies"][1], given["texture"][2]):
        np.testing.assert_array_equal(np.equal.outer(patients, patients), of_one_patient)
    held_out, _ = load_images(fitted.held_out.paths, 16, card.intensity)
    assert len(held_out)
    np.testing.assert_array_equal(given["copies"][2], held_out)


def test_synthesise_gives_images_and_labels_in_class_order(fitted):
    for level in ("off", "light", "strict"):
        images, labels = synthesise(fitted, {"a": 3, "b": 2}, 0, level)
        assert images.shape[1:] == (1, 16, 16)
        assert images.dtype == np.float32
        assert len(images) == len(labels)
        assert labels == sorted(labels)


@pytest.mark.parametrize("rule", ["label", "realism", "diversity"])
def test_a_rule_alone_refuses_by_itself_and_near_copies_are_refused_with_it(rule):
    alone = make_screen(rule)
    generator = FakeGenerator("swapped" if rule == "label" else "noise" if rule == "realism" else "")
    lesions = list(alone.draw(generator, CARD, dict.fromkeys(CLASSES, 32), 0))
    assert len(lesions) == 64
    assert {r for _, r in alone.refused} <= {rule, "copy", "twin"}
    assert refused(alone, rule) >= 0.2
    columns = {"label": {"label_agreement"}, "realism": {"realism", "spectrum"}, "diversity": {"spread"}}[rule]
    measured = set().union(*(x.measured for x in lesions))
    assert measured == {"copy_distance", "twin_distance"} | columns
    copied = make_screen(rule)
    list(copied.draw(FakeGenerator("copied", copied=training_lesions()[0][0]), CARD, dict.fromkeys(CLASSES, 32), 0))
    assert 0.2 <= refused(copied, "copy") <= 0.4


def test_a_lesion_with_an_empty_mask_is_refused():
    image = training_lesions(1, seed=7)[0][0]
    blank = np.zeros((1, 32, 32), np.uint8)
    lesions = [Synthetic("plain", 0, image, mask) for mask in (blank, np.eye(32, dtype=np.uint8)[None], None)]
    screen_at("off")._judge(lesions, 0)
    assert [lesion.rule for lesion in lesions] == ["mask", None, None]
