from dataclasses import replace
from pathlib import Path

import pytest

from augmentor.benchmarking.design import design_warnings, make_design, more_test_sets
from augmentor.data.check import inspect
from augmentor.errors import DataError, UsageError
from tests.lesion_sets import tiny_recipe, write_set


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    return inspect(write_set(tmp_path_factory.mktemp("design") / "lesions", patients=8)).require_usable().lesions


def design_of(lesions, **benchmark):
    return make_design(lesions, tiny_recipe(benchmark=benchmark), Path("/out"))


def test_there_is_a_cell_an_arm_classifier_fold_and_seed(lesions):
    design = design_of(lesions, arms=["real", "classic", "classic+gan"], seeds=3)
    specs = {(t.spec.arm, t.spec.classifier, t.spec.fold, t.spec.seed) for t in design.cells}
    assert len(specs) == len(design.cells) == 3 * 2 * 2 * 3


def test_every_lesion_is_tested_once_a_seed_and_never_by_its_own_patient(lesions):
    design = design_of(lesions, arms=["classic"], classifiers=["svm"], seeds=2)
    for seed in range(2):
        cells = [t for t in design.cells if t.spec.seed == seed]
        tested = [path for t in cells for path in t.data.test.paths]
        assert sorted(tested) == sorted(lesions.paths)
        for task in cells:
            assert not set(task.data.train.table["patient"]) & set(task.data.test.table["patient"])


def test_arms_of_one_gan_share_its_fit(lesions):
    design = design_of(lesions, arms=["classic+gan", "gan-only", "pretrain-gan", "auto", "classic+dcgan"])
    assert sorted((g.model, g.data.fold.name) for g in design.gans) == [
        ("cgan", "1"), ("cgan", "2"), ("dcgan", "1"), ("dcgan", "2"),
    ]  # fmt: skip


def bringing(lesions, **columns):
    """The lesions with these columns; each by a function of the patient's number."""
    number = lesions.table["patient"].str[2:].astype(int)
    return replace(lesions, table=lesions.table.assign(**{name: number.map(of) for name, of in columns.items()}))


@pytest.mark.parametrize(
    ("columns", "asked", "dropped", "told"),
    [
        ({"split": lambda n: "test" if n < 3 else "train"}, None, "split", "drop the test split"),
        ({"fold": lambda n: str(n % 2)}, None, "fold", "drop the data's 2 folds"),
        ({"fold": lambda n: str(n % 4)}, 2, None, "take --folds 3, or"),
        ({}, 2, None, "take --folds 3, or"),
    ],
)
def test_the_way_to_more_test_sets_leads_there(lesions, columns, asked, dropped, told):
    brought = bringing(lesions, **columns)
    asking = {"arms": ["classic"], "classifiers": ["svm"], "seeds": 1}
    recipe = tiny_recipe(benchmark=asking | {"folds": asked})
    assert len(set(make_design(brought, recipe, Path("/out")).test_sets.values())) < 3
    advice = more_test_sets(brought, 3)
    assert told in advice
    assert "--folds 3" in advice
    followed = bringing(brought, **{dropped: lambda _: ""}) if dropped else brought
    assert len(set(design_of(followed, **asking, folds=3).test_sets.values())) == 3


def test_more_folds_than_a_class_has_patients_are_not_advised(tmp_path):
    few = inspect(write_set(tmp_path / "lesions", patients=2)).require_usable().lesions
    advice = more_test_sets(few, 3)
    assert "add patients (a class has 2" in advice
    assert "--folds" not in advice


def test_only_networks_are_pretrained(lesions):
    design = design_of(lesions, arms=["pretrain-gan"])
    assert {t.spec.classifier for t in design.cells} == {"paper-cnn"}
    with pytest.raises(UsageError, match="network classifier"):
        design_of(lesions, arms=["pretrain-gan"], classifiers=["svm"])


def test_a_curves_points_are_no_cells_twice(lesions):
    curves = {"synthetic_curve": [2, 5], "real_curve": [4, 1000]}
    design = design_of(lesions, arms=["classic", "classic+gan"], classifiers=["svm"], factor=3, **curves)
    keys = [t.key for t in [*design.cells, *design.curves]]
    assert len(set(keys)) == len(keys)
    sizes = {(t.spec.arm, t.spec.factor, t.spec.per_class) for t in design.curves}
    # 2 synthetic lesions a real one are the main cells' factor 3; 1000 lesions a class are all.
    assert sizes == {("classic+gan", 6.0, None), ("classic", 1.0, 4), ("classic+gan", 3.0, 4)}


def test_what_does_not_decide_about_a_cell_does_not_change_its_key(lesions):
    def keys(**benchmark):
        few = {"arms": ["classic", "classic+gan"], "classifiers": ["svm"]}
        return [t.key for t in design_of(lesions, **(few | benchmark)).cells]

    plain = keys()
    assert keys(workers=2, real_curve=[4], seeds=1) == plain
    assert set(plain) < set(keys(arms=["real", "classic", "classic+gan"]))
    assert keys(steps=4) == plain  # an estimator has no steps
    assert not set(keys(steps=4, classifiers=["cnn"])) & set(keys(classifiers=["cnn"]))
    longer, shorter = keys(kimg=0.064), plain
    assert [a == b for a, b in zip(longer, shorter, strict=True)] == [True, False, True, False]


def test_what_auto_chooses_itself_does_not_change_its_key(lesions):
    def keys(**benchmark):
        few = {"arms": ["classic+gan", "auto"], "classifiers": ["svm"]}
        return {t.spec.arm: t.key for t in design_of(lesions, **(few | benchmark)).cells if t.spec.fold == "1"}

    plain = keys()
    for other in (keys(factor=2.0), keys(screen="strict"), keys(factor=1.5, screen="light")):
        assert other["auto"] == plain["auto"]
        assert other["classic+gan"] != plain["classic+gan"]
    assert keys(kimg=0.064)["auto"] != plain["auto"]


