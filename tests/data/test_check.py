from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.data.lesions import make_lesions
from augmentor.data.preparing import prepare
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError
from augmentor.recipe import Recipe, TrainingSection
from tests.data.small_sets import picture, sound, write

NOBODY = TrainingSection(holdout=0)


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
    found = inspect(lesions, lambda done, _note: told.append(done), training=NOBODY)
    assert told == [1, 2, 3, 4]
    assert not found.problems
    assert found.warnings[0] == "A fit --with-mask would be refused:"
    assert [w for w in ("no pixel is set", "(12, 12)", "no such file") if not any(w in x for x in found.warnings)] == []
    assert len(found.warnings) == 4
    assert not inspect(lesions, masks=False, training=NOBODY).warnings
    without = Recipe().with_options(training={"holdout": 0})
    assert not prepare(lesions, without).warnings[:-1]  # beside that of the images' size


def test_a_lesion_without_a_mask_is_warned_of_where_others_have_one(tmp_path):
    whole = np.full((16, 16), 255, np.uint8)
    (_, missing) = inspect(masked(tmp_path, whole, whole, None, None), training=NOBODY).warnings
    assert "2 of 4 lesions have no mask" in missing
    assert not inspect(masked(tmp_path, None, None, None, None), training=NOBODY).warnings
    assert not inspect(masked(tmp_path, whole, whole, whole, whole), training=NOBODY).warnings


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


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nifti_with_nan_is_named(tmp_path, value):
    holes = picture().astype(np.float32)
    holes[2, 2:5] = value
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", holes)))
    assert "4.nii: 3 pixels are NaN or infinite" in found.problems[0]


def test_sizes_may_differ(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", picture(0, 24))))
    assert found.sizes == {"16x16": 4, "24x24": 1}
    assert not found.problems


def test_images_of_a_few_pixels_bring_a_warning(tmp_path):
    found = inspect(write(tmp_path, *sound("a"), *sound("b"), ("a", "p", picture(3, 7)), ("a", "q", picture(4, 8))))
    assert any(f"show no lesion: 1, for example {tmp_path / '4.png'}." in warning for warning in found.warnings)


def test_every_reason_is_raised_at_once(tmp_path):
    colour = np.stack([picture(i) for i in range(3)], -1)
    with pytest.raises(DataError) as told:
        inspect(write(tmp_path, ("a", "p", picture(1)), ("a", "p", colour), ("a", "p", None))).require_usable()
    assert len(told.value.problems) == 4  # the broken file, one class, one patient, mixed channels


def test_a_usable_set_comes_back_inspected(lesion_folder):
    found = inspect(read_lesions(lesion_folder)).require_usable()
    assert (found.lesions.table["content"] != "").all()


def test_a_name_too_long_for_the_system_is_no_such_file(tmp_path):
    paths = [str(tmp_path / name) for name in (f"{300 * 'x'}.png", 300 * "y")]
    found = inspect(make_lesions({"path": paths, "label": list("ab"), "patient": list("pq")}, tmp_path))
    assert [problem.partition(": ")[2].partition(".")[0] for problem in found.unreadable] == ["no such file"] * 2
