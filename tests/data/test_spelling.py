import unicodedata

import pytest

from augmentor.data.spelling import seen, spelling_key


@pytest.mark.parametrize("other", ["MÜLLER", "mu\u0308ller", "Mül\u200bler", "\ufeffmüller", "mu\u200b\u0308ller"])
def test_case_encoding_and_unseen_characters_tell_no_names_apart(other):
    assert spelling_key(other) == spelling_key("Müller")


@pytest.mark.parametrize("other", ["muller", "müller ", "müller1", "m\u00fcIler"])
def test_what_is_seen_tells_names_apart(other):
    assert spelling_key(other) != spelling_key("Müller")


def test_a_key_is_its_own_and_that_of_every_encoding():
    letters = map(chr, range(0x3100))
    names = [f"p{letter}{mark}1" for letter in letters for mark in ("", "\u0301", "\u200d")]
    keys = [spelling_key(name) for name in names]
    assert [spelling_key(key) for key in keys] == keys
    assert [spelling_key(unicodedata.normalize("NFD", name)) for name in names] == keys
    assert all(seen(seen(name)) == seen(name) for name in names)
