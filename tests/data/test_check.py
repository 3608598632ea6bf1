import json
from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor.data.check import at_own_size, inspect, prepare, require_usable
from augmentor.data.lesions import make_lesions
from augmentor.data.readers import read_lesions
from augmentor.data.splits import holdout
from augmentor.data.windows import RECORD
from augmentor.errors import DataError
from augmentor.recipe import Recipe


def picture(seed=0, size=16):
    return np.random.default_rng(seed).integers(0, 256, (size, size)).astype(np.uint8)


def write(folder, *rows):
    """A lesion set from rows of (label, patient, array or None for a broken file, further columns)."""
    columns = {name: [] for name in ("path", "label", "patient", "split", "fold")}
    for number, (label, patient, array, *more) in enumerate(rows):
        file = folder / f"{number}.{'nii' if array is not None and array.dtype.kind == 'f' else 'png'}"
        if array is None:
            file.write_text("no image")
        elif file.suffix == ".nii":
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), file)
        else:
            Image.fromarray(array).save(file)
        values = {"path": str(file), "label": label, "patient": patient} | (more[0] if more else {})
        for name, column in columns.items():
            column.append(values.get(name, ""))
    return make_lesions(columns, folder)


def sound(label):
    """Rows of two patients, which a class needs at least."""
    return [(label, f"{label}{p}", picture(ord(label) * 10 + p)) for p in range(2)]


def test_a_sound_set_is_counted_and_has_no_problems(lesion_folder):
    found = inspect(read_lesions(lesion_folder, patient_pattern="<patient>_<anything>"))
    assert found.classes == {c: {"images": 8, "patients": 4} for c in "abc"}
    assert found.sizes == {"16x16": 24}
    assert found.dtypes == {"uint8": 24}
    assert found.channels == {"1": 24}
    assert 0 <= found.intensity["low"] < found.intensity["high"] <= 255
    assert not found.problems
    assert not found.warnings
    assert found.lesions.table["content"].nunique() == 24


def masked(folder, *masks):
    """Four lesions, each with the mask (an array, a name, or none) at its place."""
    rows = [*sound("a"), *sound("b")]
    for number, mask in enumerate(masks):
        if isinstance(mask, np.ndarray):
            Image.fromarray(mask).save(folder / f"mask{number}.png")
    names = [
        str(folder / (f"mask{n}.png" if isinstance(m, np.ndarray) else m)) if m is not None else ""
        for n, m in enumerate(masks)
    ]
    lesions = write(folder, *rows)
    return replace(lesions, table=lesions.table.assign(mask=names))


def test_masks_that_a_fit_would_refuse_are_warned_of(tmp_path):
    whole = np.full((16, 16), 255, np.uint8)
    lesions = masked(tmp_path, whole, np.zeros((16, 16), np.uint8), np.ones((12, 12), np.uint8), "gone.png")
    told = []
    found = inspect(lesions, lambda done, _note: told.append(done), holds_out=False)
    assert told == [1, 2, 3, 4]
    assert not found.problems
    assert found.warnings[0] == "A fit --with-mask would be refused:"
    assert [w for w in ("no pixel is set", "(12, 12)", "no such file") if not any(w in x for x in found.warnings)] == []
    assert len(found.warnings) == 4
    assert not inspect(lesions, masks=False, holds_out=False).warnings
    without = Recipe().with_options(training={"holdout": 0})
    assert not prepare(lesions, without).warnings[:-1]  # beside that of the images' size


def test_a_lesion_without_a_mask_is_warned_of_where_others_have_one(tmp_path):
    whole = np.full((16, 16), 255, np.uint8)
    (_, missing) = inspect(masked(tmp_path, whole, whole, None, None), holds_out=False).warnings
    assert "2 of 4 lesions have no mask" in missing
    assert not inspect(masked(tmp_path, None, None, None, None), holds_out=False).warnings
    assert not inspect(masked(tmp_path, whole, whole, whole, whole), holds_out=False).warnings


def test_many_refused_masks_are_told_by_their_first(tmp_path):
    rows = [(label, f"{label}{n}", picture(ord(label) * 10 + n)) for n in range(4) for label in "ac"]
    lesions = write(tmp_path, *rows)
    found = inspect(replace(lesions, table=lesions.table.assign(mask=str(tmp_path / "gone.png"))))
    assert len(found.warnings) == 7
    assert found.warnings[-1] == "... and 3 more such masks."


def test_progress_is_told_once_an_image(lesion_folder):
    told = []
    inspect(read_lesions(lesion_folder), lambda done, _note: told.append(done))
    assert told == list(range(1, 25))


def test_splits_and_folds_are_counted(tmp_path):
    rows = [
        (c, f"{c}{p}", picture(p), {"split": s, "fold": f})
        for c in "ab"
        for p, s, f in ((0, "train", "1"), (1, "", "2"))
    ]
    found = inspect(write(tmp_path, *rows))
    assert found.splits == {"train": 2}
    assert found.folds == {"1": 2, "2": 2}


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


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nifti_with_nan_is_named(tmp_path, value):
    holes = picture().astype(np.float32)
    holes[2, 2:5] = value
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", holes)))
    assert "4.nii: 3 pixels are NaN or infinite" in found.problems[0]


