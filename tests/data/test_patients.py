import unicodedata

import pandas as pd
import pytest

from augmentor.data.lesions import make_lesions
from augmentor.data.patients import doubts_about, doubts_about_cut, one_name_each, patient_key

SPELLINGS = [
    "MÜLLER 7",
    "müller 7",
    " Müller  7 ",
    "Müller\u00a07",
    unicodedata.normalize("NFD", "Müller 7"),
    "Müller\t7",
    "M\u00fcl\u200bler 7",
    "\ufeffMu\u200d\u0308ller 7",
    "M\u00fcller\u200e 7\u00ad",
]
SEVERAL = ["MRN7", "MRN 7", "MRN8", "12", "012", "12.0", "1-2", "Muller 7", "müller 7"]


def lesions_of(patients):
    columns = {"path": [f"{n}.png" for n in range(len(patients))], "label": ["a"] * len(patients)}
    return make_lesions(columns | {"patient": list(patients)}, "set")


def test_case_blanks_and_the_encoding_of_letters_tell_no_two_patients_apart():
    assert len({patient_key(name) for name in SPELLINGS}) == 1
    assert all(patient_key(patient_key(name)) == patient_key(name) for name in SPELLINGS)


@pytest.mark.parametrize(("one", "other"), [("Groß 1", "GROSS 1"), ("\u0390ris", "\u0390ris".upper())])
def test_letters_that_are_several_in_the_other_case_tell_no_two_patients_apart(one, other):
    """The second is an iota with two marks, which has no capital of its own."""
    assert patient_key(one) == patient_key(other)


def test_everything_else_does():
    assert len({patient_key(name) for name in SEVERAL}) == len(SEVERAL)


def test_a_name_that_can_not_be_seen_is_none():
    lesions = lesions_of(["\u200b", " \ufeff", "p1"])
    assert lesions.table["patient"].tolist() == ["image:0.png", "image:1.png", "p1"]
    (told,) = lesions.warnings
    assert "No patient is known for 2 of 3 images" in told


@pytest.mark.parametrize("known", ["image:", "dicom:"])
def test_patients_who_are_called_by_a_file_are_as_many_as_the_files(known):
    names = [f"{known}/x/A.png", f"{known}/x/a.png", f"{known}/x/01.png", f"{known}/x/1.png"]
    assert [patient_key(name) for name in names] == names
    assert one_name_each(pd.Series(names)).tolist() == names
    assert not doubts_about(names)


def test_a_patient_of_several_spellings_is_one_in_the_table_by_the_first_of_them_and_both_are_told():
    lesions = lesions_of([*SPELLINGS, "p2"])
    assert lesions.table["patient"].tolist() == [SPELLINGS[0]] * len(SPELLINGS) + ["p2"]
    assert lesions.per_class().loc["a", "patients"] == 2
    (told,) = lesions.warnings
    assert "spelt in several ways count as one: 1, for example 'MÜLLER 7' and 'müller 7'" in told


def test_letters_of_another_encoding_can_be_told_apart_in_the_warning():
    (told,) = lesions_of(["é", "e\u0301"]).warnings
    assert r"'é' and 'e\u0301'" in told


@pytest.mark.parametrize("name", ["NA", "#N/A", "N.A.", "nan", "<NA>", "(NULL)", "None", "?", "--", "Unknown", "unk"])
def test_a_patient_called_as_if_nobody_were_known_is_doubted(name):
    (told,) = lesions_of([name, name, "Nanni", "p.1", "unkel"]).warnings
    assert told.startswith(f"What is called {name!r} counts as one patient")
    assert "leave the cell empty" in told


def test_names_without_such_spellings_stay_as_they_are_and_nothing_is_told():
    names = ["p1", "P2", "p 3", "Müller", "0x1f", "", "p1"]
    lesions = make_lesions({"path": list("abcdefg"), "label": list("aaaaaaa"), "patient": names}, "set")
    assert lesions.table["patient"].tolist()[:5] == names[:5]
    assert not [told for told in lesions.warnings if "No patient is known" not in told]


@pytest.mark.parametrize(
    "names",
    [
        *(["12", "012"], ["12", "12.0"], ["P01", "P1"], ["MRN7", "MRN 7"]),
        *(["MRN-7", "MRN7"], ["MRN_7", "MRN.7"], ["MRN-07", "mrn 7"], ["a.b", "ab"], ["p_1.0", "P-01"]),
    ],
)
def test_names_that_may_be_of_one_patient_count_as_several_and_are_told(names):
    lesions = lesions_of([*names, "99"])
    assert lesions.table["patient"].tolist() == [*names, "99"]
    (told,) = lesions.warnings
    assert f"count as several: 1 such, for example {names[0]!r} and {names[1]!r}" in told


@pytest.mark.parametrize("names", [["12", "13"], ["1.5", "15"], ["10", "1"], ["100", "10"], ["p1-01", "p1-1x"]])
def test_other_numbers_are_not_told(names):
    assert not lesions_of(names).warnings


def cut(names, classes=2):
    return doubts_about_cut(names, names, classes, "<patient>")


@pytest.mark.parametrize(
    "names",
    [
        [f"p{p:02}_{n:03}" for p in range(5) for n in range(3)],
        [f"{p:06}_{n:02}_01_109" for p in range(5) for n in range(3)],
        [f"cyst-p{p}-{n}" for p in range(5) for n in range(2)],
    ],
)
def test_a_cut_that_gives_each_image_its_own_patient_is_doubted_where_names_share_beginnings(names):
    (told,) = cut(names)
    assert told.startswith(
        f"Each of {len(names)} images has its own patient by '<patient>' ({names[0]}, {names[1]}, ...)"
    )


@pytest.mark.parametrize(
    "names",
    [
        [f"{n:04}" for n in range(12)],
        [f"ISIC_{n:07}" for n in range(12)],
        [f"ISIC_{n:07}_downsampled" for n in range(12)],
        [f"{name}_{n:03}" for name in ("cyst", "grade2") for n in range(6)],
        [f"grade{grade}_{n:03}" for grade in (1, 2) for n in range(6)],
        [f"p{n}_0" for n in range(12)],
        [f"{site}_{n}" for site in ("bonn", "graz", "linz") for n in range(4)],
        ["p1_1", "p1_2", "p2_1", "p2_2"],
    ],
)
def test_a_cut_is_not_doubted_where_no_other_is_likely(names):
    assert not cut(names)


def test_a_cut_that_gives_a_patient_several_images_is_not_doubted():
    names = [f"p{p}_{n}_x" for p in range(6) for n in range(2)]
    assert not doubts_about_cut([name[:2] for name in names], names, 2, "<patient>_<anything>")
