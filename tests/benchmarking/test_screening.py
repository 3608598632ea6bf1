import pandas as pd
import pytest

from augmentor.benchmarking import screening
from augmentor.benchmarking.screening import study_screen, summarise_study
from augmentor.model.features import Embedder, texture_features
from tests.lesion_sets import tiny_recipe, write_set


@pytest.mark.slow
def test_a_study_has_a_row_a_setting_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(screening, "SETTINGS", ("none", "strict"))
    monkeypatch.setattr(screening, "_spaces", lambda: [Embedder("texture", texture_features)])
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
    assert found.loc["none", "error_logistic"] == 0
    assert found.loc["light", "kid_texture"] == pytest.approx(0.1)
    assert (found.loc["light", "least_logistic"], found.loc["light", "most_logistic"]) == pytest.approx((0.04, 0.08))
