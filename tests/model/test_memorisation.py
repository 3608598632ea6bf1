import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter, rotate

from augmentor.model.memorisation import CopyCheck, make_copy_check, thumbnails, turned_views, views
from augmentor.model.mirroring import both_ways
from tests.expansion.smuggled import shifted


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
    "shifted, round the edge": lambda x: np.roll(x, (2, -2), (2, 3)),
    "shifted, black comes in": lambda x: shifted(x, -1.0),
    "shifted, white comes in": lambda x: shifted(x, 1.0),
    "shifted by one": lambda x: np.roll(x, (1, 0), (2, 3)),
    "noisy": lambda x: x + 0.04 * np.random.default_rng(2).normal(size=x.shape).astype(np.float32),
    "turned a little": lambda x: rotate(x, 8, (2, 3), reshape=False, order=1, mode="nearest"),
    "brighter": lambda x: 0.8 * x + 0.15,
    "brighter, and cut off": lambda x: np.clip(x + 0.2, -1, 1),
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
@pytest.mark.parametrize("size", [28, 64, 128])
def test_a_planted_copy_is_found_and_its_origin_named(disguise, size):
    training = smooth_images(60, 0, size)
    check = make_copy_check(training, range(60), smooth_images(60, 1, size))
    distances, rows = check.distances(np.ascontiguousarray(disguise(training)))
    assert (distances < check.threshold).mean() >= 0.98
    assert (rows == np.arange(60)).mean() >= 0.98


def test_a_copy_in_colour_is_found():
    coloured = np.repeat(TRAINING, 3, axis=1) * np.array([0.9, 0.7, 0.5], np.float32)[:, None, None]
    check = make_copy_check(coloured, range(60), None)
    assert (check.distances(coloured[:, ::-1])[0] < check.threshold).all()


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


def test_a_set_full_of_doubles_still_refuses_an_exact_copy():
    doubles = np.concatenate([TRAINING, TRAINING])  # under another patient's name
    check = make_copy_check(doubles, range(120), None)
    assert (check.distances(TRAINING)[0] < check.threshold).all()


def test_of_fewer_lesions_than_the_window_twins_are_held_to_as_much_less_of_a_percentile():
    """Among 512 synthetic lesions the nearest is nearer by chance than among 60 training ones."""
    apart = [CHECK.distances(OTHERS)[0], CHECK.distances(TRAINING, np.eye(60, dtype=bool))[0]]
    assert CHECK.threshold == pytest.approx(np.percentile(apart, 1))
    assert CHECK.twin_threshold == pytest.approx(np.percentile(apart, 60 / 512))
    assert 0 < CHECK.twin_threshold < CHECK.threshold


@pytest.mark.parametrize("size", [28, 31, 64, 128])
def test_views_are_thumbnails_of_the_image_that_torch_turned_and_zoomed(size):
    image = np.random.default_rng(0).normal(size=(1, 1, size, size)).astype(np.float32)
    moves = [(turn, zoom) for turn in (-8, 0, 8) for zoom in (1 / 1.09, 1, 1.09) if (turn, zoom) != (0, 1)]
    moved = np.concatenate([turned_by_torch(image, *move) for move in moves])
    np.testing.assert_allclose(views(image)[0, -len(moves) :], thumbnails(moved), atol=1e-6)


def turned_by_torch(image: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    pixels, angle = torch.tensor(image).double(), math.radians(degrees)
    cosine, sine = math.cos(angle) * zoom, math.sin(angle) * zoom
    matrix = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]], dtype=torch.float64)
    grid = F.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False).numpy()


def test_chunks_do_not_change_the_distances(monkeypatch):
    whole, _ = CHECK.distances(OTHERS)
    monkeypatch.setattr("augmentor.model.memorisation._CHUNK_NUMBERS", 8 * 33 * 60 * 7)
    monkeypatch.setattr("augmentor.model.memorisation._CHUNK", 25)
    assert CHECK.distances(OTHERS)[0] == pytest.approx(whole, abs=1e-6)
    assert views(TRAINING) == pytest.approx(CHECK.bank, abs=1e-6)


def test_each_image_has_the_parts_of_its_own_views_both_ways():
    images = smooth_images(3, 6)
    seen = turned_views(images)
    assert seen.shape == (3, 4, 66, 64)
    for image, turned in zip(images, seen, strict=True):
        assert turned == pytest.approx(both_ways(views(image[None])[0]), abs=1e-6)


@pytest.mark.parametrize("size", [16, 28, 64, 100])
def test_thumbnails_have_unit_length_at_any_size(size):
    assert np.linalg.norm(thumbnails(smooth_images(3, 4, size)), axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("size", "count"), [(28, 33), (64, 33), (128, 57)])
def test_an_image_is_found_in_its_own_views_however_it_is_mirrored_or_turned(size, count):
    images = smooth_images(2, 5, size)
    seen = views(images)
    assert seen.shape == (2, count, 256)
    assert seen[:, 0] == pytest.approx(thumbnails(images), abs=1e-6)
    for moved in (np.rot90(images, 1, (2, 3)), images[..., ::-1], np.rot90(images[..., ::-1], 3, (2, 3))):
        again, _ = CopyCheck(seen, 0.0, 1.0).distances(np.ascontiguousarray(moved))
        assert again == pytest.approx(0, abs=3e-3)
