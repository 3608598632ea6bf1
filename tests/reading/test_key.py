"""The order in which a reader sees the lesions."""

from __future__ import annotations

import numpy as np

from augmentor.reading.key import order_of, spelt_alike

IDS = [f"L{number:02d}" for number in range(60)]


def test_an_order_hangs_on_the_reading_the_reader_and_the_ids_alone():
    """Whatever was drawn before it, and whatever the lesions are called: a place says nothing of what a lesion is."""
    first = order_of("abc123abc123", "anna", IDS)
    np.random.default_rng(5).random(9)
    np.random.seed(7)  # the old state, which nothing may hang on
    assert order_of("abc123abc123", "anna", list(IDS)) == first
    assert sorted(first) == IDS
    renamed = order_of("abc123abc123", "anna", [f"M{name[1:]}" for name in IDS])
    assert [name[1:] for name in renamed] == [name[1:] for name in first]


def test_every_reader_and_every_reading_has_an_order_of_its_own():
    orders = [tuple(order_of(*names, IDS)) for names in (("a" * 12, "anna"), ("a" * 12, "ben"), ("b" * 12, "anna"))]
    assert len({*orders, tuple(IDS)}) == 4


def test_a_lesion_may_stand_anywhere():
    """Over many readers, each lesion comes early as often as late."""
    orders = [order_of("abc123abc123", f"reader{number}", IDS) for number in range(400)]
    places = np.array([[order.index(name) for name in IDS] for order in orders])
    assert np.abs(places.mean(0) - 29.5).max() < 4 * 17.32 / 20  # four standard errors of a uniform place


def test_a_letter_and_its_accent_are_one_letter():
    assert spelt_alike("Zoe\u0308") == spelt_alike(" Zo\u00eb ") == "Zo\u00eb"
    assert spelt_alike("Zoe") != spelt_alike("Zo\u00eb")
