"""Fixtures that several test files use."""

from pathlib import Path

import pytest

from tests.lesion_sets import write_set

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def lesion_folder(tmp_path):
    """lesions/<class>/<patient>_<number>.png: classes a, b and c of 4 patients with 2 images each, 16x16, 8 bit."""
    write_set(tmp_path / "lesions", classes=3, patients=4)
    return tmp_path / "lesions"


@pytest.fixture
def shared_data():
    """Gives the path of a file or folder of the real data; skips the test where this machine has none."""

    def path_of(name):
        if not (SHARED_DATA / name).exists():
            pytest.skip(f"the real data set {name} is not on this machine")
        return SHARED_DATA / name

    return path_of
