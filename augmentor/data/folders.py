"""How the commands' folders are known again: the names of the files that tell what a folder holds."""

from __future__ import annotations

from pathlib import Path

from augmentor.data.windows import DESCRIPTION, RECORD

RECIPE = "recipe.toml"  # of a run, and of all that `augmentor run` makes
METRICS = "metrics.jsonl"  # of a run, a line a record
BENCHMARK = "benchmark.toml"  # of a benchmark: its recipe
EVALUATION = "evaluation.json"
KEY = "key.json"  # of a blind reading
PAGE, FIGURES, TABLES = "report.html", "figures", "tables"  # of a report

_WRITTEN = (RECIPE, BENCHMARK, RECORD)  # any of these
_MARKED = {DESCRIPTION: "augmentor", EVALUATION: "tstr", KEY: "orders"}  # or one of these with this word in it
_REPORT = (PAGE, FIGURES)  # or both of these: `report.html` alone may be anybody's


def is_ours(folder: Path) -> bool:
    """Whether a command wrote what it holds: a run, an enlarged set, a benchmark, an evaluation, lesions that were cut
    out, a reading or a report."""
    if all((folder / name).exists() for name in _REPORT) or any((folder / name).exists() for name in _WRITTEN):
        return True
    marked = {folder / name: word for name, word in _MARKED.items() if (folder / name).is_file()}
    return any(f'"{word}"' in file.read_text(encoding="utf-8", errors="ignore") for file, word in marked.items())