@pytest.mark.parametrize("factor", [1.0, 1.01])
@pytest.mark.parametrize("arm", ["classic+gan", "classic+dcgan", "gan-only", "pretrain-gan"])
def test_an_arm_that_would_get_no_synthetic_lesion_is_refused_at_once(lesions, arm, factor):
    told = rf"--factor {factor:g} asks for no synthetic lesion in fold 1.*factor 2 or more"
    with pytest.raises(UsageError, match=told):
        design_of(lesions, arms=["classic", arm], factor=factor)
    assert design_of(lesions, arms=["classic", arm], factor=1.2).cells


def test_arms_that_need_no_factor_take_any(lesions):
    assert len(design_of(lesions, arms=["real", "classic", "mixup", "auto"], factor=1.0).gans) == 2


def test_a_point_of_a_curve_that_would_get_no_synthetic_lesion_is_named(lesions):
    few = {"arms": ["classic", "classic+gan"], "classifiers": ["svm"]}
    with pytest.raises(UsageError, match=r"curve of synthetic lesions at 0.01 .*eave that point out"):
        design_of(lesions, **few, synthetic_curve=[0.01, 2])
    with pytest.raises(UsageError, match=r"curve of real lesions at 4 a class .*eave that point out"):
        design_of(lesions, **few, factor=1.1, real_curve=[4])


def test_a_class_that_no_gan_could_hold_out_is_told_at_once(tmp_path):
    found = inspect(write_set(tmp_path / "lesions", patients=2, per_patient=4)).require_usable().lesions
    with pytest.raises(DataError, match=r"training side of fold 1: Class 'a' .*holds patients out"):
        design_of(found, arms=["classic+gan"], folds=2)


@pytest.mark.parametrize("patients", [2, 3])
def test_a_class_of_one_training_patient_is_told_at_once_where_nothing_is_held_out_too(tmp_path, patients):
    found = inspect(write_set(tmp_path / "lesions", patients=patients, per_patient=4)).require_usable().lesions
    recipe = tiny_recipe(training={"holdout": 0}, benchmark={"arms": ["classic+gan"]})
    with pytest.raises(DataError, match=r"training side of fold [123]: Class 'a' has 1 patient;"):
        make_design(found, recipe, tmp_path)


def test_auto_needs_no_share_where_the_data_brings_whom_to_hold_out(lesions):
    numbers = lesions.table["patient"].str.partition("p")[2]
    recipe = tiny_recipe(training={"holdout": 0}, benchmark={"arms": ["auto"]})
    split = numbers.map({"0": "test", "1": "val", "2": "val"}).fillna("train")
    brought = replace(lesions, table=lesions.table.assign(split=split))
    assert {task.spec.fold for task in make_design(brought, recipe, Path("/out")).cells} == {"test"}
    without_test = replace(lesions, table=lesions.table.assign(split=split.replace("test", "train")))
    with pytest.raises(UsageError, match="holdout must be above 0"):
        make_design(without_test, recipe, Path("/out"))


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"benchmark": {"arms": ["auto"]}, "training": {"holdout": 0}}, "holdout must be above 0"),
        ({"benchmark": {"arms": ["gan-only"], "factor": 1}}, "factor 2 or more"),
    ],
)
def test_what_could_only_fail_is_refused_at_once(lesions, recipe, told):
    with pytest.raises(UsageError, match=told):
        make_design(lesions, tiny_recipe(**recipe), Path("/out"))


def test_a_point_of_a_curve_that_can_not_be_fitted_is_named(lesions):
    with pytest.raises(DataError, match="curve of real lesions at 1 a class"):
        design_of(lesions, arms=["classic"], real_curve=[1])


def test_folds_with_the_same_test_lesions_are_one_test_set_whatever_they_are_called(tmp_path):
    """Four brought folds can be merged into two in three ways only."""
    brought = write_set(tmp_path / "lesions", patients=8)
    brought.table["fold"] = [str(int(p.split("p")[1]) % 4) for p in brought.table["patient"]]
    found = inspect(brought).require_usable().lesions
    design = design_of(found, arms=["classic"], classifiers=["svm"], seeds=12)
    assert len(design.test_sets) == 24
    assert len(set(design.test_sets.values())) == 6


@pytest.mark.parametrize(
    ("holdout", "blind"), [(0.2, ["paper-cnn", "logistic"]), (0.4, ["paper-cnn"]), (0.5, [])], ids=str
)
def test_where_auto_can_choose_nothing_it_is_told_for_whom(tmp_path, holdout, blind):
    """Two folds of ten patients: inside each 2 patients are held out, or 4, or in some folds 5 and 6."""
    found = inspect(write_set(tmp_path / "lesions", patients=10)).require_usable().lesions
    asked = {"arms": ["classic", "auto"], "classifiers": ["paper-cnn", "logistic"], "seeds": 2}
    recipe = tiny_recipe(training={"holdout": holdout}, benchmark=asked)
    design = make_design(found, recipe, tmp_path)
    told = design_warnings(design, found, recipe)
    assert len(told) == bool(blind)
    for line in told:
        assert line.startswith(f"Arm auto can choose no synthetic lesions for {', '.join(blind)}: ")
        assert f"on {4 if len(blind) == 1 else 2} held-out patients at most" in line
    without = tiny_recipe(training={"holdout": holdout}, benchmark=asked | {"arms": ["classic", "classic+gan"]})
    assert design_warnings(make_design(found, without, tmp_path), found, without) == []
