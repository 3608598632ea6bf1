"""A start that fails leaves what was there before."""

import errno

import pytest

from augmentor.errors import UsageError
from augmentor.training.fit import fit, resume_fit
from augmentor.training.run import open_run
from tests.lesion_sets import tiny_recipe

pytestmark = pytest.mark.usefixtures("elsewhere")  # runs/ is one of the working folder


def test_an_aborted_start_leaves_no_folder(tmp_path, lesions, monkeypatch):
    def broken(*_arguments):
        raise OSError("disk full")

    monkeypatch.setattr("augmentor.training.snapshots.save_grid", broken)
    with pytest.raises(OSError, match="disk full"):
        fit(lesions, tiny_recipe(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_was_prepared_outlives_a_fit_that_fails(tmp_path, lesions, monkeypatch):
    def broken(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("augmentor.training.start.take_snapshot", broken)
    (tmp_path / "given").mkdir()
    for name in ("given", "new"):
        with pytest.raises(OSError, match="No space left"):
            fit(lesions, tiny_recipe(), tmp_path / name)
    assert list((tmp_path / "given").iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_a_finished_run_is_not_resumed_and_an_unfinished_one_not_expanded(tmp_path, lesions, monkeypatch):
    run = fit(lesions, tiny_recipe(), tmp_path / "run")
    with pytest.raises(UsageError, match="finished"):
        resume_fit(run.folder)
    (run.folder / "run.json").unlink()
    with pytest.raises(UsageError, match="has not ended"):
        open_run(run.folder)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no unfinished run"):
        resume_fit()
