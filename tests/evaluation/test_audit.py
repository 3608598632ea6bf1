from dataclasses import replace

import numpy as np
import pytest

from augmentor.evaluation.audit import MOST_NEAR, audit
from augmentor.evaluation.sides import Side, Sides
from tests.evaluation.made import make_side, make_sides


def test_a_generator_that_copies_raises_the_alarm_and_says_why():
    found = audit(make_sides(copied=0.5))
    assert found.near_copies["value"] == pytest.approx(0.5, abs=0.05)
    assert len(found.reasons) >= 1
    assert found.sentence.startswith("Memorisation: ")
    assert "Fit on more lesions" in found.sentence


def test_a_generator_of_new_lesions_does_not():
    found = audit(make_sides())
    assert found.near_copies["value"] < 0.05
    assert not found.reasons
    assert found.sentence.startswith("No alarm: ")
    assert found.membership_auc["low"] < 0.5 < found.membership_auc["high"]
    assert found.authenticity["value"] == pytest.approx(found.authenticity_held_out["value"], abs=0.2)
    assert np.median(found.ratios) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("copied", [0.04, 0.5])
def test_of_a_finished_set_it_says_which_files_to_take_out_and_nothing_of_expand(copied):
    found = audit(make_sides(copied=copied, finished=True))
    assert bool(found.reasons) is (copied > 0.1)
    assert f"These {found.near.sum()} files are in the set: take them out" in found.sentence
    assert "first of `copies` in evaluation.json" in found.sentence
    assert "expand" not in found.sentence
    assert "which expand refuses" in audit(make_sides()).sentence


def test_one_file_is_told_as_one_and_none_as_none():
    found = audit(make_sides(finished=True))
    first = np.arange(len(found.near)) == 0
    assert "This file is in the set: take it out" in replace(found, near=first).sentence
    assert replace(found, near=np.zeros_like(first)).sentence == (
        "No alarm: 0.0% of the synthetic lesions are near-copies of real ones (by chance 1.6%)."
    )


def test_authenticity_is_a_share_of_lesions_farther_than_the_nearest_training_lesions_are_from_each_other():
    training, noise = make_side(10).images[:10], make_side(4, seed=1).images[:4]
    training[1] = training[0] + 0.2 * noise[0]  # of one patient, and nearer to each other than to any other

    def near(row, amount):
        return training[row] + amount * noise[1 + row % 3]

    def side(images, patients):
        return Side(np.stack(images), np.array(["a"] * len(images)), np.array(patients))

    synthetic = side([near(0, 0.6), near(5, 0.2), near(6, 0.2), near(7, 0.2)], range(4))  # only the first is farther
    held_out = side([near(0, 0.6), near(0, 0.7), near(0, 0.8), near(5, 0.2), near(6, 0.2)], range(5))
    found = audit(Sides(synthetic, side(training, [0, 0, *range(1, 9)]), held_out))
    assert found.nearest.tolist() == [0, 5, 6, 7]
    assert found.authenticity["value"] == pytest.approx(1 / 4)
    assert found.authenticity_held_out["value"] == pytest.approx(3 / 5)


def test_members_are_told_from_others_where_all_of_them_were_copied():
    found = audit(make_sides(copied=1.0, per_class=120))
    assert found.membership_auc["low"] > 0.8
    assert found.authenticity["value"] < 0.1
    assert len(found.reasons) == 2


def test_each_copy_names_its_origin():
    sides = make_sides(copied=1.0)
    found = audit(sides)
    origin = sides.training.images[found.nearest][..., ::-1]
    assert np.abs(sides.synthetic.images - origin).mean() < 0.05


def test_where_members_are_not_known_copies_of_either_side_are_found():
    sides = make_sides(copied=0.5, known=False)
    found = audit(sides)
    assert len(sides.seen) == 160
    assert found.near_copies["value"] >= 0.45
    assert found.membership_auc == found.authenticity_held_out == {"value": None, "low": None, "high": None}


def test_a_few_near_copies_are_no_alarm_while_chance_can_explain_them():
    assert not audit(make_sides(copied=0.06, per_class=20)).reasons


