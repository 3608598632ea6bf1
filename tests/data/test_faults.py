from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.data.faults import require_alike, require_readable
from augmentor.data.lesions import make_lesions
from augmentor.data.splits import holdout
from augmentor.data.windows import RECORD
from augmentor.errors import DataError
from tests.data.small_sets import picture, sound, write


def test_exact_duplicates_of_one_patient_are_told_and_do_no_harm(tmp_path):
    lesions = write(tmp_path, *sound("a"), *sound("b"), ("a", "a0", picture(970)))
    found = inspect(lesions)
    assert found.exact_duplicates == [[lesions.paths[0], lesions.paths[4]]]
    assert not found.duplicates_across_patients
    assert not [told for told in found.warnings if "2 patients, of whom a fit" not in told]


def test_duplicates_are_found_in_whatever_format(tmp_path):
    lesions = write(tmp_path, *sound("a"), *sound("b"))
    Image.fromarray(picture(970)).save(tmp_path / "copy.tif")
    paths, labels = [*lesions.paths, str(tmp_path / "copy.tif")], [*lesions.table["label"], "a"]
    found = inspect(make_lesions({"path": paths, "label": labels}, tmp_path))
    assert found.exact_duplicates == [[paths[0], paths[4]]]


def test_duplicates_across_patients_splits_and_folds_bring_a_warning(tmp_path):
    same = picture(5)
    for more in ({}, {"split": "test"}, {"fold": "test"}):
        rows = [("a", "p", same, dict.fromkeys(more, "train")), ("a", "q", same, more)]
        found = inspect(write(tmp_path, *sound("b"), *rows))
        assert len(found.duplicates_across_patients) == 1
        assert len(found.duplicates_across_splits) == (1 if more else 0)
        assert any("under several patients" in w for w in found.warnings)
        assert any("under several splits" in w for w in found.warnings) == bool(more)


def test_one_image_under_two_labels_brings_a_warning(tmp_path):
    same = picture(5)
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", same), ("b", "q", same)))
    assert any("under two labels" in w for w in found.warnings)


@pytest.mark.parametrize("column", ["label", "patient"])
def test_one_file_under_two_labels_or_patients_is_a_problem(tmp_path, column):
    rows = [*sound("a"), *sound("b")]
    whole = write(tmp_path, *rows)
    names = sorted({whole.table[column].iloc[0], "b"})
    twice = pd.concat([whole.table, whole.table.head(1).assign(**{column: "b"})], ignore_index=True)
    told = f"{whole.paths[0]} stands under {' and '.join(names)}; an image has one {column}. Leave the other rows out."
    assert told in inspect(replace(whole, table=twice)).problems


def test_unreadable_files_are_all_named_and_forbid_a_fit(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), *[("a", "p", None)] * 3))
    assert [f"{tmp_path}/{i}.png" in line for i, line in enumerate(found.unreadable, 4)] == [True] * 3
    assert found.problems == found.unreadable
    assert found.lesions.table["content"].tolist()[4:] == [""] * 3
    assert not found.exact_duplicates


def test_many_unreadable_files_are_counted(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), *[("a", "p", None)] * 9))
    assert len(found.unreadable) == 9
    assert "... and 4 more such files." in found.problems


def test_mixed_channels_are_counted(tmp_path):
    colour = np.stack([picture(i) for i in range(3)], -1)
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", colour)))
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"Mixed channel counts: 4 of 1, 1 of 3 (for example {tmp_path / '4.png'}).")


