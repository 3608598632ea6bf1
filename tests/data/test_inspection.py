import json

import pytest

from augmentor.data.check import inspect
from augmentor.data.inspection import class_counts
from augmentor.data.lesions import make_lesions
from tests.data.small_sets import picture, sound, write


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


def test_classes_are_counted_by_images_and_patients(tmp_path):
    lesions = write(tmp_path, *sound("a"), ("b", "p", picture(1)), ("b", "p", picture(2)))
    counted = class_counts(lesions)
    assert counted == {"a": {"images": 2, "patients": 2}, "b": {"images": 2, "patients": 1}}
    assert json.loads(json.dumps(counted)) == counted


@pytest.mark.parametrize("synthetic", [0, 1, 5])
def test_synthetic_lesions_are_no_patients_of_their_own(tmp_path, synthetic):
    paths, labels, patients = [f"{n}.png" for n in range(4 + 2 * synthetic)], list("aabb"), list("pqrs")
    columns = {"path": paths, "label": labels + ["a", "b"] * synthetic, "patient": patients + [""] * 2 * synthetic}
    origin = ["real"] * 4 + ["synthetic"] * 2 * synthetic
    lesions = make_lesions(columns | {"origin": origin}, tmp_path)
    assert class_counts(lesions) == {c: {"images": 2 + synthetic, "patients": 2} for c in "ab"}
    assert inspect(lesions).as_dict()["lesions"] == {"images": len(paths), "patients": 4}
