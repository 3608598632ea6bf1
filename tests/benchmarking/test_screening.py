from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from augmentor.benchmarking import fold, screening
from augmentor.benchmarking.screening import study_screen, summarise_study
from augmentor.cli import show
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from augmentor.model.features import FeatureSpace, texture_features
from augmentor.progress import Progress
from tests.lesion_sets import draw_phantom, tiny_recipe, write_set


@pytest.mark.slow
def test_a_study_has_a_row_a_setting_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(screening, "SETTINGS", ("none", "strict"))
    monkeypatch.setattr(screening, "_spaces", lambda: [FeatureSpace("texture", texture_features)])
    lesions = write_set(tmp_path / "lesions", patients=9, per_patient=3)
    recipe = tiny_recipe(benchmark={"folds": 2, "classifiers": ["logistic"], "factor": 2.0})
    table = study_screen(lesions, recipe, tmp_path / "out")
    assert len(table) == 2 * 3
    assert set(table["setting"]) == {"classic", "none", "strict"}
    plain = table[table["setting"] == "none"]
    assert (plain["kept"] == plain["drawn"]).all()
    assert (table["kept"].dropna() <= table["drawn"].dropna()).all()
    file = tmp_path / "out" / "screen.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:-3]) + "\n")
    again = study_screen(lesions, recipe, tmp_path / "out")
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_rows_of_another_study_in_the_same_folder_are_not_this_ones(tmp_path, monkeypatch):
    def rows(data, recipe, missing, _progress):
        for setting in missing:
            asked.append(setting)
            yield {"fold": data.fold.name, "seed": data.seed, "setting": setting, "factor": recipe.benchmark.factor}

    asked = []
    monkeypatch.setattr(screening, "_rows", rows)
    lesions = write_set(tmp_path / "lesions")
    first, other = (tiny_recipe(benchmark={"folds": 2, "factor": factor}) for factor in (2.0, 3.0))
    study_screen(lesions, first, tmp_path / "out")
    assert set(study_screen(lesions, other, tmp_path / "out")["factor"]) == {3.0}
    asked.clear()
    table = study_screen(lesions, first, tmp_path / "out")
    assert not asked  # they are still there
    assert set(table["factor"]) == {2.0}
    assert len(table) == 2 * (1 + len(screening.SETTINGS))


