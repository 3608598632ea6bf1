"""What several tests of reports look at."""

from pathlib import Path

import pytest

from augmentor.report.html import report
from tests.report.fake import write_all


@pytest.fixture(scope="session")
def reported(made_once) -> Path:
    """A folder with all/, everything that a run and a reader leave, and its report/, drawn once."""

    def fill(folder: Path) -> None:
        report([write_all(folder / "all")], folder / "report")

    return made_once("reported", fill)