@pytest.mark.parametrize(("compared", "alarmed"), [(33, False), (200, True)])
def test_more_near_copies_than_a_hundredth_are_an_alarm_only_where_many_real_lesions_say_what_is_near(
    compared, alarmed
):
    found = audit(make_sides())
    near = np.arange(len(found.near)) < 0.15 * len(found.near)
    found = replace(found, near=near, compared=compared)
    assert found.near_copies["low"] > MOST_NEAR
    assert bool(found.reasons) is alarmed
    assert f"{found.by_chance:.1%}" in found.sentence


def test_copies_of_a_fifth_are_an_alarm_among_few_real_lesions_too():
    sides = make_sides(copied=0.25, per_class=100)
    few = replace(sides, training=sides.training.rows(np.r_[:12, 40:52]), held_out=sides.held_out.rows(np.arange(9)))
    copies = few.training.images[np.arange(50) % 24][..., ::-1]
    images = np.concatenate([copies, sides.synthetic.images[50:]]).astype(np.float32)
    found = audit(replace(few, synthetic=replace(sides.synthetic, images=images)))
    assert found.compared == 33
    assert found.most_near == pytest.approx(0.104, abs=0.001)
    assert len(found.reasons) >= 1
    assert "hundredth of 33 real lesions" in found.sentence
    assert "by chance 3.9%; alarm above 10.4%" in found.sentence


def test_held_out_lesions_of_one_patient_tell_of_no_others():
    sides = make_sides()
    of_one = replace(sides.held_out, groups=np.zeros(len(sides.held_out), np.int64))
    of_few = replace(sides.held_out, groups=np.arange(len(sides.held_out)) // 20)
    many, few, one = (audit(replace(sides, held_out=s)).authenticity_held_out for s in (sides.held_out, of_few, of_one))
    assert many["value"] == few["value"] == one["value"]
    assert one["low"] is one["high"] is None
    assert few["high"] - few["low"] >= many["high"] - many["low"] > 0


def test_on_a_guessed_scale_the_absence_of_copies_is_no_relief():
    blind = audit(replace(make_sides(finished=True), guessed=True))
    assert not blind.reasons
    assert blind.blind
    assert blind.alarm
    assert blind.sentence.startswith("Near-copies can't be judged: ")
    assert "No alarm" not in blind.sentence
    assert "Seen even so" not in replace(blind, near=np.zeros_like(blind.near)).sentence
    two = replace(blind, near=np.arange(len(blind.near)) < 2).sentence
    assert "Seen even so: 2 of 120. These 2 files are in the set" in two
    copied = audit(replace(make_sides(copied=0.5, finished=True), guessed=True))
    assert copied.alarm
    assert not copied.blind
    assert copied.sentence.startswith("Memorisation: ")


def test_doubles_among_the_real_lesions_do_not_hide_copies_and_are_named():
    sides = make_sides(copied=0.5)
    training, again = sides.training, [0, 7, 50]
    both = training.rows(np.r_[np.arange(len(training)), again])
    images = both.images.copy()
    images[-3:] = np.roll(images[-3:], 1, axis=-1)
    paths = [*training.paths, "/real/d.png", "/real/e.png", "/real/f.png"]
    of_others = np.r_[training.groups, 1000, 1001, 1002]
    found = audit(replace(sides, training=replace(both, images=images, groups=of_others, paths=paths)))
    assert found.near_copies["value"] == pytest.approx(0.5, abs=0.05)
    assert found.reasons
    assert "/real/0/7.png and /real/e.png" in found.warning
    assert audit(sides).warning is None


@pytest.mark.parametrize("finished", [False, True])
def test_a_limit_that_tells_little_gives_no_all_clear(finished):
    found = replace(audit(make_sides(finished=finished)), uncalibrated=True)
    assert found.blind
    assert found.sentence.startswith("Near-copies can't be judged: what a near-copy is")
    assert "No alarm" not in found.sentence


def test_a_patients_number_on_one_side_says_nothing_of_the_other():
    sides = make_sides(copied=0.3)
    renumbered = replace(sides, held_out=replace(sides.held_out, groups=sides.held_out.groups + 500))
    assert audit(renumbered).membership_auc == audit(sides).membership_auc


def test_where_members_are_not_known_no_lesion_is_a_double_of_itself():
    """Both sides are compared with then, and none is left that calibrates from outside."""
    sides = make_sides(known=False)
    found = audit(sides)
    assert found.compared == len(sides.seen)
    assert found.warning is None