def test_a_key_of_digits_is_no_number(tmp_path, monkeypatch):
    def rows(data, _recipe, missing, _progress):
        asked.extend(missing)
        yield from ({"fold": data.fold.name, "seed": data.seed, "setting": setting} for setting in missing)

    asked = []
    monkeypatch.setattr(screening, "_rows", rows)
    monkeypatch.setattr(screening, "_key", lambda data, _: f"{data.fold.name}12345e678")  # a float: infinite
    lesions, recipe = write_set(tmp_path / "lesions"), tiny_recipe()
    first = study_screen(lesions, recipe, tmp_path / "out")
    asked.clear()
    pd.testing.assert_frame_equal(study_screen(lesions, recipe, tmp_path / "out"), first)
    assert not asked


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_factor_that_asks_for_no_synthetic_lesion_is_refused_before_anything_is_trained(tmp_path, factor):
    lesions = write_set(tmp_path / "lesions")
    with pytest.raises(UsageError, match=f"--factor {factor:g} .* Give --factor 2 or more"):
        study_screen(lesions, tiny_recipe(benchmark={"factor": factor}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_that_another_arithmetic_computed_are_not_this_studys(tmp_path, monkeypatch):
    def keys_with(arithmetic):
        monkeypatch.setattr(fold, "arithmetic_of", lambda _recipe: arithmetic)
        return set(study_screen(lesions, recipe, tmp_path / "out")["key"])

    monkeypatch.setattr(screening, "_rows", nothing_computed)
    lesions, recipe = write_set(tmp_path / "lesions"), tiny_recipe()
    here, there = keys_with("cpu, float32"), keys_with("cuda, bfloat16")
    assert len(here) == len(there) == 2
    assert not here & there
    assert keys_with("cpu, float32") == here


def nothing_computed(data, _recipe, missing, _progress):
    yield from ({"fold": data.fold.name, "seed": data.seed, "setting": setting} for setting in missing)


class Recorded(Progress):
    def __init__(self):
        self.said = []

    def say(self, line):
        self.said.append(line)


def test_what_is_odd_about_the_lesions_and_the_folds_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(screening, "_rows", nothing_computed)
    write_set(tmp_path / "lesions")
    lesions, progress = read_lesions(tmp_path / "lesions"), Recorded()  # no pattern: each image is its own patient
    lesions.table.loc[lesions.table.index[:2], "split"] = "val"
    study_screen(lesions, tiny_recipe(), tmp_path / "out", progress)
    assert all(line.startswith("Warning: ") for line in progress.said)
    assert any("patient" in line for line in progress.said)
    assert any("The split column is not used" in line for line in progress.said)
    lesions.table["split"] = ["test" if number % 3 == 0 else "train" for number in range(len(lesions))]
    study_screen(lesions, tiny_recipe(), tmp_path / "other", progress)
    assert any("--folds 2 is not used" in line for line in progress.said)
    assert not any("verdict" in line for line in progress.said)  # a study gives none


def test_a_file_in_the_place_of_the_folder_is_told_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(screening, "prepare", lambda *_: pytest.fail("read"))
    lesions, out = write_set(tmp_path / "lesions"), tmp_path / "afile"
    out.write_text("mine")
    with pytest.raises(UsageError, match=r"afile: can't be a folder.* Give another --out"):
        study_screen(lesions, tiny_recipe(), out)
    assert out.read_text() == "mine"


def test_volumes_must_be_asked_for(tmp_path):
    draw_phantom(tmp_path / "lesions", patients=3, per_class=3, size=16, dims=3)
    with pytest.raises(DataError, match="--spatial-dims 3"):
        study_screen(read_lesions(tmp_path / "lesions"), tiny_recipe(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_coverage_judges_as_many_lesions_of_a_class_for_every_setting(tmp_path, monkeypatch):
    """As many as the setting that kept the fewest, also where the rows of others are there from an earlier start."""

    def drawn(_data, setting, _factor):
        targets = np.repeat([0, 1], [kept[setting], 60])
        return (np.zeros((len(targets), 1, 8, 8)), targets), 100

    def judged(data, _synthetic, counts):
        asked.append((counts[0], counts[1], (data.real[1] == 1).sum()))
        return {}

    asked, kept = [], {"none": 50, "light": 6, "strict": 2}
    monkeypatch.setattr(screening, "SETTINGS", tuple(kept))
    monkeypatch.setattr(screening, "fit_gan", lambda *_: SimpleNamespace(error=""))
    monkeypatch.setattr(screening, "_draw", drawn)
    monkeypatch.setattr(screening, "_fidelity", judged)
    monkeypatch.setattr(screening, "_sensitivities", lambda *_: {})
    lesions = write_set(tmp_path / "lesions")
    study_screen(lesions, tiny_recipe(), tmp_path / "out")
    assert len(asked) == 2 * len(kept)
    assert all((few, other) == (2, real) for few, other, real in asked)
    file, before = tmp_path / "out" / "screen.csv", asked.copy()
    rows = pd.read_csv(file)
    rows[rows["setting"] != "light"].to_csv(file, index=False)
    asked.clear()
    study_screen(lesions, tiny_recipe(), tmp_path / "out")
    assert len(asked) == 2
    assert set(asked) <= set(before)


@pytest.mark.slow
def test_volumes_have_rows_too_and_no_likeness_where_a_class_has_a_single_lesion(tmp_path, monkeypatch):
    draw_phantom(tmp_path / "lesions", patients=12, per_class=8, size=16, dims=3)
    lesions = read_lesions(tmp_path / "lesions")
    monkeypatch.setattr(screening, "SETTINGS", ("none",))
    monkeypatch.setattr(screening, "_spaces", lambda: [FeatureSpace("texture", texture_features)])
    asked = {"folds": 2, "classifiers": ["logistic"], "factor": 1.3}
    training = {"kimg": 0.016, "snapshots": 1}
    recipe = tiny_recipe(model={"spatial_dims": 3}, benchmark=asked, training=training)
    table = study_screen(lesions, recipe, tmp_path / "out")
    assert table["setting"].tolist() == ["classic", "none"] * 2
    assert table["drawn"].max() == 3  # one a class: no KID
    assert "kid_texture" not in table


def test_gains_are_paired_by_fold_and_averaged_over_seeds():
    rows = [
        {"fold": fold, "seed": seed, "setting": setting, "drawn": 10, "kept": kept, "kid_texture": 0.1}
        | {"sensitivity_logistic": 0.5 + 0.1 * fold + gain * (1 + seed)}
        for fold in (1, 2)
        for seed in (0, 1)
        for setting, kept, gain in (("classic", 0, 0.0), ("none", 10, 0.02), ("light", 8, 0.04))
    ]
    found = summarise_study(pd.DataFrame(rows)).set_index("setting")
    assert list(found.index) == ["none", "light"]
    assert found.loc["light", "refused"] == pytest.approx(0.2)
    assert found.loc["light", "gain_logistic"] == pytest.approx(0.06)
    assert found.loc["none", "more"] == found.loc["none", "error"] == 0
    assert found.loc["light", "kid_texture"] == pytest.approx(0.1)
    assert (found.loc["light", "least_logistic"], found.loc["light", "most_logistic"]) == pytest.approx((0.04, 0.08))


def test_more_than_none_is_the_mean_of_all_classifiers_and_is_shown_with_its_error(monkeypatch):
    """Over `none`, light has 1 and 3 points more in the two folds with svm, and 3 and 5 with logistic: 2 and 4."""
    gains = {"classic": ((0, 0), (0, 0)), "none": ((4, 2), (1, 5)), "light": ((5, 5), (4, 10))}
    rows = [
        {"fold": fold, "seed": 0, "setting": setting, "drawn": 10, "kept": 10}
        | {"sensitivity_svm": 0.5 + svm[fold] / 100, "sensitivity_logistic": 0.6 + logistic[fold] / 100}
        for setting, (svm, logistic) in gains.items()
        for fold in (0, 1)
    ]
    found = summarise_study(pd.DataFrame(rows))
    assert found.set_index("setting").loc["light", ["more", "error"]].tolist() == pytest.approx([0.03, 0.01])
    shown = Console(file=StringIO(), width=200)
    monkeypatch.setattr(show, "out", shown)
    show.show_screens(found)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.file.getvalue().splitlines()]
    none, light = (next(cells for cells in lines if cells[:1] == [name]) for name in ("none", "light"))
    assert none == ["none", "0.0%", "+3.0 (+3.0 to +3.0)", "+3.0 (+3.0 to +3.0)", ""]
    assert light == ["light", "0.0%", "+5.0 (+5.0 to +5.0)", "+7.0 (+7.0 to +7.0)", "+3.0 +- 1.0"]
