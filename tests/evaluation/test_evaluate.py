import json

import pytest

from augmentor.data.phantom import write_phantom
from augmentor.data.readers import read_lesions
from augmentor.errors import UsageError
from augmentor.evaluation.evaluate import MEASURES, evaluate
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set


def test_an_evaluation_stands_beside_its_floor(tmp_path):
    run = fit(write_set(tmp_path / "lesions", patients=8, per_patient=3), tiny_recipe(), tmp_path / "run", latest=False)
    fidelity = evaluate(run, per_class=20)
    assert fidelity.spaces["texture"].keys() == fidelity.floor["texture"].keys() == {"a", "b", "mean"}
    assert fidelity.spaces["texture"]["mean"].keys() == MEASURES.keys()
    assert 0 <= fidelity.near_copies <= 1
    assert [c["ratio"] for c in fidelity.copies] == sorted(c["ratio"] for c in fidelity.copies)
    assert {c["nearest"] for c in fidelity.copies} <= set(run.training.paths)
    assert json.loads((run.folder / "evaluation.json").read_text())["copies"]


def test_masks_are_judged_beside_held_out_ones_where_a_run_makes_them(tmp_path):
    write_phantom(tmp_path / "lesions", patients=6, per_class=8, size=32)
    recipe = tiny_recipe(model={"size": 32, "with_mask": True}, training={"snapshots": 1, "kimg": 0.016})
    run = fit(read_lesions(tmp_path / "lesions"), recipe, tmp_path / "run", latest=False)
    found = evaluate(run, per_class=12).masks
    assert found.swapped + 0.05 < found.synthetic <= 1
    assert json.loads((run.folder / "evaluation.json").read_text())["masks"].keys() == {"synthetic", "real", "swapped"}


def test_nothing_can_be_judged_without_held_out_lesions(tmp_path):
    recipe = tiny_recipe(training={"holdout": 0})
    run = fit(write_set(tmp_path / "lesions"), recipe, tmp_path / "run", latest=False)
    with pytest.raises(UsageError, match="--holdout"):
        evaluate(run)