def test_mixed_dtypes_are_counted(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", picture().astype(np.uint16))))
    assert found.problems[0].startswith("Mixed dtypes: 4 of uint8, 1 of uint16 (for example ")


def test_one_class_is_a_problem(tmp_path):
    found = inspect(write(tmp_path, *sound("a")))
    assert len(found.problems) == 1
    assert "has one class, 'a'" in found.problems[0]


def test_one_patient_a_class_is_a_problem_for_each_class(tmp_path):
    found = inspect(write(tmp_path, ("a", "p", picture(1)), ("b", "q", picture(2)), ("b", "q", picture(3))))
    assert [p[:31] for p in found.problems] == ["Class 'a' has 1 patient (1 imag", "Class 'b' has 1 patient (2 imag"]


@pytest.mark.parametrize("column", ["split", "fold"])
def test_a_patient_in_two_parts_is_named_with_them(tmp_path, column):
    names = ("train", "test")
    rows = [("a", "p", picture(i), {column: name}) for i, name in enumerate(names)]
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), *rows))
    assert found.problems == [
        f"Patient 'p' is in {column}s test, train; a patient must stay in one. Correct the {column} column."
    ]


@pytest.mark.parametrize("other", ["Cyst", "CYST", "cyst "])
def test_classes_that_differ_in_case_or_spaces_alone_are_a_problem(tmp_path, other):
    rows = [
        (label, f"{label}{p}", picture(number * 10 + p)) for number, label in enumerate(("cyst", other)) for p in (1, 2)
    ]
    (problem,) = inspect(write(tmp_path, *rows)).problems
    assert f"{other!r}" in problem
    assert "'cyst'" in problem
    assert "Spell them alike" in problem


def test_classes_that_differ_in_the_encoding_of_letters_alone_are_a_problem(tmp_path):
    names = ("Zyste", "Hämangiom", "Ha\u0308mangiom")
    rows = [(label, f"{label}{p}", picture(number * 10 + p)) for number, label in enumerate(names) for p in (1, 2)]
    (problem,) = inspect(write(tmp_path, *rows)).problems
    assert r"'Ha\u0308mangiom' and 'Hämangiom'" in problem


def test_a_patient_in_two_parts_under_two_spellings_is_named(tmp_path):
    rows = [("a", name, picture(i), {"split": s}) for i, (name, s) in enumerate((("P 1", "train"), ("p 1", "test")))]
    (problem,) = inspect(write(tmp_path, *sound("a"), *sound("b"), *rows)).problems
    assert "Patient 'P 1' is in splits test, train" in problem


def few_patients_told(lesions, **options):
    return [told for told in inspect(lesions, **options).warnings if "Class 'a' has" in told]


@pytest.mark.parametrize(("patients", "held_out", "told"), [(2, True, True), (3, True, False), (2, False, False)])
def test_a_class_of_which_a_fit_has_one_patient_left_is_warned_of(tmp_path, patients, held_out, told):
    """`holdout` then leaves one patient, of whose single lesion no other can be made."""
    rows = [(label, f"{label}{n}", picture(ord(label) * 10 + n)) for label in "ab" for n in range(patients)]
    lesions = write(tmp_path, *rows)
    found = few_patients_told(lesions, holds_out=held_out)
    assert bool(found) is told
    left = lesions.rows(holdout(lesions, 0.2 * held_out, 0)[0]).per_class()["patients"].min()
    assert bool(left == 1) is told
    assert all("Give it 3 patients or more, or fit with --holdout 0." in line for line in found)


@pytest.mark.parametrize(("split", "told"), [("val", "has 1 patient to train on"), ("test", "has 2 patients, of whom")])
def test_patients_to_train_on_are_counted_as_a_split_leaves_them(tmp_path, split, told):
    splits = ["train", split, split, ""] if split == "test" else ["train", split, split]
    rows = [(c, f"{c}{n}", picture(ord(c) * 10 + n), {"split": s}) for c in "ab" for n, s in enumerate(splits)]
    (line,) = few_patients_told(write(tmp_path, *rows))
    assert told in line


def test_many_patients_in_two_parts_are_counted(tmp_path):
    rows = [("a", f"p{i}", picture(i), {"split": s}) for i in range(8) for s in ("train", "test")]
    assert inspect(write(tmp_path, *sound("b"), *rows)).problems[-1] == "... and 3 more such patients."


