"""How far lesions may be moved is read from the lesions themselves."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from augmentor.model.lesions import LoadedLesions
from augmentor.training.reach import RANGES, USUAL, choose_reach, measure_reach

SIZE, COUNT = 24, 36


def lesions(left: np.ndarray, seed: int = 1) -> LoadedLesions:
    """Grainy ellipses of many sizes to the left (1) or right (0) of the middle."""
    randomness, line = np.random.default_rng(seed), np.linspace(-1, 1, SIZE)
    images = []
    for side in np.where(left, -1, 1):
        size, aside = np.exp(0.15 * randomness.standard_normal(2))
        x = line * side - 0.35 * aside - 0.05 * randomness.standard_normal()
        y = line[:, None] - 0.05 * randomness.standard_normal()
        ellipse = ((x / (0.5 * size)) ** 2 + (y / (0.25 * size)) ** 2 < 1) * 1.2 - 0.6
        grain = 0.15 * gaussian_filter(randomness.standard_normal((SIZE, SIZE)), 0.7)
        images.append((gaussian_filter(ellipse + 0.3 * x, 0.5) + grain).clip(-1, 1))
    return LoadedLesions(torch.tensor(np.array(images), dtype=torch.float32)[:, None], torch.arange(COUNT) % 2)


LEFT, EITHER = np.ones(COUNT), np.arange(COUNT) // 2 % 2
PATIENTS = np.arange(COUNT)


def test_what_always_lies_on_one_side_is_not_mirrored():
    found = [RANGES[measure_reach(lesions(LEFT, seed), PATIENTS)] for seed in range(1, 6)]
    assert all(reach.mirror == 0 for reach in found)


def test_what_lies_on_either_side_is_mirrored():
    """As a rule: a range that is as near is taken for a farther one by chance, in one set of twenty or so."""
    found = [RANGES[measure_reach(lesions(EITHER, seed), PATIENTS)] for seed in range(1, 6)]
    assert sum(reach.mirror == 0.5 for reach in found) >= 4
    assert all(reach.rotation_degrees < 180 for reach in found)


def distances(**means: float) -> dict[str, np.ndarray]:
    """Of four parts; each range is 0.1 from the next in all of them, give or take 0.01, unless told otherwise."""
    chance = np.array([0.01, -0.01, 0.01, -0.01])
    return {name: means.get(name.replace(" ", "_"), 0.9) + chance * i for i, name in enumerate(RANGES)}


@pytest.mark.parametrize(
    ("means", "name"),
    [
        ({"any_angle": 0.3, "usual": 0.3, "slight": 0.3}, "usual"),
        ({"any_angle": 0.3, "usual": 0.305, "slight": 0.3}, "usual"),  # not clearly farther
        ({"any_angle": 0.3, "usual": 0.5}, "any angle"),
        ({"any_angle": 0.3, "usual": 0.5, "slight": 0.3}, "any angle"),
        ({"any_angle": 0.5, "usual": 0.5, "slight": 0.3}, "slight"),
    ],
)
def test_the_usual_range_stays_unless_another_is_clearly_nearer_and_then_the_widest_is_taken(means, name):
    assert choose_reach(distances(**means)) == name


@pytest.mark.parametrize("patients", [np.zeros(COUNT, int), np.arange(COUNT) % 2])
def test_with_too_few_patients_to_tell_the_usual_range_stays(patients):
    assert measure_reach(lesions(LEFT), patients) == USUAL


def test_a_class_of_a_lesion_or_two_is_no_obstacle():
    side = lesions(LEFT)
    labels = torch.tensor([2] * 2 + [1] + [0] * (COUNT - 3))
    assert RANGES[measure_reach(LoadedLesions(side.images, labels), PATIENTS)].mirror == 0


def test_masks_are_no_part_of_what_is_compared():
    side = lesions(LEFT)
    masks = torch.rand(side.images.shape, generator=torch.Generator().manual_seed(0)) * 0.1 - 1
    masked = LoadedLesions(torch.cat([side.images, masks], 1), side.labels)
    assert measure_reach(masked, PATIENTS, masks=1) == measure_reach(side, PATIENTS)


def test_volumes_with_sizes_are_measured_too():
    side = lesions(LEFT)
    grain = torch.randn(COUNT, 1, SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) / 20
    depth = torch.linspace(-1, 1, SIZE).view(-1, 1, 1).abs() < torch.linspace(0.4, 0.7, COUNT).view(-1, 1, 1, 1, 1)
    volumes = (side.images[:, :, None] * depth - 0.6 * ~depth + grain).clamp(-1, 1)
    found = measure_reach(LoadedLesions(volumes, side.labels, torch.linspace(10, 40, COUNT)), PATIENTS)
    assert RANGES[found].mirror == 0


def test_a_standard_error_is_that_of_a_sample():
    """Of three parts the deviation with N in place of N - 1 is a fifth smaller, and the usual range would be left."""
    excess = np.array([0.86, 1.86, 0.16])
    assert 2 * excess.std(ddof=0) < excess.mean() * 3**0.5 < 2 * excess.std(ddof=1)
    assert choose_reach({"any angle": np.full(3, 9.0), USUAL: excess, "slight": np.zeros(3)}) == USUAL
