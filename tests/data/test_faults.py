from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.data.faults import require_alike, require_readable
from augmentor.data.lesions import make_lesions
from augmentor.data.preparing import prepare
from augmentor.data.splits import holdout
from augmentor.data.windows import RECORD
from augmentor.errors import DataError
from augmentor.recipe import Recipe, TrainingSection
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


@pytest.mark.parametrize(("one", "other"), [("1", "01"), ("1", "1.0"), ("0", "00"), ("10", "010.")])
def test_classes_that_are_one_number_are_a_problem(tmp_path, one, other):
    rows = [(label, f"{label}{p}", picture(n * 10 + p)) for n, label in enumerate((one, other, "100")) for p in (1, 2)]
    (problem,) = inspect(write(tmp_path, *rows)).problems
    assert f"{one!r} and {other!r}" in problem.replace(f"{other!r} and {one!r}", f"{one!r} and {other!r}")
    assert "'100'" not in problem


def test_classes_that_differ_in_a_character_that_can_not_be_seen_are_a_problem(tmp_path):
    names = ("cyst", "cy\u00adst", "cyst\u200b")
    rows = [(label, f"{label}{p}", picture(n * 10 + p)) for n, label in enumerate(names) for p in (1, 2)]
    (problem,) = inspect(write(tmp_path, *rows)).problems
    assert r"'cyst' and 'cyst\u200b' and 'cy\xadst'" in problem


@pytest.mark.parametrize(
    ("folds", "told"),
    [
        (("1", "2", "1.0", "2.0"), ["Folds '1' and '1.0'", "Folds '2' and '2.0'"]),
        (("a", "A"), ["Folds 'A' and 'a'"]),
        (("1", "2", "NA"), ["Fold 'NA'"]),
        (("1", "2", "10"), []),
    ],
)
def test_folds_that_are_one_or_none_are_a_problem(tmp_path, folds, told):
    rows = [
        (label, f"{label}{n}", picture(ord(label) * 10 + n), {"fold": fold})
        for label in "ab"
        for n, fold in enumerate(folds)
    ]
    problems = inspect(write(tmp_path, *rows)).problems
    assert len(problems) == len(told)
    assert all(problem.startswith(begins) for problem, begins in zip(problems, told, strict=True))


@pytest.mark.parametrize("name", ["NA", "n/a", "n.a.", "(null)", "NaN", "null", "None", "?", "unknown", "not known"])
def test_a_class_that_reads_as_if_nothing_were_known_brings_a_warning(tmp_path, name):
    rows = [(label, f"{label}{p}", picture(n * 10 + p)) for n, label in enumerate(("nanus", name)) for p in (1, 2)]
    found = inspect(write(tmp_path, *rows))
    (told,) = [told for told in found.warnings if "as if nothing were known" in told]
    assert told.startswith(f"Class {name!r} in")
    assert not found.problems


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
    found = few_patients_told(lesions, training=TrainingSection(holdout=0.2 * held_out))
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


def of_patients(folder, **classes):
    """A lesion for each word: the patient and, behind a slash, the split; one with an image of its own."""
    rows = []
    for name, words in classes.items():
        for word in words.split():
            patient, _, split = word.partition("/")
            rows.append((name, patient, picture(len(rows)), {"split": split}))
    return write(folder, *rows)


def refused_by_fit(lesions, share=0.2):
    """What a fit of them is refused for before anything is trained."""
    recipe = Recipe().with_options(training={"holdout": share})
    try:
        ready = prepare(lesions, recipe)
        train, held = holdout(ready.lesions, share, ready.recipe.training.seed)
    except DataError as error:
        return error.problems
    assert ready.lesions.rows(train).classes == lesions.classes
    assert share == 0 or len(held)
    return []


SPLITS = [
    ("p q r", "s t u", []),
    ("p q/test r/test", "s t u", ["'a' has 1 patient to train on (2 more in test)"]),
    ("p/test q/test", "s t u/val", ["'a' has no patient to train on (2 in test)"]),
    ("p/val q/test", "s t u", ["'a' has no patient to train on (1 in val, 1 in test)"]),
    ("p/val", "s", ["'a' has no patient to train on (1 in val)"]),
    ("p q/val r/test", "s t/val", []),
    ("p", "q/test r/test", ["'a' has 1 patient (1 image)", "'b' has no patient to train on (2 in test)"]),
    ("p/test q/test", "s/test t/test", ["'a' has no patient", "'b' has no patient"]),
    ("p q", "p q", []),
    ("p q r/test", "p s/test t/test", ["'b' has 1 patient to train on (2 more in test)"]),
]


