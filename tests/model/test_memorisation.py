from functools import lru_cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from augmentor.errors import DataError
from augmentor.model.memorisation import CopyCheck, chance_of_near, make_copy_check
from augmentor.model.originals import Originals
from tests.expansion.smuggled import moved, shifted


@lru_cache
def smooth_images(count: int, seed: int, size: int = 64) -> np.ndarray:
    """(count, 1, size, size) float32 in [-1, 1], made once and never written to."""
    noise = np.random.default_rng(seed).normal(size=(count, 1, size, size))
    images = gaussian_filter(noise, (0, 0, size / 14, size / 14))
    images = np.clip(images / np.abs(images).max((1, 2, 3), keepdims=True), -1, 1).astype(np.float32)
    images.setflags(write=False)
    return images


@lru_cache
def check_of(size: int = 64) -> CopyCheck:
    """Of sixty lesions of as many patients, calibrated on sixty of others."""
    return make_copy_check(smooth_images(60, 0, size), range(60), smooth_images(60, 1, size))


TRAINING, OTHERS = smooth_images(60, 0), smooth_images(60, 1)


DISGUISES = {
    "exact": lambda x: x,
    "flipped": lambda x: x[..., ::-1],
    "upside down": lambda x: x[..., ::-1, :],
    "turned": lambda x: np.rot90(x, 1, (2, 3)),
    "turned and flipped": lambda x: np.rot90(x[..., ::-1], 3, (2, 3)),
    "shifted, round the edge": lambda x: np.roll(x, (2, -2), (2, 3)),
    "shifted, black comes in": lambda x: shifted(x, -1.0),
    "shifted, white comes in": lambda x: shifted(x, 1.0),
    "shifted by one": lambda x: np.roll(x, (1, 0), (2, 3)),
    "noisy": lambda x: x + 0.04 * np.random.default_rng(2).normal(size=x.shape).astype(np.float32),
    "turned a little": lambda x: rotate(x, 8, (2, 3), reshape=False, order=1, mode="nearest"),
    "turned by half a coarse step, and shifted": lambda x: moved(x, degrees=5.6, shift=(2, -2)),
    "turned by 4 degrees": lambda x: moved(x, degrees=4),
    "zoomed, turned and shifted": lambda x: moved(x, degrees=-12, zoom=1.12, shift=(-2, 1)),
    "zoomed out, turned and shifted": lambda x: moved(x, degrees=12, zoom=0.9, shift=(2, 2)),
    "turned by 45 degrees": lambda x: moved(x, degrees=45),
    "turned by 120 degrees, and mirrored": lambda x: moved(x, degrees=120)[..., ::-1],
    "brighter": lambda x: 0.8 * x + 0.15,
    "brighter, and cut off": lambda x: np.clip(x + 0.2, -1, 1),
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
@pytest.mark.parametrize("size", [28, 64, 128])
def test_a_planted_copy_is_found_and_its_origin_named(disguise, size):
    training, check = smooth_images(60, 0, size), check_of(size)
    distances, rows = check.originals.distances(np.ascontiguousarray(disguise(training)))
    assert (distances < check.threshold).mean() >= 0.98
    assert (rows == np.arange(60)).mean() >= 0.98


def test_a_copy_in_colour_is_found():
    coloured = np.repeat(TRAINING, 3, axis=1) * np.array([0.9, 0.7, 0.5], np.float32)[:, None, None]
    check = make_copy_check(coloured, range(60), None)
    assert (check.originals.distances(coloured[:, ::-1])[0] < check.threshold).all()


def test_lesions_of_other_patients_pass():
    distances, _ = check_of().originals.distances(smooth_images(300, 3))
    assert (distances < check_of().threshold).mean() <= 0.05


def test_a_typical_stranger_has_the_typical_distance():
    distances, _ = check_of().originals.distances(smooth_images(300, 3))
    assert np.median(distances) == pytest.approx(check_of().typical, rel=0.05)


def test_without_held_out_lesions_other_training_patients_calibrate():
    twins = np.concatenate([TRAINING, TRAINING])  # each patient has its lesion twice
    patients = [str(i % 60) for i in range(120)]
    check = make_copy_check(twins, patients, None)
    assert check.threshold == pytest.approx(check_of().threshold, rel=0.2)


def test_a_set_full_of_doubles_still_refuses_an_exact_copy():
    doubles = np.concatenate([TRAINING, TRAINING])  # under another patient's name
    check = make_copy_check(doubles, range(120), None)
    assert (check.originals.distances(TRAINING)[0] < check.threshold).all()
    assert "hold doubles under several patients' names" in check.warning
    assert check_of().warning is None


def test_of_fewer_lesions_than_the_window_twins_are_held_to_as_much_less_of_a_percentile():
    """Among 512 synthetic lesions the nearest is nearer by chance than among 60 training ones. They are compared with
    each other by coarse views alone, and so is what they are held to."""
    originals, own = check_of().originals, np.eye(60, dtype=bool)
    apart = [originals.distances(OTHERS)[0], originals.distances(TRAINING, own)[0]]
    assert check_of().threshold == pytest.approx(np.percentile(apart, 1))
    coarse = Originals(originals.views)
    apart = [coarse.distances(OTHERS)[0], coarse.distances(TRAINING, own)[0]]
    assert check_of().twin_threshold == pytest.approx(np.percentile(apart, 60 / 512))
    assert 0 < check_of().twin_threshold < np.percentile(apart, 1)


@pytest.mark.parametrize("others", [None, OTHERS[:0]])
def test_one_patient_alone_cannot_tell_what_a_near_copy_is(others):
    with pytest.raises(DataError, match=r"of one patient, .* takes a second patient\. Add lesions of another patient"):
        make_copy_check(TRAINING, ["a"] * 60, others)


def test_lesions_of_one_held_out_patient_are_enough_to_tell():
    check = make_copy_check(TRAINING, ["a"] * 60, OTHERS)
    assert check.threshold == pytest.approx(check_of().threshold, rel=0.2)


@pytest.mark.parametrize("compared", [1, 20, 33, 75, 300])
def test_the_chance_of_a_near_copy_is_that_of_a_fresh_distance_under_the_first_percentile_of_few(compared):
    limits = np.percentile(np.random.default_rng(0).random((20_000, compared)), 1, axis=1)  # shares under them, too
    assert chance_of_near(compared) == pytest.approx((limits.mean(), np.percentile(limits, 95)), rel=0.1)


def test_the_chance_of_a_near_copy_is_a_hundredth_where_many_lesions_are_compared():
    assert chance_of_near(50_000) == pytest.approx((0.01, 0.011), abs=0.001)
    assert check_of().compared == 120


def recut(rows):
    return gaussian_filter(moved(TRAINING[rows], degrees=4, shift=(1, -2)), (0, 0, 0.7, 0.7))


@pytest.mark.parametrize("rows", [[3], [3, 8, 21], [3, 3, 3], list(range(0, 60, 6))], ids=str)
@pytest.mark.parametrize("others", [None, OTHERS], ids=["alone", "with held-out lesions"])
def test_doubles_under_other_patients_names_leave_the_limit_as_it_is_without_them_and_are_told(rows, others):
    without = make_copy_check(TRAINING, range(60), others)
    training = np.concatenate([TRAINING, recut(rows)])
    check = make_copy_check(training, range(len(training)), others)
    assert check.threshold == pytest.approx(without.threshold, rel=0.05)
    assert check.typical == pytest.approx(without.typical, rel=0.05)
    doubled = len(rows) + len(set(rows))
    assert check.left_out == doubled
    assert check.compared == without.compared + len(rows) - doubled
    assert f"{doubled} of {without.compared + len(rows)} real lesions are nearly the same" in check.warning
    assert {row for pair in check.doubles for row in pair} == {*rows, *range(60, len(training))}


def test_what_is_typical_is_typical_of_lesions_that_have_no_double():
    training = np.concatenate([TRAINING, recut(range(20))])
    check = make_copy_check(training, range(80), None)
    assert check.left_out == 40
    own = np.arange(20, 60)[:, None] == np.arange(80)[None]
    assert check.typical == pytest.approx(float(np.median(check.originals.distances(TRAINING[20:], own)[0])))


@pytest.mark.parametrize(("patients", "doubles"), [(5, ()), (6, ()), (7, ((0, 6),)), (20, ((0, 19),))])
def test_a_gap_tells_doubles_only_where_five_patients_lie_beyond_it(patients, doubles):
    """Of fewer, two may well be alike."""
    alike = (0.8 * TRAINING[:1] + 0.6 * OTHERS[:1]).clip(-1, 1)
    training = np.concatenate([TRAINING[: patients - 1], alike])
    assert make_copy_check(training, range(patients), None).doubles == doubles


def test_doubles_among_the_held_out_lesions_are_told_too():
    check = make_copy_check(TRAINING, range(60), np.concatenate([OTHERS, recut([5])]))
    assert check.doubles == ((5, 120),)
    assert check.threshold == pytest.approx(check_of().threshold, rel=0.05)
    files = [f"{row}.png" for row in range(121)]
    assert "(5.png and 120.png)" in check.warning_with(files)
    assert ".png" not in check.warning


def test_a_warning_names_a_few_pairs_and_counts_the_others():
    training = np.concatenate([TRAINING, recut(range(5))])
    told = make_copy_check(training, range(65), None).warning_with([f"{row}.png" for row in range(65)])
    assert told.count(".png and ") == 3
    assert "; 2 more pairs)" in told


def test_lesions_of_which_fewer_than_two_patients_are_left_do_not_tell_what_a_near_copy_is():
    check = make_copy_check(np.concatenate([TRAINING[:10], recut([4])]), ["a"] * 10 + ["b"], None)
    assert check.uncalibrated
    assert "hold doubles under several patients' names" in check.warning
    assert check.compared == 11


@pytest.mark.parametrize("count", [8, 20, 60])
def test_lesions_of_different_patients_are_no_doubles(count):
    assert not any(make_copy_check(smooth_images(count, seed), range(count), None).doubles for seed in range(3))


@pytest.mark.parametrize("patients", [range(11), ["a"] * 10 + ["b"]], ids=["calibrated", "uncalibrated"])
def test_the_way_out_of_doubles_holds_for_every_command_and_for_two_patients_who_look_alike(patients):
    check = make_copy_check(np.concatenate([TRAINING[:10], recut([4])]), patients, None)
    assert check.uncalibrated == (patients != range(11))
    assert check.warning.endswith("and start anew.")
    assert "expand" not in check.warning
    assert check.uncalibrated or "If they are one patient's, give both that name" in check.warning
