"""What a report is made from: the folders that other commands left, told apart by the files in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import pandas as pd

from augmentor.data.folders import EVALUATION, FIGURES, KEY, METRICS, RECIPE
from augmentor.data.formats import file_name
from augmentor.data.windows import DESCRIPTION
from augmentor.errors import UsageError
from augmentor.evaluation.plane import EMBEDDING
from augmentor.files import damaged, read_json, read_table
from augmentor.recipe import Recipe
from augmentor.report import evaluation
from augmentor.training.run import Run

# What every summary.json holds; beside it, the command where one was typed.
_OF_A_BENCHMARK = (
    *("arms", "by_patient", "cell_seconds", "choices", "classes", "comparisons", "curves", "data", "failed", "fits"),
    *("machine", "mcnemar", "metric", "recipe", "seconds", "verdict", "versions"),
)


@dataclass(frozen=True)
class Source:
    """A folder; `name` tells it from the others that it stands beside, and is "" where it stands alone."""

    folder: Path
    name: str = ""
    marks: ClassVar[tuple[str, ...]] = ()  # the files by which a folder of this kind is known

    @classmethod
    def found_in(cls, folder: Path) -> Self | None:
        return cls(folder) if all((folder / mark).is_file() for mark in cls.marks) else None

    def figure(self, out: Path, name: str) -> Path:
        """Where a figure of this source belongs in the report's folder."""
        told = f"{file_name(self.name.replace('/', '-'))}-{name}" if self.name else name
        return out / FIGURES / f"{told}.png"

    @property
    def content(self) -> object:
        """What the files of `marks` hold. Raises UsageError where that is none of what our command leaves in them."""
        raise NotImplementedError

    def titled(self, title: str) -> str:
        return f"{title}: {self.name}" if self.name else title

    def json(self, name: str, *needed: str) -> dict[str, Any]:
        """A JSON of the folder, {} where there is none. Raises UsageError where it holds less than what is needed."""
        file = self.folder / name
        return read_json(file, *needed) if file.exists() else {}

    @property
    def embedding(self) -> Path:
        return self.folder / EMBEDDING


class Evaluated(Source):
    """What an evaluation.json may be in."""

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        return self.json(EVALUATION, "spaces")

    @property
    def compared_with(self) -> str:
        """The real lesions among which copies are looked for, one of them."""
        return evaluation.compared_with(self.evaluation)


class Fit(Evaluated):
    """A run folder, of a finished fit or of one under way; a benchmark's GANs are such folders too."""

    marks = (METRICS, RECIPE)  # the first alone is a common name

    @cached_property
    def run(self) -> Run:
        return Run(self.folder)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.json("run.json")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        file = self.run.metrics_file
        try:
            table = pd.DataFrame(self.run.metrics)
        except ValueError as error:  # no JSON, or bytes that are no UTF-8
            raise damaged(file, error) from error
        if len(table) and not {"kind", "kimg"} <= set(table):
            raise damaged(file, "no kind or kimg in it")
        return table

    @property
    def compared_with(self) -> str:
        return "training lesion"

    @property
    def content(self) -> tuple[pd.DataFrame, Recipe]:
        return self.metrics, self.run.recipe

    @property
    def grid(self) -> Path | None:
        """The picture of the snapshot that was chosen; of the last one where none is yet."""
        chosen = self.run.samples / f"{Path(self.summary.get('chosen', '')).stem}.png"
        return chosen if chosen.is_file() else max(self.run.samples.glob("*.png"), default=None)

    @property
    def recipe(self) -> str:
        return (self.folder / RECIPE).read_text(encoding="utf-8")

    @property
    def damage(self) -> UsageError | None:
        """What is wrong with its files, if anything."""
        try:
            _ = self.content, self.summary, self.has_lesions and (self.run.training, self.run.held_out)
        except UsageError as error:
            return error
        return None

    @property
    def has_lesions(self) -> bool:
        return self.run.lesions_file.exists() and self.run.splits_file.exists()


class Judged(Evaluated):
    """What `augmentor evaluate --synthetic --real` left: an evaluation without a run."""

    marks = (EVALUATION,)

    @classmethod
    def found_in(cls, folder: Path) -> Self | None:
        return None if Fit.found_in(folder) else super().found_in(folder)

    @property
    def content(self) -> dict[str, Any]:
        return self.evaluation


class Benchmark(Source):
    """The folder of a finished benchmark."""

    marks = ("summary.json", "results.csv")

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.json("summary.json", *_OF_A_BENCHMARK)

    @cached_property
    def results(self) -> pd.DataFrame:
        return read_cells(self.folder / "results.csv", "arm", "classifier", "fold", "seed")

    @property
    def content(self) -> tuple[dict[str, Any], pd.DataFrame]:
        return self.summary, self.results

    @property
    def gans(self) -> list[Fit]:
        """The GANs that left a folder that can be read, those of all real lesions first."""
        return [gan for gan, damage in self._gans if damage is None]

    @property
    def left_out(self) -> list[str]:
        """Which GANs can't be read, and why, in sentences."""
        return [f"{damage} The GAN that it belongs to is left out of the report." for _, damage in self._gans if damage]

    @cached_property
    def _gans(self) -> list[tuple[Fit, UsageError | None]]:
        fits = sorted(self.summary["fits"], key=lambda fit: fit["per_class"] is not None)
        named = [Fit.found_in(self.folder / fit["run"]) for fit in fits]
        gans = [replace(gan, name="-".join(filter(None, (self.name, gan.folder.name)))) for gan in named if gan]
        return [(gan, gan.damage) for gan in gans]


