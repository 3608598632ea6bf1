import numpy as np
import pytest

from augmentor.model.mirroring import best_likenesses, both_ways, parities, within

SIDES = {256: (16, 16), 512: (8, 8, 8)}


def mirrorings(small: np.ndarray) -> list[np.ndarray]:
    """(M, 256 or 512) -> 8 or 16 of (M, 256 or 512): mirrored and turned one by one."""
    grids = [small.reshape(-1, *SIDES[small.shape[1]])]
    for axis in range(1, grids[0].ndim):
        grids += [np.flip(grid, axis) for grid in grids]
    grids += [grid.swapaxes(-1, -2) for grid in grids]
    return [grid.reshape(small.shape) for grid in grids]


def some_thumbnails(count: int, numbers: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, numbers)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("numbers", SIDES)
def test_the_best_is_the_best_of_all_mirrorings_and_turns_one_by_one(numbers):
    some, others = some_thumbnails(5, numbers, 0), some_thumbnails(7, numbers, 1)
    turned = mirrorings(some)
    assert len({one.tobytes() for one in turned}) == {256: 8, 512: 16}[numbers]
    found = best_likenesses(both_ways(some), parities(others).swapaxes(1, 2))
    assert found.reshape(2, 5, 7).max(0) == pytest.approx(np.max([one @ others.T for one in turned], axis=0), abs=1e-6)


@pytest.mark.parametrize("numbers", SIDES)
def test_parts_keep_lengths_and_come_first_as_they_are(numbers):
    some = some_thumbnails(3, numbers, 2)
    assert np.linalg.norm(parities(some), axis=(0, 2)) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(both_ways(some)[:, :3], parities(some))


@pytest.mark.parametrize("numbers", SIDES)
def test_within_a_disc_the_best_is_the_best_of_what_a_disc_shows_of_all_mirrorings_and_turns(numbers):
    some, others = some_thumbnails(5, numbers, 0), some_thumbnails(7, numbers, 1)
    places = np.indices(SIDES[numbers]) - (SIDES[numbers][0] - 1) / 2
    inside = ((places**2).sum(0) <= (SIDES[numbers][0] / 2) ** 2).ravel()

    def shown(small):
        disc = small[:, inside] - small[:, inside].mean(1, keepdims=True)
        return disc / np.linalg.norm(disc, axis=1, keepdims=True)

    found = best_likenesses(within(both_ways(some)), within(parities(others)).swapaxes(1, 2))
    expected = np.max([shown(one) @ shown(others).T for one in mirrorings(some)], axis=0)
    assert found.reshape(2, 5, 7).max(0) == pytest.approx(expected, abs=1e-6)
