import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from augmentor.evaluation.memorisation import make_copy_check, thumbnails


def smooth_images(count: int, seed: int, size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, 1, size, size))
    images = gaussian_filter(noise, (0, 0, size / 14, size / 14))
    return np.clip(images / np.abs(images).max((1, 2, 3), keepdims=True), -1, 1).astype(np.float32)


TRAINING, OTHERS = smooth_images(60, 0), smooth_images(60, 1)
CHECK = make_copy_check(TRAINING, [str(i) for i in range(60)], OTHERS)

DISGUISES = {
    "exact": lambda x: x,
    "flipped": lambda x: x[..., ::-1],
    "upside down": lambda x: x[..., ::-1, :],
    "turned": lambda x: np.rot90(x, 1, (2, 3)),
    "turned and flipped": lambda x: np.rot90(x[..., ::-1], 3, (2, 3)),
    "shifted": lambda x: np.roll(x, (2, -2), (2, 3)),
    "noisy": lambda x: x + 0.02 * np.random.default_rng(2).normal(size=x.shape).astype(np.float32),
    "turned a little": lambda x: rotate(x, 8, (2, 3), reshape=False, order=1, mode="nearest"),
    "brighter": lambda x: 0.8 * x + 0.15,
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_planted_copy_is_found_and_its_origin_named(disguise):
    distances, rows = CHECK.distances(disguise(TRAINING))
    assert (distances < CHECK.threshold).mean() >= 0.99
    assert (rows == np.arange(60)).mean() >= 0.99


def test_lesions_of_other_patients_pass():
    distances, _ = CHECK.distances(smooth_images(300, 3))
    assert (distances < CHECK.threshold).mean() <= 0.05


def test_a_typical_stranger_has_the_typical_distance():
    distances, _ = CHECK.distances(smooth_images(300, 3))
    assert np.median(distances) == pytest.approx(CHECK.typical, rel=0.05)


def test_without_held_out_lesions_other_training_patients_calibrate():
    twins = np.concatenate([TRAINING, TRAINING])  # each patient has its lesion twice
    patients = [str(i % 60) for i in range(120)]
    check = make_copy_check(twins, patients, None)
    assert check.threshold == pytest.approx(CHECK.threshold, rel=0.2)


def test_chunks_do_not_change_the_distances(monkeypatch):
    whole, _ = CHECK.distances(OTHERS)
    monkeypatch.setattr("augmentor.evaluation.memorisation._CHUNK_NUMBERS", 136 * 60 * 7)
    assert CHECK.distances(OTHERS)[0] == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("size", [16, 28, 64, 100])
def test_thumbnails_have_unit_length_at_any_size(size):
    assert np.linalg.norm(thumbnails(smooth_images(3, 4, size)), axis=1) == pytest.approx(1, abs=1e-5)
