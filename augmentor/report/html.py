"""One self-contained page from what other commands left behind: no network, no script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from augmentor.arguments import expand_home
from augmentor.data.folders import PAGE, TABLES
from augmentor.files import require_own, write_atomically, write_table
from augmentor.reading.page import page_templates
from augmentor.report.blocks import Block, Section
from augmentor.report.place import OWN, drawn_in, replacing, require_ours
from augmentor.report.sections import SECTIONS
from augmentor.report.sources import Benchmark, Sources, find_sources, is_source
from augmentor.version import VERSION

_INTERVAL = re.compile(r"\S+( %)? \(.* to .*\)")
_TABLES = ("arms", "comparisons", "classes", "by_patient", "mcnemar", "choices", "failed", "fits")


def report(folders: Sequence[Path], out: Path) -> Path:
    """OUT/report.html, OUT/figures/ and OUT/tables/ from the folders that other commands left.

    folders: runs, benchmarks, enlarged sets, evaluations of two sets, scored readings, or folders that hold such, as
    `augmentor run` makes them. Sections for which they hold nothing are left out; so is what lies below a given folder
    and only has the names of our files, with a warning on the page. A report that is in OUT already is replaced, its
    pictures and tables with it, once all of the new one is written.
    Raises UsageError where a folder holds nothing to report or a damaged file; where OUT is none of the folders and
    holds anything else than a report; and where OUT is no folder of a `fit`, `benchmark` and so on itself, and has a
    page, picture or table that no report has left there.
    """
    out, *given = (expand_home(Path(folder)) for folder in (out, *folders))
    sources = find_sources(given)
    if out.resolve() not in [folder.resolve() for folder in given]:
        require_own(out, OWN)
    if not is_source(out):
        require_ours(out)
    with replacing(out) as part:
        for benchmark in sources.benchmarks:
            _save_tables(benchmark, part / TABLES)
        sections = [section for make in SECTIONS if (section := make(sources, part))]
        _render(_title(sources), sections, part)
    return out / PAGE


def _title(sources: Sources) -> str:
    if sources.benchmarks:
        return "Do synthetic lesions help?"
    if sources.readings and not (sources.evaluated or sources.enlarged):
        return "Can readers tell real from synthetic lesions?"
    named = [*sources.evaluated, *sources.enlarged, *sources.readings]
    return "Synthetic lesions of " + ", ".join(source.name or source.folder.name for source in named)


def _save_tables(benchmark: Benchmark, folder: Path) -> None:
    """The numbers behind the tables, each under the name that it has in summary.json."""
    folder.mkdir(exist_ok=True)
    data = benchmark.summary["data"]
    lesions = [{"class": name} | counts for name, counts in data["classes"].items()]
    found = {name: benchmark.summary[name] for name in _TABLES} | {"lesions": lesions, "folds": data["folds"]}
    for name, rows in found.items():
        write_table(folder / benchmark.figure(folder, name).with_suffix(".csv").name, pd.DataFrame(rows))


def _render(title: str, sections: list[Section], folder: Path) -> None:
    """Fill the template; all text is escaped. The page names the files beside it, for the report that replaces it."""
    environment = page_templates("augmentor.report")
    environment.filters |= {"kind": _kind, "unbroken": _unbroken}
    environment.tests["interval"] = _INTERVAL.fullmatch
    template = environment.get_template("page.html")
    content = template.render(title=title, sections=sections, version=VERSION, files=drawn_in(folder))
    write_atomically(folder / PAGE, content)


def _kind(block: Block) -> str:
    return type(block).__name__


def _unbroken(cell: str) -> str:
    """A number and its interval, that may be broken between the two only."""
    value, _, interval = cell.partition(" (")
    return " (".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in (value, interval))
