from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from augmentor.data.intensity import Intensity
from augmentor.errors import DataError, UsageError
from augmentor.reading import player
from augmentor.reading.kit import make_reading
from augmentor.reading.page import make_page, write_page
from augmentor.reading.pixels import Treatment
from augmentor.reading.player import play
from augmentor.reading.score import score_reading
from augmentor.training.fit import fit
from tests.lesion_sets import tiny_recipe, write_set
from tests.reading.kits import lose_images, phantom_run, plain_key


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


def write_pages(folder, key):
    """A page for each reader, who sees the lesions in another order."""
    for place, reader in enumerate(key.orders):
        lesions = {name: np.zeros((1, 8, 8), np.uint16) for name in np.roll(key.ids, place).tolist()}
        page = make_page(key.reading, reader, key.classes, lesions, 256, Intensity(0, 255, "uint8"))
        write_page(page, folder / f"{reader}.html")


@pytest.fixture
def asked(monkeypatch):
    """No training: the classifier takes all for real ones of the first class. Which lesions it was shown, in order."""
    monkeypatch.setattr(player, "_run_of", lambda *_: None)
    monkeypatch.setattr(player, "_training", lambda *_: (None, None, None))
    monkeypatch.setattr(player, "Treatment", lambda **_: Treatment(256, 0))
    monkeypatch.setattr(player, "_predicted", lambda *given: np.eye(given[3])[np.zeros(len(given[2]), int)])
    return lambda folder: pd.read_csv(play(folder))["lesion"].tolist()


def lost(file):
    file.unlink()


def torn(file):
    file.write_text(file.read_text()[:3000])


def of_another_reading(file):
    write_pages(file.parent, replace(plain_key(readers=(file.stem,)), reading="other"))


@pytest.mark.parametrize("bad", [lost, torn, of_another_reading])
@pytest.mark.parametrize("whole", range(3))
def test_the_first_page_of_this_reading_that_can_be_read_will_do(tmp_path, asked, bad, whole):
    key = plain_key(3, ("anna", "ben", "chen"), tmp_path)
    write_pages(tmp_path, key)
    for reader in list(key.orders)[:whole]:
        bad(tmp_path / f"{reader}.html")
    assert asked(tmp_path) == np.roll(key.ids, whole).tolist()
    assert score_reading(tmp_path)["all"]["kind"]["right"] == 3


def test_where_no_page_can_be_read_it_says_of_each_why(tmp_path, asked):
    key = plain_key(3, ("anna", "ben", "chen"), tmp_path)
    write_pages(tmp_path, key)
    for reader, bad in zip(key.orders, (lost, torn, of_another_reading), strict=True):
        bad(tmp_path / f"{reader}.html")
    with pytest.raises(DataError) as told:
        asked(tmp_path)
    starts = ("anna.html: no such file", "ben.html: is no page", "chen.html: is of reading other")
    assert [start in problem for start, problem in zip(starts, told.value.problems, strict=True)] == [True] * 3