class Enlarged(Source):
    """An enlarged training set, as `augmentor expand` writes it."""

    marks = ("manifest.csv", DESCRIPTION)

    @cached_property
    def screen(self) -> dict[str, Any]:
        return self.json(DESCRIPTION).get("Screen") or {}

    @property
    def content(self) -> dict[str, Any]:
        return self.screen


class Reading(Source):
    """A blind reading that was scored."""

    marks = ("score.json", KEY)

    @cached_property
    def score(self) -> dict[str, Any]:
        return self.json("score.json", "readers", "all", "agreement", "awaited", "verdict", "class_verdict")

    @property
    def content(self) -> dict[str, Any]:
        return self.score


class Check(Source):
    """What `augmentor run` found in the data."""

    marks = ("check.json",)

    @property
    def warnings(self) -> list[str]:
        return self.json("check.json").get("warnings") or []

    @property
    def content(self) -> list[str]:
        return self.warnings


@dataclass(frozen=True)
class Sources:
    """All folders of a report, by kind."""

    benchmarks: list[Benchmark]
    fits: list[Fit]
    enlarged: list[Enlarged]
    readings: list[Reading]
    checks: list[Check]
    judged: list[Judged]
    left_out: list[str]  # of what lies below the folders that were given, and why, in sentences

    @cached_property
    def together(self) -> list[Source]:
        """Benchmarks, runs and judged sets, which stand in one section, told apart across these kinds."""
        every: list[Source] = [*self.benchmarks, *self.fits, *self.judged]
        names = _names([source.folder for source in every])
        return [replace(source, name=name) for source, name in zip(every, names, strict=True)]

    @cached_property
    def evaluated(self) -> list[Evaluated]:
        """All that evaluation.json may be in, told apart across kinds."""
        every: list[Evaluated] = [*self.fits, *self.judged]
        return [source for source in self.together if isinstance(source, Evaluated)] if len(every) > 1 else every

    @property
    def shown(self) -> list[Fit]:
        """The runs whose lesions are shown: those given, or one GAN of each benchmark."""
        first = (next((gan for gan in benchmark.gans if gan.grid), None) for benchmark in self.benchmarks)
        return self.fits or [replace(gan, name=b.name) for b, gan in zip(self.benchmarks, first, strict=True) if gan]


def find_sources(folders: Sequence[Path]) -> Sources:
    """The sources among the folders; of one that is none itself, as `augmentor run` makes it, those right below it, but
    for those whose marks are another program's files of the same name.

    Raises UsageError for a folder that is missing, or holds nothing to report.
    """
    found: list[Source] = []
    left_out: list[str] = []
    for folder in folders:
        below, others = _below(folder) if folder.is_dir() and not is_source(folder) else ([], [])
        here = [*_kinds(folder), *below]
        if not here:
            raise UsageError(" ".join([_nothing_in(folder), *others]))
        found += here
        left_out += others
    return Sources(
        _named(found, Benchmark),
        _named(found, Fit),
        _named(found, Enlarged),
        _named(found, Reading),
        _named(found, Check),
        _named(found, Judged),
        list(dict.fromkeys(left_out)),
    )


def is_source(folder: Path) -> bool:
    """Whether a command left its results in the folder itself; what `augmentor run` found in the data are none."""
    return any(not isinstance(source, Check) for source in _kinds(folder))


def _kinds(folder: Path) -> list[Source]:
    kinds: tuple[type[Source], ...] = (Benchmark, Fit, Enlarged, Reading, Check, Judged)
    return [source for kind in kinds if (source := kind.found_in(folder))]


def _nothing_in(folder: Path) -> str:
    return (
        f"{folder}: {'holds nothing to report' if folder.is_dir() else 'no such folder'}. Give the folder of a "
        "finished `augmentor fit`, `expand`, `evaluate`, `benchmark`, `run` or `read score`."
    )


def _below(folder: Path) -> tuple[list[Source], list[str]]:
    """The sources right below a folder, and what is left out since its marks don't hold what our command leaves."""
    ours: list[Source] = []
    left_out = []
    for source in (source for below in sorted(folder.iterdir()) if below.is_dir() for source in _kinds(below)):
        try:
            _ = source.content
            ours.append(source)
        except UsageError as error:
            told = "What it belongs to is left out of the report; if another program wrote it, nothing is missing."
            left_out.append(f"{error} {told}")
    return ours, left_out


S = TypeVar("S", bound=Source)


def _named(found: Iterable[Source], kind: type[S]) -> list[S]:
    """Those of a kind, each folder once, named by as much of their paths as tells them apart."""
    folders = list(dict.fromkeys(source.folder.resolve() for source in found if type(source) is kind))
    return [kind(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def _names(folders: Sequence[Path]) -> list[str]:
    """As much of each one's path as tells it from the others; "" for one alone."""
    if len(folders) < 2:
        return [""] * len(folders)
    depth = 1
    while max(Counter(folder.parts[-depth:] for folder in set(folders)).values()) > 1:
        depth += 1
    return ["/".join(folder.parts[-depth:]) for folder in folders]


def read_cells(path: Path, *needed: str) -> pd.DataFrame:
    """A CSV with one row a cell or an image; names stay text, so that a class called 1 or NA survives.

    Raises UsageError where it is damaged, or lacks a column that is needed."""
    names = dict.fromkeys(["arm", "classifier", "fold", "label", "predicted"], str)
    return read_table(path, *needed, dtype=names, keep_default_na=False, na_values=[""])
