import pytest

from augmentor.errors import UsageError
from augmentor.expansion.mix import wanted_counts
from augmentor.recipe import Recipe, wrong_factor


@pytest.mark.parametrize("factor", [0.5, 0, -1, float("nan"), float("inf")])
def test_a_factor_that_makes_no_sense_is_refused(factor):
    with pytest.raises(UsageError, match="--factor"):
        wanted_counts({"a": 10}, factor)


def test_wanted_counts_add_up():
    assert wanted_counts({"a": 10, "b": 4}, 3) == {"a": 20, "b": 8}
    assert wanted_counts({"a": 10, "b": 4}, 1.5) == {"a": 5, "b": 2}
    assert wanted_counts({"a": 10, "b": 4}, 1, balance=True) == {"a": 0, "b": 6}


def test_a_class_ends_at_the_whole_number_that_is_nearest_to_its_factor():
    assert wanted_counts({"a": 100, "b": 3}, 1.15) == {"a": 15, "b": 0}
    assert wanted_counts({"a": 3}, 1.6) == {"a": 2}


@pytest.mark.parametrize(
    ("factor", "balance", "told"),
    [
        (1e6, False, "13,999,986"),
        (1e6, True, "19,999,986"),
        (1e18, False, r"1\.4e\+19"),
        (1e308, False, "inf"),
        (1e308, True, "inf"),
    ],
)
def test_a_factor_that_would_fill_the_disk_is_refused_with_the_lesions_it_asks_for(factor, balance, told):
    with pytest.raises(UsageError, match=rf"would write the files of {told} synthetic .*1,000,000 are the most. Lower"):
        wanted_counts({"a": 10, "b": 4}, factor, balance)


def test_a_million_lesions_are_the_most():
    assert wanted_counts({"a": 100}, 10_001) == {"a": 1_000_000}
    with pytest.raises(UsageError, match=r"of 1,000,100 synthetic lesions beside 100 real ones"):
        wanted_counts({"a": 100}, 10_002)


@pytest.mark.parametrize("factor", [0.5, 0, -1, float("nan"), float("inf")])
def test_a_wrong_factor_is_told_alike_wherever_it_is_given(factor):
    told = wrong_factor(factor)
    assert f"factor {factor:g} must be 1 or more" in told
    assert "three times its real size" in told
    refusals = [lambda: wanted_counts({"a": 10}, factor)]
    refusals += [
        lambda name=name: Recipe().with_options(**{name: {"factor": factor}}) for name in ("expand", "benchmark")
    ]
    for refusal in refusals:
        with pytest.raises(UsageError) as refused:
            refusal()
        assert str(refused.value).startswith(f"--factor: {told}")
    assert not wrong_factor(1)
