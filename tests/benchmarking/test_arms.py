"""What each arm trains on."""

from typing import get_args

import numpy as np
import pytest

from augmentor.benchmarking.arms import ARMS, build_training_set
from augmentor.recipe import ArmName

LABELS = np.repeat([0, 1, 2], [10, 6, 4])
REAL = np.arange(20, dtype=np.float32).reshape(20, 1, 1, 1), LABELS
SYNTHETIC = -1 - np.arange(40, dtype=np.float32).reshape(40, 1, 1, 1), np.repeat([0, 1, 2], [20, 12, 8])
NAMES = sorted(ARMS)


def built(name, factor=3.0, synthetic=SYNTHETIC, seed=0):
    return build_training_set(ARMS[name], REAL, synthetic if ARMS[name].gan else None, factor, seed)


def test_every_arm_of_the_recipe_exists():
    assert set(ARMS) == set(get_args(ArmName))


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_draws_as_often_as_the_fold_has_lesions_however_many_rows_it_has(name):
    assert built(name).draws == len(LABELS)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_rows_are_real_and_the_others_synthetic(name):
    made = built(name)
    values = made.images.ravel()
    assert (values[: made.n_real] >= 0).all()
    assert (values[made.n_real :] < 0).all()
    assert made.n_synthetic == (len(SYNTHETIC[1]) if ARMS[name].gan else 0)
    images, labels = (np.concatenate(both) for both in zip(REAL, SYNTHETIC, strict=True))
    known = dict(zip(images.ravel(), labels, strict=True))
    assert [known[value] for value in values] == made.labels.tolist()


def test_the_arm_of_synthetic_lesions_alone_holds_no_real_one_and_every_other_arm_holds_them_all():
    for name in NAMES:
        real = built(name).images.ravel()[: built(name).n_real]
        assert set(real) == (set() if name == "gan-only" else set(REAL[0].ravel()))


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_resampled_is_as_large_as_with_synthetic_lesions_and_holds_each_real_one(factor):
    made = built("resampled", factor)
    assert np.bincount(made.labels).tolist() == [factor * count for count in np.bincount(LABELS)]
    assert set(made.images.ravel()) == set(REAL[0].ravel())
    other = built("resampled", factor, seed=1)
    assert not np.array_equal(np.sort(made.images.ravel()), np.sort(other.images.ravel()))


def test_only_where_there_are_synthetic_lesions_is_trained_on_them_first():
    assert [name for name in NAMES if built(name).pretrain] == ["pretrain-gan"]
    nothing = SYNTHETIC[0][:0], SYNTHETIC[1][:0]
    assert not built("pretrain-gan", synthetic=nothing).pretrain
    assert not built("pretrain-gan", synthetic=None).pretrain


def test_one_stage_of_pretraining_holds_its_own_lesions_and_is_no_pretraining():
    made = built("pretrain-gan")
    first, then = made.rows(slice(made.n_real, None)), made.rows(slice(made.n_real))
    assert (first.n_real, first.n_synthetic, then.n_real, then.n_synthetic) == (0, 40, 20, 0)
    assert not first.pretrain
    assert not then.pretrain
    assert first.draws == then.draws == made.draws


def test_only_the_arm_of_real_lesions_as_they_are_is_not_augmented():
    assert [name for name in NAMES if not built(name).augment] == ["real"]
    assert [name for name in NAMES if built(name).mixup] == ["mixup"]
