"""What a table or a line for the terminal leaves out, and says that it does."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from augmentor.cli import show


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
