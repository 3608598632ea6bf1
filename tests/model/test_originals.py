"""How an image is compared with lesions; that a copy is found whatever was done to it is in test_memorisation.py."""

from functools import lru_cache

import numpy as np
import pytest

from augmentor.model.originals import Originals, distance_of
from augmentor.model.thumbnails import fine_views, views
from tests.expansion.smuggled import moved
from tests.model.test_memorisation import OTHERS, TRAINING


@lru_cache
def originals_of() -> Originals:
    """Sixty lesions."""
    return Originals(views(TRAINING), fine_views(TRAINING))


def test_chunks_do_not_change_the_distances(monkeypatch):
    whole, _ = originals_of().distances(OTHERS)
    monkeypatch.setattr("augmentor.model.originals._CHUNK_NUMBERS", 8 * 32 * 60 * 7)
    monkeypatch.setattr("augmentor.model.originals._TOGETHER", {2: 3})
    monkeypatch.setattr("augmentor.model.thumbnails._CHUNK_NUMBERS", 25 * 120 * 256)
    assert originals_of().distances(OTHERS)[0] == pytest.approx(whole, abs=1e-6)
    assert views(TRAINING) == pytest.approx(originals_of().views, abs=1e-6)
    assert fine_views(TRAINING) == pytest.approx(originals_of().fine, abs=1e-6)


def test_chunks_do_not_change_which_lesions_are_left_out(monkeypatch):
    patients = np.arange(60) // 2
    apart = patients[:, None] == patients[None]
    whole, rows = originals_of().distances(TRAINING, apart)
    monkeypatch.setattr("augmentor.model.originals._CHUNK_NUMBERS", 8 * 32 * 60 * 7)
    again, rows_again = originals_of().distances(TRAINING, apart)
    assert again == pytest.approx(whole, abs=1e-6)
    assert (rows_again == rows).all()


def test_the_fine_alignment_only_brings_the_nearest_nearer_and_by_half_and_more_where_it_is_a_copy():
    copies = moved(TRAINING, degrees=-5, zoom=1.05, shift=(2, -1))
    coarse, fine = (one.distances(copies)[0] for one in (Originals(originals_of().views), originals_of()))
    assert (fine <= coarse + 1e-6).all()
    assert np.median(fine) < 0.5 * np.median(coarse)


def test_lesions_that_are_not_to_be_compared_stay_out_of_the_fine_alignment():
    few = Originals(originals_of().views[:3], originals_of().fine[:3])
    distances, rows = few.distances(TRAINING[:3], np.eye(3, dtype=bool))
    assert (rows != np.arange(3)).all()
    assert distances.min() > 0.3
    assert few.distances(TRAINING[:1], np.ones((1, 3), bool))[0] == pytest.approx(2)


def test_leaving_lesions_out_is_as_if_they_were_not_there():
    """Though they are likest by coarse views, they take no place among those that are aligned finely."""
    copies, others = np.repeat(TRAINING[:1], 10, axis=0), OTHERS[:10]
    left = Originals(views(others), fine_views(others)).distances(TRAINING[:1])
    images = np.concatenate([others, copies])
    whole = Originals(views(images), fine_views(images)).distances(TRAINING[:1], np.arange(20)[None] >= 10)
    assert whole[0] == pytest.approx(left[0], abs=1e-6)
    assert whole[1] == left[1]


def test_likenesses_are_those_by_coarse_views():
    likest = np.concatenate([found.max(1) for _, found in originals_of().likenesses(OTHERS)])
    assert distance_of(likest) == pytest.approx(Originals(originals_of().views).distances(OTHERS)[0])


def test_coarse_distances_are_those_without_fine_views():
    coarse, apart = Originals(originals_of().views), np.eye(60, dtype=bool)
    for images, not_rows in ((OTHERS, None), (TRAINING, apart)):
        found = originals_of().distances(images, not_rows, finely=False)
        assert all((a == b).all() for a, b in zip(found, coarse.distances(images, not_rows), strict=True))
        assert (found[0] > originals_of().distances(images, not_rows)[0]).any()
