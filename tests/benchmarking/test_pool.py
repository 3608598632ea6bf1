import numpy as np
import pytest

from augmentor.benchmarking import pool as module
from augmentor.benchmarking.pool import pool
from augmentor.training.fit import fit
from augmentor.training.run import Run
from tests.lesion_sets import tiny_recipe, write_set

try:
    import resource
except ImportError:  # Windows
    resource = None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    return fit(write_set(folder / "lesions"), tiny_recipe(), folder / "run", latest=False)


def test_what_was_drawn_once_is_read_and_is_the_same(run, monkeypatch):
    images, labels = pool(run, {"a": 2, "b": 3}, 0, "off")
    assert labels == ["a", "a", "b", "b", "b"]

    def refuse(*_):
        raise AssertionError("drawn again")

    monkeypatch.setattr(module, "synthesise", refuse)
    again, again_labels = pool(run, {"a": 2, "b": 3}, 0, "off")
    assert np.array_equal(images, again)
    assert again_labels == labels


@pytest.mark.skipif(resource is None, reason="no limit of a file's size can be set here")
def test_a_full_disk_leaves_nothing_half_written(run):
    before = {file.name for file in (run.folder / "pools").iterdir()} if (run.folder / "pools").exists() else set()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # a set of thirty is larger
    try:
        with pytest.raises(OSError, match="File too large"):
            pool(run, {"a": 30, "b": 1}, 7, "off")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file.name for file in (run.folder / "pools").iterdir()} == before
    assert pool(run, {"a": 30, "b": 1}, 7, "off")[1] == ["a"] * 30 + ["b"]


@pytest.mark.parametrize(
    "change", [{"wanted": {"a": 3, "b": 3}}, {"wanted": {"a": 2, "b": 0}}, {"seed": 10}, {"screen": "light"}]
)
def test_another_wish_is_another_set(tmp_path, monkeypatch, change):
    asked, run = [], Run(tmp_path)
    monkeypatch.setattr(module, "synthesise", lambda *a: (asked.append(a), (np.zeros((0, 1, 16, 16)), []))[1])
    wish = {"wanted": {"a": 1, "b": 1}, "seed": 9, "screen": "off"}
    other = wish | change
    for each in (wish, wish, other, other):
        pool(run, **each)
    assert asked == [(run, *wish.values()), (run, *other.values())]


def test_a_damaged_set_is_drawn_again(run):
    images, labels = pool(run, {"a": 1, "b": 1}, 3, "off")
    for file in (run.folder / "pools").iterdir():
        file.write_bytes(b"")
    again, again_labels = pool(run, {"a": 1, "b": 1}, 3, "off")
    assert np.array_equal(images, again)
    assert labels == again_labels
