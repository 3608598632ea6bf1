"""Fixtures of fits."""

import pytest

from tests.lesion_sets import write_set


@pytest.fixture
def lesions(tmp_path, monkeypatch):
    """Lesions in a folder that is the working one, in which runs/ is."""
    monkeypatch.chdir(tmp_path)
    return write_set(tmp_path / "lesions")


@pytest.fixture
def snapshots_of():
    """Gives a function from a run to the records of its snapshots."""
    return lambda run: [record for record in run.metrics if record["kind"] == "snapshot"]
