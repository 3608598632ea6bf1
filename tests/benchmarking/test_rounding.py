"""No number may be rounded over the limit that was concluded from."""

import numpy as np
import pytest

from augmentor.benchmarking.rounding import clear_form, tell_p


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (0.0497, "= 0.0497"),
        (0.04999, "= 0.04999"),
        (0.0503, "= 0.0503"),
        (0.02, "= 0.02"),
        (0.2, "= 0.2"),
        (1.0, "= 1"),
        (0.05, "= 0.05"),
        (0.001, "= 0.001"),
        (0.00099, "< 0.001"),
        (0.0, "< 0.001"),
    ],
)
def test_a_p_value_is_told_on_its_side_of_the_limit(p, told):
    assert tell_p(p) == told


def test_whatever_is_told_says_what_was_concluded():
    rng = np.random.default_rng(0)
    near = np.concatenate([0.05 + s * 10.0 ** -rng.uniform(2, 8, 200) for s in (-1, 1)])
    for p in near:
        for form in (".2g", ".3f"):
            assert (float(tell_p(p, form).removeprefix("= ")) < 0.05) == (p < 0.05)


@pytest.mark.parametrize(
    ("value", "form"),
    [(0.04, ".2f"), (-0.04, ".2f"), (0.002, ".3f"), (0.6, ".1f"), (-12.34, ".1f"), (0.0, ".1f"), (1e-12, ".1f")],
)
def test_a_bound_has_as_many_digits_as_tell_it_from_zero(value, form):
    assert clear_form(value, ".1f") == form


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bound_beside_zero_never_reads_as_zero(sign):
    for value in sign * 10.0 ** -np.random.default_rng(1).uniform(0, 8, 200):
        assert float(f"{value:{clear_form(value, '.1f')}}") * sign > 0
