import numpy as np
import pytest

from augmentor import measures

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(60, 8))
OTHERS = RNG.normal(size=(80, 8))
FAR = RNG.normal(8, 1, size=(80, 8))


@pytest.mark.parametrize("measure", [measures.coverage, measures.precision, measures.recall])
def test_a_set_covers_itself_wholly_and_a_far_one_not_at_all(measure):
    assert measure(POINTS, POINTS) == 1
    assert measure(POINTS, FAR) == 0


def test_density_of_a_set_in_itself_is_about_one():
    assert measures.density(POINTS, OTHERS) == pytest.approx(1, abs=0.35)
    assert measures.density(POINTS, FAR) == 0


@pytest.mark.parametrize("measure", [measures.kid, measures.mmd])
def test_the_distance_of_one_distribution_to_itself_is_zero_on_average(measure):
    draws = [measure(RNG.normal(size=(40, 8)), RNG.normal(size=(40, 8))) for _ in range(60)]
    spread = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * spread
    assert measure(POINTS, FAR) > 10 * np.std(draws)


def test_kid_is_the_mean_over_pairs_written_out():
    a, b = POINTS[:5], OTHERS[:4]

    def kernel(x, y):
        return (x @ y / a.shape[1] + 1) ** 3

    aa = np.mean([kernel(a[i], a[j]) for i in range(5) for j in range(5) if i != j])
    bb = np.mean([kernel(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    ab = np.mean([kernel(x, y) for x in a for y in b])
    assert measures.kid(a, b) == pytest.approx(aa + bb - 2 * ab)


def test_coverage_is_bounded_by_the_variety_of_the_synthetic_set():
    collapsed = np.repeat(POINTS[:1], 200, axis=0)
    assert measures.coverage(POINTS, collapsed) < 0.3


def test_standardise_uses_the_reference_only():
    reference, other = measures.standardise(POINTS * 3 + 1, OTHERS)
    assert reference.mean(0) == pytest.approx(0, abs=1e-9)
    assert reference.std(0) == pytest.approx(1)
    assert other.std(0).mean() < 0.5
