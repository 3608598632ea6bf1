"""From cells whose truth is known to what summary.json says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from augmentor.benchmarking.cells import Cell, Spec
from augmentor.benchmarking.design import Design
from augmentor.benchmarking.scores import METRICS
from augmentor.benchmarking.summary import summarise
from augmentor.data.lesions import make_lesions
from augmentor.data.splits import Fold
from augmentor.recipe import make_recipe

COUNT, FOLDS, SEEDS = 60, 3, 2
LESIONS = make_lesions(
    {
        "path": [f"/lesion/{i}" for i in range(COUNT)],
        "label": ["ab"[i % 2] for i in range(COUNT)],
        "patient": [f"p{i // 2}" for i in range(COUNT)],
    },
    "set",
)


def make_design() -> Design:
    folds = {}
    for seed in range(SEEDS):
        parts = np.random.default_rng(seed).permutation(COUNT // 2).reshape(FOLDS, -1)
        tests = [np.sort(np.concatenate([2 * part, 2 * part + 1])) for part in parts]
        folds[seed] = [Fold(str(n), np.setdiff1d(range(COUNT), test), test) for n, test in enumerate(tests, 1)]
    return Design(folds, [], [])


DESIGN = make_design()


def make_cells(
    arm: str,
    right: float,
    classifier: str = "svm",
    factor: float = 1.0,
    per_class: int | None = None,
    n_real: int = 40,
) -> list[Cell]:
    """A cell each fold and seed, which calls about the share `right` of its test lesions what they are."""
    cells = []
    for seed, cuts in DESIGN.folds.items():
        for fold in cuts:
            truth = LESIONS.targets[fold.test]
            hit = np.random.default_rng([seed, int(fold.name)]).random(len(truth)) < right  # the same draws in each arm
            called = np.where(hit, truth, 1 - truth)
            spec = Spec(arm, classifier, fold.name, seed, factor, per_class)
            scores = dict.fromkeys(METRICS, float(hit.mean()))
            chances = np.where(np.eye(2)[called] == 1, 0.8, 0.2).tolist()
            paths = [f"/lesion/{i}" for i in fold.test]
            cells.append(
                Cell(spec, str(spec), ["a", "b"], [], paths, n_real=n_real, scores=scores, probabilities=chances)
            )
    return cells


def told(main: list[Cell], curves: tuple[Cell, ...] | list[Cell] = (), **asked) -> dict:
    arms = tuple(dict.fromkeys(cell.spec.arm for cell in main))
    classifiers = tuple(dict.fromkeys(cell.spec.classifier for cell in main))
    recipe = make_recipe({"benchmark": {"arms": arms, "classifiers": classifiers} | asked}, "test")
    rows = [row for cell in main if not cell.error for row in cell.predictions(LESIONS)]
    return summarise(DESIGN, main, curves, pd.DataFrame(rows), LESIONS, recipe)


def only(rows: list[dict], **chosen) -> list[dict]:
    return [row for row in rows if all(row[name] == value for name, value in chosen.items())]


def test_an_arm_that_calls_more_lesions_right_gains_by_every_opinion():
    found = told([*make_cells("classic", 0.5), *make_cells("classic+gan", 0.9, factor=3.0)])
    (compared,) = only(found["comparisons"], metric="sensitivity")
    assert (compared["verdict"], compared["cells"], compared["test_sets"]) == ("gain", 6, 6)
    assert found["verdict"].startswith("Synthetic lesions raised macro sensitivity")
    (by_patient,) = only(found["by_patient"], metric="sensitivity")
    assert by_patient["low"] > 0
    (opinion,) = found["mcnemar"]
    assert opinion["only_arm_right"] > opinion["only_baseline_right"] == 0


def test_images_that_lie_there_again_under_another_patients_name_narrow_no_interval():
    main = [*make_cells("classic", 0.5), *make_cells("classic+gan", 0.7, factor=3.0)]
    again = [f"/again{path}" for path in LESIONS.paths]
    both = pd.concat([LESIONS.table, LESIONS.table.assign(path=again, patient="z" + LESIONS.table["patient"])])
    lesions = replace(LESIONS, table=both.assign(content=[f"pixels of {i}" for i in range(COUNT)] * 2))
    twice = [
        replace(c, test=[*c.test, *(f"/again{p}" for p in c.test)], probabilities=c.probabilities * 2) for c in main
    ]
    rows = pd.DataFrame([row for cell in twice for row in cell.predictions(lesions)])
    asked = {"arms": ("classic", "classic+gan"), "classifiers": ("svm",)}
    found = summarise(DESIGN, twice, (), rows, lesions, make_recipe({"benchmark": asked}, "test"))
    once = told(main)
    for name in ("arms", "classes", "by_patient"):
        for row, known in zip(found[name], once[name], strict=True):
            assert row == pytest.approx(known)


def test_the_verdict_is_about_arms_with_synthetic_lesions_alone():
    found = told([*make_cells("classic", 0.5), *make_cells("resampled", 0.9)])
    assert {row["verdict"] for row in only(found["comparisons"], metric="sensitivity")} == {"gain"}
    assert found["verdict"] == "No arm with synthetic lesions could be compared with classic augmentation."


def test_arms_without_synthetic_lesions_are_no_part_of_the_family():
    few = [*make_cells("classic", 0.5), *make_cells("classic+gan", 0.6, factor=3.0)]
    more = [*few, *make_cells("resampled", 0.5), *make_cells("mixup", 0.5)]
    judged = [only(told(cells)["comparisons"], arm="classic+gan") for cells in (few, more)]
    assert judged[0] == judged[1]
    others = [*few, *make_cells("gan-only", 0.55, factor=3.0)]
    assert only(told(others)["comparisons"], arm="classic+gan") != judged[0]


def test_without_the_baseline_nothing_is_compared():
    found = told([*make_cells("real", 0.5), *make_cells("classic+gan", 0.9, factor=3.0)])
    assert found["comparisons"] == found["by_patient"] == found["mcnemar"] == []
    assert {row["arm"] for row in found["arms"]} == {"real", "classic+gan"}


def test_a_failed_cell_is_named_counted_and_in_no_figure():
    base, arm = make_cells("classic", 0.5), make_cells("classic+gan", 0.9, factor=3.0)
    broken = Cell(arm[0].spec, arm[0].key, ["a", "b"], [], arm[0].test, error="ValueError: no")
    found, without = told([*base, broken, *arm[1:]]), told([*base, *arm[1:]])
    assert found["failed"] == [
        {"arm": "classic+gan", "classifier": "svm", "fold": "1", "seed": 0, "factor": 3.0, "per_class": None}
        | {"error": "ValueError: no"}
    ]
    assert {(row["arm"], row.pop("failed", None)) for row in found["arms"]} == {("classic", None), ("classic+gan", 1)}
    for name in ("arms", "classes", "comparisons", "by_patient", "mcnemar"):
        assert found[name] == without[name]
    assert {row["cells"] for row in found["comparisons"]} == {5}


def test_a_point_of_a_curve_is_of_its_own_size():
    main = [*make_cells("classic", 0.5), *make_cells("classic+gan", 0.7, factor=3.0)]
    curves = [*make_cells("classic+gan", 0.9, factor=6.0), *make_cells("classic+gan", 0.6, factor=3.0, per_class=10)]
    curves += make_cells("classic", 0.3, per_class=10)
    found = told(main, curves, factor=3.0, synthetic_curve=(2.0, 5.0, 9.0), real_curve=(10,))["curves"]
    assert [point["synthetic"] for point in found["synthetic"]] == [2.0, 5.0]  # of 9 there is no cell
    assert [point["real"] for point in found["real"]] == [10, None]
    few, whole = found["real"]
    assert whole | {"synthetic": 2.0} == found["synthetic"][0] | {"real": None}
    pairs = ((main[6:], main[:6]), (curves[:6], main[:6]), (curves[6:12], curves[12:]))
    for point, cells in zip((*found["synthetic"], few), pairs, strict=True):
        arm, base = (np.mean([cell.scores["sensitivity"] for cell in some]) for some in cells)
        assert (point["arm_mean"], point["baseline_mean"]) == pytest.approx((arm, base))
        assert point["difference"] == pytest.approx(arm - base)


def test_a_point_is_as_unsure_as_the_lesions_that_it_trains_on_are_few():
    def width(n_real: int) -> float:
        main = [*make_cells("classic", 0.5, n_real=n_real), *make_cells("classic+gan", 0.7, factor=3.0)]
        (point,) = told(main, factor=3.0, synthetic_curve=(2.0,))["curves"]["synthetic"]
        return point["high"] - point["low"]

    # The variance has a share 1/pairs and one of test over training lesions (Nadeau and Bengio 2003).
    assert width(10) / width(40) == pytest.approx(((1 / 6 + 20 / 10) / (1 / 6 + 20 / 40)) ** 0.5)


def test_curves_are_drawn_of_the_first_classifier():
    main = [*make_cells("classic", 0.5), *make_cells("classic+gan", 0.9, factor=3.0)]
    others = [*make_cells("classic", 0.5, "forest"), *make_cells("classic+gan", 0.1, "forest", 3.0)]
    asked = {"classifiers": ("svm", "forest"), "factor": 3.0, "synthetic_curve": (2.0,)}
    assert told(main, **asked)["curves"] == told([*others, *main], **asked)["curves"]


def test_choices_are_counted_a_classifier_the_commonest_first():
    plans = [{"factor": factor, "use": "mix", "screen": "light"} for factor in (1.0, 3.0, 3.0, 1.0, 3.0, 2.5)]
    chosen = [replace(cell, chosen=plan) for cell, plan in zip(make_cells("auto", 0.5), plans, strict=True)]
    found = told([*make_cells("classic", 0.5), *chosen])["choices"]
    assert [(row["plan"], row["cells"]) for row in found] == [
        ("factor 3, mix, screen light", 3),
        ("none", 2),
        ("factor 2.5, mix, screen light", 1),
    ]
    assert {row["classifier"] for row in found} == {"svm"}
