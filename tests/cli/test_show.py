"""What a table or a line for the terminal leaves out, and says that it does; and the command that it offers."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from augmentor import cli
from augmentor.cli import show
from augmentor.data.preparing import prepare
from augmentor.data.readers import read_lesions
from augmentor.errors import UsageError
from augmentor.recipe import Recipe
from augmentor.training.run import Run
from tests.lesion_sets import write_set


def told_of(monkeypatch, **found) -> str:
    """What `check` prints of a data set of which this was found."""
    told = io.StringIO()
    monkeypatch.setattr("augmentor.cli.show.out", Console(file=told, width=80))
    counts = {"images": 100, "patients": 50}
    empty = {name: {} for name in ("columns", "sizes", "dtypes", "channels", "intensity", "splits", "folds")}
    lists = {name: [] for name in ("exact_duplicates", "warnings", "problems")}
    show.show_inspection({"source": "lesions", "classes": {"a": counts}, "lesions": counts} | empty | lists | found)
    return told.getvalue()


@pytest.mark.parametrize("count", [1, 8, 9, 15])
def test_what_a_line_leaves_out_is_counted(monkeypatch, count):
    told = told_of(monkeypatch, sizes={f"{side}x{side}": 1 for side in range(count)})
    line = next(line for line in told.splitlines() if line.startswith("sizes: "))
    assert line.count("x") == min(count, 8)
    assert line.endswith(f" and {count - 8} more") == (count > 8)


@pytest.mark.parametrize(
    ("value", "told"), [(1234567.0, "1234567"), (0.25, "0.25"), (-1024, "-1024"), (65535.0, "65535")]
)
def test_a_number_keeps_its_digits(monkeypatch, value, told):
    assert f"intensity: low: 0, high: {told}\n" in told_of(monkeypatch, intensity={"low": 0, "high": value})


# The benchmark that comes after an enlarged set


@pytest.mark.parametrize("place", [".", "deeper/still", "../elsewhere"])
@pytest.mark.parametrize("size", [None, 32])
def test_the_benchmark_that_is_offered_is_of_the_runs_lesions_at_its_size_from_wherever_the_user_stands(
    monkeypatch, tmp_path, place, size
):
    """Also of a run fitted from Python, whose recipe does not say how the patients were told apart."""
    home = tmp_path / "of the fit"
    home.mkdir()
    monkeypatch.chdir(home)
    write_set(Path("lesions"), patients=3)
    prepared = prepare(read_lesions("lesions", patient_pattern="<patient>_<n>"), of_size(size))
    run = Run(home / "runs" / "1")
    run.folder.mkdir(parents=True)
    prepared.lesions.save(run.lesions_file)
    (run.folder / "recipe.toml").write_text(prepared.recipe.to_toml())
    Path(place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(place)
    words = shlex.split(show._benchmark_of(run))
    read, asked = given_to(monkeypatch, "benchmarking.benchmark.benchmark", *words)
    found = prepare(read, asked, fitted=False)
    pd.testing.assert_frame_equal(found.lesions.table, prepared.lesions.table)
    assert found.recipe.model.size == prepared.recipe.model.size
    assert Path(words[3]).is_absolute() == (place != ".")


def of_size(size):
    return Recipe().with_options(model={"size": size})


def given_to(monkeypatch, function, *arguments):
    """The lesions and the recipe with which a command line calls a function of the package."""
    given = []

    def take(lesions, recipe, *_arguments, **_options):
        given.extend((lesions, recipe))
        raise UsageError("enough")

    with monkeypatch.context() as patch:
        patch.setattr(f"augmentor.{function}", take)
        patch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit):
            cli.main()
    return given
