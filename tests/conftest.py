"""Fixtures that several test files use."""

import gc
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from augmentor import cli
from augmentor.locks import locked
from tests.lesion_sets import write_set
from tests.report.undrawn import undrawn_figures

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_finish():
    """What all tests share, half a million objects, is not looked through again at each collection of garbage."""
    gc.freeze()


@pytest.fixture
def lesion_folder(tmp_path):
    """lesions/<class>/<patient>_<number>.png: classes a, b and c of 4 patients with 2 images each, 16x16, 8 bit."""
    write_set(tmp_path / "lesions", classes=3, patients=4)
    return tmp_path / "lesions"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The working folder, in which runs/ and outputs go by default, is one of the test's own and nobody's checkout."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def shared_data():
    """Gives the path of a file or folder of the real data; skips the test where this machine has none."""

    def path_of(name):
        if not (SHARED_DATA / name).exists():
            pytest.skip(f"the real data set {name} is not on this machine")
        return SHARED_DATA / name

    return path_of


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Gives a function of a name and what fills a folder: the folder of that name, filled once for all test processes,
    which are not to write into it. Whoever asks while another one fills it waits.

    After "Making session-scoped fixtures execute only once" in the documentation of pytest-xdist.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def folder_of(name, fill):
        folder, done = shared / name, shared / f"{name}.done"
        with locked(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed at it
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture
def few_augmented(monkeypatch):
    """Training lesions have few classic views in an evaluation: for tests that look at no score of these."""
    monkeypatch.setattr("augmentor.evaluation.fidelity._AUGMENTED", 8)


@pytest.fixture
def undrawn():
    """Figures of a report are plotted and not drawn: for tests that look at no pixel of one."""
    with undrawn_figures():
        yield


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    def says(self, *phrases):
        """Whether all phrases were printed, wherever the terminal broke the lines."""
        printed = "".join((self.out + self.err).split())
        missing = [p for p in phrases if "".join(str(p).split()) not in printed]
        assert not missing, f"{missing} not in:\n{self.out}{self.err}"
        assert "Traceback" not in printed
        return True


@pytest.fixture
def augmentor(capsys, monkeypatch):
    """Gives a function that runs a command line and tells its exit code and what it printed."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["augmentor", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return Outcome(code, *capsys.readouterr())

    return call
