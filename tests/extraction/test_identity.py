import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from augmentor.errors import UsageError
from augmentor.extraction.identity import doubts_about_sides, key_of, nameless, patients_of, pseudonym
from augmentor.extraction.scans import Scan

KEY = b"k" * 32


def test_a_pseudonym_is_the_same_for_one_patient_and_key_and_says_nothing():
    assert pseudonym("Doe-17", KEY) == pseudonym("Doe-17", KEY)
    assert re.fullmatch("p-[0-9a-f]{12}", pseudonym("Doe-17", KEY))
    assert pseudonym("Doe-17", KEY) != pseudonym("Doe-18", KEY)
    assert pseudonym("Doe-17", KEY) != pseudonym("Doe-17", b"x" * 32)


def test_pseudonyms_of_many_patients_are_all_different():
    assert len({pseudonym(str(n), KEY) for n in range(5000)}) == 5000


@pytest.mark.parametrize("spelt", ["doe-17 b", " DOE-17  B", "Doe-17\u00a0b"])
def test_however_a_patient_is_spelt_the_pseudonym_is_one(spelt):
    assert pseudonym(spelt, KEY) == pseudonym("Doe-17 b", KEY)


def test_a_scan_of_nobody_has_a_stand_in_of_its_own_by_its_file():
    one, other = (nameless(scan("", file), KEY) for file in ("a.nii", "A.nii"))
    assert re.fullmatch("scan:p-[0-9a-f]{12}", one)
    assert one != other
    assert one == nameless(scan("", "a.nii"), KEY)


# Whose a scan is


def scan(patient, file="x.nii"):
    return Scan((Path(file),), boxes=((1, 1, 5, 5),), patient=patient)


def whose(*scans):
    """Of (patient in the table, PatientID): the patients, and the doubts."""
    return patients_of([scan(named, f"{n}.nii") for n, (named, _) in enumerate(scans)], [own for _, own in scans])


def test_the_tables_patient_goes_before_the_headers():
    assert whose(("Doe", "MRN7"), ("", "MRN8"), ("Roe", ""), ("", "")) == (["doe", "mrn8", "roe", ""], [])


def test_a_scan_without_a_name_is_the_patients_whose_id_it_has_and_it_is_told():
    patients, (told,) = whose(("Doe", "MRN7"), ("", "mrn7 "), ("Roe", "MRN8"))
    assert patients == ["doe", "doe", "roe"]
    assert "have the PatientID of others that have one: 1, for example 1.nii" in told


def test_one_id_under_several_patients_is_told():
    patients, told = whose(("Doe", "MRN7"), ("Roe", "MRN7"), ("Doe", "MRN8"), ("", "MRN7"))
    assert patients == ["doe", "roe", "doe", "mrn7"]
    assert "Scans of one PatientID stand under several patients: 1 such, for example 0.nii and 1.nii" in told[0]
    assert "for example 3.nii" in told[1]
    assert len(told) == 2


def test_one_id_for_all_is_none_and_it_is_told_where_it_would_have_been_used():
    patients, (told,) = whose(("", "ANONYMOUS"), ("", "Anonymous"), ("Doe", "ANONYMOUS"))
    assert patients == ["", "", "doe"]
    assert "All 3 scans have one PatientID in their headers" in told
    assert whose(("Doe", "ANONYMOUS"), ("Roe", "ANONYMOUS")) == (["doe", "roe"], [])
    assert whose(("", "MRN7")) == (["mrn7"], [])
    assert whose(("", "MRN7"), ("", "MRN7"), ("", "")) == (["mrn7", "mrn7", ""], [])


def test_spellings_of_one_patient_and_numbers_that_may_be_one_are_told():
    patients, (one, several) = whose(("Doe", ""), ("doe", ""), ("", "12"), ("", "012"))
    assert patients == ["doe", "doe", "12", "012"]
    assert "'Doe' and 'doe'" in one
    assert "'12' and '012'" in several


# Sides


def sided(*places):
    """Of (patient, split, fold): the doubts; the n-th scan is n.nii."""
    scans = [(replace(scan("Doe", f"{n}.nii"), split=s, fold=f), own) for n, (own, s, f) in enumerate(places)]
    return doubts_about_sides(scans)


@pytest.mark.parametrize("column", ["split", "fold"])
def test_of_a_patient_on_several_sides_two_files_are_told_and_no_name(column):
    sides = [("p-1", "train"), ("p-2", "train"), ("p-1", ""), ("p-1", "train"), ("p-1", "test"), ("p-2", "train")]
    (told,) = sided(*((own, side, "") if column == "split" else (own, "", side) for own, side in sides))
    assert told.startswith(f"0.nii and 4.nii: of one patient (p-1), in several {column}s; a patient must stay in one.")
    assert "Doe" not in told
    assert "train" not in told, "a fold may be called as its only patient is"


def test_two_rows_of_one_image_on_two_sides_are_told_by_that_file():
    scans = [(replace(scan("", "a.nii"), split=split), "scan:p-1") for split in ("train", "test")]
    assert doubts_about_sides(scans)[0].startswith("a.nii: of one patient")


def test_of_many_patients_on_several_sides_the_first_are_told():
    told = sided(*((f"p-{n % 9}", "train" if n < 9 else "test", "") for n in range(18)))
    assert len(told) == 6
    assert told[-1] == "... and 4 more such patients."


# Keys


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
