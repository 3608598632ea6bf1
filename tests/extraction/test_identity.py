import re
import stat

import pytest

from augmentor.errors import UsageError
from augmentor.extraction.identity import key_of, pseudonym

KEY = b"k" * 32


def test_a_pseudonym_is_the_same_for_one_patient_and_key_and_says_nothing():
    assert pseudonym("Doe-17", KEY) == pseudonym("Doe-17", KEY)
    assert re.fullmatch("p-[0-9a-f]{12}", pseudonym("Doe-17", KEY))
    assert pseudonym("Doe-17", KEY) != pseudonym("Doe-18", KEY)
    assert pseudonym("Doe-17", KEY) != pseudonym("Doe-17", b"x" * 32)


def test_pseudonyms_of_many_patients_are_all_different():
    assert len({pseudonym(str(n), KEY) for n in range(5000)}) == 5000


def test_without_a_file_every_key_is_new(tmp_path):
    assert key_of(None, tmp_path) != key_of(None, tmp_path)


def test_a_key_file_is_made_once_for_its_owner_alone_and_read_again(tmp_path):
    file = tmp_path / "secret.key"
    key = key_of(file, tmp_path / "out")
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key_of(file, tmp_path / "out") == key == file.read_bytes()


def test_a_key_in_the_shared_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Who has the key can find the patients again: keep it elsewhere"):
        key_of(tmp_path / "out" / "secret.key", tmp_path / "out")


def test_a_key_that_could_be_guessed_is_refused(tmp_path):
    (tmp_path / "secret.key").write_bytes(b"1234")
    with pytest.raises(UsageError, match=r"secret\.key: holds 4 bytes; a key has 16 or more"):
        key_of(tmp_path / "secret.key", tmp_path / "out")


def test_a_key_needs_a_folder(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        key_of(tmp_path / "nowhere" / "secret.key", tmp_path / "out")