def test_images_and_volumes_in_one_set_are_a_problem(tmp_path):
    columns = {"path": [], "label": [], "patient": []}
    for number in range(8):
        file = tmp_path / f"{number}.npy"
        np.save(file, np.random.default_rng(number).integers(0, 9, (8, 8, 8) if number == 3 else (8, 8)))
        for name, value in (("path", str(file)), ("label", "ab"[number % 2]), ("patient", f"p{number}")):
            columns[name].append(value)
    found = inspect(make_lesions(columns, tmp_path))
    assert found.dims == {2, 3}
    (problem,) = found.problems
    assert "Images and volumes" in problem
    assert "1 of 8x8x8" in problem


def test_lesions_of_two_windows_are_a_problem(tmp_path):
    written = {}
    for name, slope in (("narrow", 0.0046), ("wide", 0.0305)):
        (tmp_path / name / "a").mkdir(parents=True)
        (tmp_path / name / RECORD).write_text(f"[png]\nslope = {slope}\nintercept = -160.0\n")
        written[name] = tmp_path / name / "a" / "1.png"
        Image.fromarray(picture()).save(written[name])
    both = make_lesions(
        {"path": list(map(str, written.values())), "label": ["a", "b"], "patient": ["p", "q"]}, tmp_path
    )
    (told,) = (problem for problem in inspect(both).problems if "different windows" in problem)
    assert f": {written['narrow']} (stored x 0.0046 -160) and {written['wide']} (stored x 0.0305 -160). " in told
    assert not any("different windows" in problem for problem in inspect(both.rows([0])).problems)


@pytest.mark.parametrize("name", ["b\rc.png", "b\nc.png", "l\udce4sion.png", "b\x1b[31mc.png", "b\u202egnp.exe.png"])
def test_names_that_no_table_can_give_back_are_a_problem(tmp_path, name):
    Image.fromarray(picture()).save(tmp_path / name)
    lesions = make_lesions({"path": [str(tmp_path / name)], "label": ["a"], "patient": ["p"]}, tmp_path)
    (told,) = (problem for problem in inspect(lesions).problems if "Rename" in problem)
    assert told.isprintable()
    assert ascii(name)[1:-1] in told


def test_an_odd_name_is_told_once_whatever_column_it_stands_in(tmp_path):
    columns = {name: ["odd\r", "odd\r"] for name in ("label", "patient", "mask", "fold")}
    found = inspect(make_lesions({"path": ["1.png", "2.png"]} | columns, tmp_path))
    assert len([problem for problem in found.problems if "Rename" in problem]) == 1
    masked = make_lesions({"path": ["1.png"], "label": ["a"], "mask": ["m\udce4.png"]}, tmp_path)
    assert any("Rename" in problem for problem in inspect(masked).problems)


def test_files_that_can_not_be_read_are_refused_by_their_first(tmp_path):
    require_readable(inspect(write(tmp_path, *sound("a"))))
    found = inspect(write(tmp_path, *[("a", "p", None)] * 9))
    with pytest.raises(DataError) as told:
        require_readable(found)
    assert told.value.problems == [*found.unreadable[:5], "... and 4 more such files."]


def test_images_that_differ_in_kind_are_refused_with_the_set_and_every_difference(tmp_path):
    require_alike(inspect(write(tmp_path, *sound("a"), ("a", "p", picture(0, 24)))))
    colour = np.stack([picture(i) for i in range(3)], -1)
    rows = [("a", "p", colour), ("a", "p", picture().astype(np.uint16)), ("a", "p", None)]
    with pytest.raises(DataError) as told:
        require_alike(inspect(write(tmp_path, *sound("a"), *rows)))
    assert [line.partition(" (for")[0] for line in told.value.problems] == [
        f"{tmp_path}: Mixed channel counts: 3 of 1, 1 of 3",
        f"{tmp_path}: Mixed dtypes: 3 of uint8, 1 of uint16",
    ]