def test_mixed_channels_are_counted(tmp_path):
    colour = np.stack([picture(i) for i in range(3)], -1)
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", colour)))
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"Mixed channel counts: 4 of 1, 1 of 3 (for example {tmp_path / '4.png'}).")


def test_mixed_dtypes_are_counted(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", picture().astype(np.uint16))))
    assert found.problems[0].startswith("Mixed dtypes: 4 of uint8, 1 of uint16 (for example ")


def test_sizes_may_differ(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", picture(0, 24))))
    assert found.sizes == {"16x16": 4, "24x24": 1}
    assert not found.problems


def test_images_of_a_few_pixels_bring_a_warning(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", picture(3, 7)), ("a", "q", picture(4, 8))))
    assert any(f"show no lesion: 1, for example {tmp_path / '4.png'}." in warning for warning in found.warnings)


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


def test_a_fit_without_held_out_patients_is_not_warned_of_them(tmp_path):
    lesions = write(tmp_path, *sound("a"), *sound("b"))
    for share in (0, 0.2):
        ready = prepare(lesions, Recipe().with_options(training={"holdout": share}))
        assert any("Class 'a' has 2 patients" in line for line in ready.warnings) is bool(share)


def test_many_patients_in_two_parts_are_counted(tmp_path):
    rows = [("a", f"p{i}", picture(i), {"split": s}) for i in range(8) for s in ("train", "test")]
    assert inspect(write(tmp_path, *sound("b"), *rows)).problems[-1] == "... and 3 more such patients."


def test_what_was_found_is_json(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), ("b", "p", None), ("b", "p", picture(970))))
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert content["lesions"] == {"images": 4, "patients": 3}
    assert content["usable"] is False
    assert content["source"] == str(tmp_path)
    assert content["classes"] == {"a": {"images": 2, "patients": 2}, "b": {"images": 2, "patients": 1}}
    assert content["duplicates_across_patients"] == found.duplicates_across_patients


def test_a_set_without_one_readable_image_is_json_too(tmp_path):
    content = inspect(write(tmp_path, ("a", "p", None), ("b", "q", None))).as_dict()
    assert json.loads(json.dumps(content, allow_nan=False))["intensity"] == {}


def test_every_reason_is_raised_at_once(tmp_path):
    colour = np.stack([picture(i) for i in range(3)], -1)
    with pytest.raises(DataError) as told:
        require_usable(write(tmp_path, ("a", "p", picture(1)), ("a", "p", colour), ("a", "p", None)))
    assert len(told.value.problems) == 4  # the broken file, one class, one patient, mixed channels


def test_a_usable_set_comes_back_inspected(lesion_folder):
    found = require_usable(read_lesions(lesion_folder))
    assert (found.lesions.table["content"] != "").all()


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


@pytest.mark.parametrize(("side", "size", "advised"), [(16, 64, 16), (9, 16, None), (30, 64, 32), (30, 32, None)])
def test_enlarging_every_image_brings_a_warning_with_the_size_that_fits(tmp_path, side, size, advised):
    rows = [(label, f"{label}{p}", picture(ord(label) * 10 + p, side - p)) for label in "ab" for p in range(2)]
    told = [line for line in require_usable(write(tmp_path, *rows), size=size).warnings if "enlarged" in line]
    assert len(told) == (advised is not None)
    assert all(f"--size {advised} " in line for line in told)


@pytest.mark.parametrize(
    ("sides", "named", "size"),
    [
        ((28, 28), None, 28),
        ((26, 27), None, 28),
        ((9,), None, 16),
        ((28, 60), None, 64),
        ((28,), 32, 32),
        ((28,), 64, 64),
    ],
)
def test_networks_see_small_images_at_their_own_side_unless_a_size_is_named(tmp_path, sides, named, size):
    rows = [("a", f"a{n}", picture(n, side)) for n, side in enumerate(sides)]
    recipe = Recipe().with_options(model={"size": named})
    assert recipe.named_size == named
    assert at_own_size(recipe, inspect(write(tmp_path, *rows))).named_size == size


def test_lesions_are_prepared_as_the_recipe_asks(lesion_folder):
    lesions, told = read_lesions(lesion_folder, patient_pattern="<patient>_<anything>"), []
    ready = prepare(lesions, Recipe().with_options(data={"max_per_class": 3}), lambda done, _note: told.append(done))
    assert ready.lesions.counts() == {"a": 3, "b": 3, "c": 3}
    assert (ready.lesions.table["content"] != "").all()
    assert ready.recipe.named_size == 16
    assert not ready.warnings
    assert told == list(range(1, 25))
    named = prepare(lesions, Recipe().with_options(model={"size": 64}))
    assert named.lesions.paths == lesions.paths
    assert named.recipe.named_size == 64
    assert any("enlarged to 64" in line for line in named.warnings)
    with pytest.raises(DataError, match=r"holds images \(16x16\), and 3 spatial dimensions"):
        prepare(lesions, Recipe().with_options(model={"spatial_dims": 3, "size": 32}))


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


def test_a_name_too_long_for_the_system_is_no_such_file(tmp_path):
    paths = [str(tmp_path / name) for name in (f"{300 * 'x'}.png", 300 * "y")]
    found = inspect(make_lesions({"path": paths, "label": list("ab"), "patient": list("pq")}, tmp_path))
    assert [problem.partition(": ")[2].partition(".")[0] for problem in found.unreadable] == ["no such file"] * 2
