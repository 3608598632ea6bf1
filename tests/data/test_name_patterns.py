"""The patient in a file's name or path."""

from pathlib import Path

import pytest

from augmentor.data.name_patterns import name_pattern
from augmentor.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("pattern", "name", "patient"),
    [
        ("<patient>_<anything>", "p01_0003.png", "p01"),
        ("<patient>_<anything>", "p01_a_b.nii.gz", "p01"),
        ("<site>-<patient>-<slice>", "bonn-007-12.npy", "007"),
        ("<label>_<patient>_<anything>", "cyst_p01_3.png", "p01"),
        ("<patient>_", "p01_0003.png", "p01"),
        ("<patient>", "p01.png", "p01"),
        ("<patient>_<anything>.png", "p01_3.png", "p01"),
        ("case(<patient>)<anything>", "case(9)x.jpg", "9"),
        (r"(?P<patient>\d+)", "0012-slice3.png", "0012"),
        (r"IMG_(?P<patient>[A-Z]+)\d*", "IMG_AB12.tif", "AB"),
        (r"(?P<site>s\d)-(?P<patient>p\d+)_.*", "s1-p07_3.png", "p07"),
    ],
)
def test_the_patient_is_found_by_template_or_expression(pattern, name, patient):
    assert name_pattern(pattern).find(name) == patient


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("<label>_<patient>_<anything>", "cyst_p01_t1_003.png"), ("<label>/<patient>/<anything>", "cyst/p01/t1/a.nii.gz")],
)
def test_a_name_that_fits_in_two_ways_is_refused_with_an_expression_for_each(pattern, name):
    with pytest.raises(DataError, match="'p01' or 't1'") as told:
        name_pattern(pattern).find(name)
    first, last = str(told.value).partition("as a regular expression: ")[2].rstrip(".").split(" or ")
    assert [name_pattern(one.strip("'")).find(name) for one in (first, last)] == ["p01", "t1"]


@pytest.mark.parametrize("pattern", ["p_<anything>", "(?P<patient>", "<patient>_<patient>", ".*"])
def test_a_pattern_that_names_no_patient_is_refused(pattern):
    with pytest.raises(UsageError, match="--patient-pattern"):
        name_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "patient"),
    [
        ("<patient>/<anything>", "site"),
        ("<site>/<patient>/<anything>", "p01"),
        (r".*/(?P<patient>p\d+)/.*", "p01"),
        (r"(?P<patient>[^/]+)_.*", "t1"),
        (r"(?P<patient>[^_/]+)/[^/]+", "site"),
        ("<patient>_<anything>", "t1"),
    ],
)
def test_a_pattern_with_a_slash_is_held_against_the_path_and_others_against_the_name(pattern, patient):
    home = Path("/data/in")
    for file in (home / "site/p01/t1_3.nii.gz", home / "x/../site/p01/t1_3.nii.gz"):
        assert name_pattern(pattern).find_all([file], home) == [patient]


def test_a_file_is_told_by_its_path_below_the_data(tmp_path):
    with pytest.raises(DataError, match=r"^a/1\.png: has no patient by '<patient>_<anything>' \(it has no '_'\);"):
        name_pattern("<patient>_<anything>").find_all([tmp_path / "a" / "1.png"], tmp_path)
    with pytest.raises(
        DataError, match=r"^/elsewhere/1\.png: has no patient by '<patient>_<anything>' \(it has no '_'\);"
    ):
        name_pattern("<patient>_<anything>").find_all([Path("/elsewhere/1.png")], tmp_path)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("<patient>-<anything>", "(it has no '-')"),
        ("<patient>_*", "(for any text write <anything>, not *)"),
        ("<site>__<patient>", "(it has no '__')"),
        (r"x(?P<patient>\d)", ""),
    ],
)
def test_the_pattern_is_told_as_it_was_given_with_what_the_name_lacks(pattern, why):
    with pytest.raises(DataError) as told:
        name_pattern(pattern).find("p01_001.png")
    assert (
        str(told.value) == f"p01_001.png: has no patient by {pattern!r}{why and f' {why}'}; correct --patient-pattern."
    )