@pytest.mark.parametrize(("first", "second", "told"), SPLITS)
def test_check_and_fit_agree_on_the_patients_that_a_split_leaves_to_train_on(tmp_path, first, second, told):
    lesions = of_patients(tmp_path, a=first, b=second)
    found = inspect(lesions)
    assert [some in line for some, line in zip(told, found.problems, strict=True)] == [True] * len(told)
    assert refused_by_fit(lesions) == found.problems


@pytest.mark.parametrize("share", [0, 0.2])
@pytest.mark.parametrize("seed", range(25))
def test_check_says_of_random_sets_what_a_fit_does(tmp_path, seed, share):
    """Patients of several classes and splits, doubles among them."""
    draw = np.random.default_rng(seed)
    sides = {
        f"p{n}": draw.choice(["", "train", "val", "test"], p=[0.4, 0.3, 0.1 * (seed % 3), 0.3 - 0.1 * (seed % 3)])
        for n in range(9)
    }
    rows = [
        ("abc"[draw.integers(3)], name, picture(draw.integers(20)), {"split": side})
        for name, side in sides.items()
        for _ in range(draw.integers(1, 3))
    ]
    lesions = write(tmp_path, *rows)
    found = inspect(lesions, training=TrainingSection(holdout=share))
    assert found.as_dict()["usable"] == (not refused_by_fit(lesions, share))


def test_patients_whom_no_cut_can_divide_are_told_by_check(tmp_path):
    """Three patients own two of three classes each: whoever is held out, a class lacks on one side."""
    lesions = of_patients(tmp_path, a="p q", b="q r", c="p r")
    (told,) = inspect(lesions).problems
    assert "No split by patient holds out 20% and keeps every class on both sides" in told
    assert refused_by_fit(lesions) == [told]
    assert not inspect(lesions, training=TrainingSection(holdout=0)).problems


def test_two_patients_of_one_image_count_as_one(tmp_path):
    lesions = write(tmp_path, ("a", "p", picture(1)), ("a", "q", picture(1)), *sound("b"))
    (told,) = inspect(lesions).problems
    assert "Class 'a' has 1 patient (2 images, patients who share an image count as one)" in told
    assert refused_by_fit(lesions) == [told]


def test_without_held_out_patients_a_class_of_one_is_warned_of_and_a_set_of_one_refused(tmp_path):
    nobody = TrainingSection(holdout=0)
    lesions = of_patients(tmp_path, a="p", b="q r")
    assert not inspect(lesions, training=nobody).problems
    (told,) = few_patients_told(lesions, training=nobody)
    assert "Class 'a' has 1 patient to train on" in told
    (told,) = inspect(of_patients(tmp_path, a="p", b="p"), training=nobody).problems
    assert "are of one patient, and none is held out" in told
    (told,) = inspect(of_patients(tmp_path, a="p/test", b="q r"), training=nobody).problems
    assert "a fit trains on every class. Make training rows" in told


def test_a_benchmark_draws_its_sides_itself_and_asks_for_two_patients_a_class(tmp_path):
    lesions = of_patients(tmp_path, a="p q/test", b="r/val s/val")
    assert inspect(lesions).problems
    assert not inspect(lesions, fitted=False).problems
    (told,) = inspect(of_patients(tmp_path, a="p", b="q r"), fitted=False).problems
    assert "a benchmark tests on other patients than it trains on" in told


@pytest.mark.parametrize("count", [5, 6])
def test_many_classes_of_two_patients_are_told_in_one_warning(tmp_path, count):
    lesions = of_patients(tmp_path, **{f"c{n}": f"p{n} q{n}" for n in range(count)}, plenty="x y z")
    told = [line for line in inspect(lesions).warnings if "2 patients" in line]
    if count == 5:
        assert [line.partition(" has 2 patients, of whom")[0] for line in told] == [f"Class 'c{n}'" for n in range(5)]
    else:
        (line,) = told
        assert line.startswith(
            "6 classes ('c0', 'c1', 'c2', 'c3', 'c4', ...) have 2 patients each, of whom a fit holds"
        )
        assert "Give each 3 patients or more, or fit with --holdout 0." in line
