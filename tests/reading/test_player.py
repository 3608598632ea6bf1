import pandas as pd
import pytest

from augmentor.errors import DataError, UsageError
from augmentor.reading.kit import make_reading
from augmentor.reading.player import play
from augmentor.reading.score import score_reading
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set
from tests.reading.kits import lose_images, phantom_run


def test_the_classifier_answers_as_a_reader_does_and_the_same_each_time(tmp_path):
    key = make_reading(phantom_run(), ["anna"], tmp_path / "reading", 24, screen="off")
    first = pd.read_csv(play(tmp_path / "reading")).drop(columns="seconds")
    again = pd.read_csv(play(tmp_path / "reading")).drop(columns="seconds")
    assert first.equals(again)
    assert first["lesion"].tolist() == key.orders["anna"]
    result = score_reading(tmp_path / "reading")
    assert result["all"]["reader"] == "all"
    assert [reader["reader"] for reader in result["readers"]] == ["model"]
    assert result["all"]["kind"]["n"] == 24


def test_another_run_is_refused(tmp_path):
    make_reading(phantom_run(), ["anna"], tmp_path / "reading", 12, screen="off")
    other = fit(write_set(tmp_path / "set"), tiny_recipe(), tmp_path / "other", latest=False)
    with pytest.raises(UsageError, match="is not the run of this reading"):
        play(tmp_path / "reading", other.folder)


def test_it_sees_the_classes(tmp_path):
    """Bright and dark discs: whoever sees the pixels names the class."""
    run = fit(write_set(tmp_path / "set", patients=10), tiny_recipe(), tmp_path / "run", latest=False)
    make_reading(run, ["anna"], tmp_path / "reading", 8, screen="off")
    play(tmp_path / "reading")
    label = score_reading(tmp_path / "reading")["all"]["label"]
    assert label["real"]["accuracy"] == 1


def test_without_the_runs_images_it_says_where_they_have_to_be(tmp_path, monkeypatch):
    make_reading(phantom_run(), ["anna"], tmp_path / "reading", 12, screen="off")
    lose_images(monkeypatch, phantom_run())
    with pytest.raises(DataError, match=rf"1\.png: no such file .*{phantom_run().folder} needs its images where"):
        play(tmp_path / "reading")
