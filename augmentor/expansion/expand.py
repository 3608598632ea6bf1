"""`expand`: a run and a factor to an enlarged training set that stands alone."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augmentor.data.images import (
    SUFFIX,
    FileFormat,
    Intensity,
    file_format,
    file_name,
    read_image,
    resampled_spacing,
    slope_intercept,
    storage,
    to_square,
    write_image,
)
from augmentor.data.lesions import Lesions
from augmentor.data.readers import read_lesions
from augmentor.errors import ShortfallError
from augmentor.expansion.mix import wanted_counts
from augmentor.expansion.rules import REASONS, Synthetic
from augmentor.expansion.screen import Screen, screen_of
from augmentor.model.checkpoint import Card, file_hash, load_checkpoint
from augmentor.progress import Progress
from augmentor.recipe import ExpandSection
from augmentor.training.run import Run, require_empty
from augmentor.version import VERSION

_MEASURED = ("copy_distance", "twin_distance", "label_agreement", "realism", "spread")  # by the screen's rules
_COLUMNS = ("path", "label", "patient", "origin", "seed", *_MEASURED, "checkpoint", "recipe")


@dataclass
class _Writer:
    """Writes one set into a folder; `rows` becomes the manifest."""

    folder: Path
    form: FileFormat
    intensity: Intensity
    spacing_mm: tuple[float, float] | None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, image: np.ndarray, label: str, origin: str, number: int, note: str, **columns: Any) -> None:
        """image: (C, S, S) in [-1, 1]."""
        home = file_name(label)
        path = f"{home}/{origin}_{number:06d}{SUFFIX[self.form]}"
        (self.folder / home).mkdir(exist_ok=True)
        stored = storage(self.intensity, self.form)
        write_image(stored.from_network(image), self.folder / path, self.spacing_mm, note)
        self.rows.append({"path": path, "label": label, "patient": "", "origin": origin} | columns)


def expand(
    run: Run,
    factor: float | None = None,
    out: Path | None = None,
    section: ExpandSection | None = None,
    progress: Progress | None = None,
) -> Lesions:
    """Write the real training lesions and as many synthetic ones as `factor` asks for; held-out patients stay out.

    `factor` goes before `section.factor`; `out` defaults to lesions-x<factor>. The folder appears whole or not at all.
    Raises UsageError for a bad factor or an `out` that holds files, and ShortfallError where the screen (of
    `section.screen`) let too few pass to fill the factor (what passed is written, and nothing that was refused).
    """
    progress, section = progress or Progress(), section or run.recipe.expand
    factor = section.factor if factor is None else factor
    wanted = wanted_counts(run.summary["classes"], factor, section.balance)
    out = (out or Path(f"lesions-x{factor:g}")).resolve()
    require_empty(out)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        screen = _write_set(run, part, section, wanted, factor, progress)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _require_filled(screen, wanted, out)
    return read_lesions(out / "manifest.csv")


def _write_set(
    run: Run, folder: Path, section: ExpandSection, wanted: dict[str, int], factor: float, progress: Progress
) -> Screen:
    generator, card = load_checkpoint(run.chosen_checkpoint)
    writer = _Writer(folder, section.format or file_format(run.training.paths[0]), card.intensity, card.spacing_mm)
    screen = screen_of(run, card, section.screen)
    _write_real(run.training, writer, card)
    writer.spacing_mm = card.spacing_mm
    source = {"checkpoint": file_hash(run.chosen_checkpoint), "recipe": card.recipe_hash}
    with progress.task(f"Writing {sum(wanted.values())} synthetic lesions", sum(wanted.values())) as update:
        for lesion in screen.draw(generator, card, wanted, section.seed):
            _write_synthetic(lesion, screen.kept[lesion.label], writer, source)
            update(screen.kept.total(), f"{screen.refused.total()} refused")
    _write_tables(writer, card, run, screen, factor, source)
    return screen


def _write_real(training: Lesions, writer: _Writer, card: Card) -> None:
    """The training lesions, brought to the network's size like the synthetic ones."""
    for number, (path, row) in enumerate(zip(training.paths, training.table.itertuples(), strict=True), 1):
        image = read_image(path)
        pixels = card.intensity.to_network(to_square(image.pixels, card.model.size))
        writer.spacing_mm = resampled_spacing(image, card.model.size)
        writer.add(pixels, str(row.label), "real", number, "real training lesion, resampled by augmentor")
        writer.rows[-1]["patient"] = row.patient


def _write_synthetic(lesion: Synthetic, number: int, writer: _Writer, source: dict[str, str]) -> None:
    note = f"SYNTHETIC lesion by augmentor {VERSION}, checkpoint {source['checkpoint']}, seed {lesion.seed}"
    measured = {rule: round(value, 4) for rule, value in lesion.measured.items()}
    writer.add(lesion.image, lesion.label, "synthetic", number, note, seed=lesion.seed, **measured, **source)


def _write_tables(writer: _Writer, card: Card, run: Run, screen: Screen, factor: float, source: dict[str, str]) -> None:
    manifest = pd.DataFrame(writer.rows, columns=list(_COLUMNS))
    manifest["seed"] = pd.array([row.get("seed") for row in writer.rows], dtype="Int64")  # floats would round them
    manifest.to_csv(writer.folder / "manifest.csv", index=False)
    names = {name: i for i, name in enumerate(card.classes)}
    items = [
        {"image": r["path"], "label": names[r["label"]], "origin": r["origin"], "patient": r["patient"]}
        for r in writer.rows
    ]
    datalist = {"labels": {str(i): n for n, i in names.items()}, "numTraining": len(items), "training": items}
    (writer.folder / "datalist.json").write_text(json.dumps(datalist, indent=1))
    slope, intercept = slope_intercept(card.intensity, storage(card.intensity, writer.form))
    description = {
        "Name": f"{Path(run.summary['source']).name}, enlarged {factor:g} times",
        "GeneratedBy": [{"Name": "augmentor", "Version": VERSION, "Run": run.folder.name} | source],
        "Warning": "Rows of origin 'synthetic' are no patients. Never test or validate on them.",
        "Counts": manifest.groupby(["label", "origin"]).size().unstack(fill_value=0).to_dict("index"),
        "Intensity": {"slope": slope, "intercept": intercept, "original_dtype": card.intensity.dtype},
        "Screen": screen.summary(),
    }
    (writer.folder / "dataset_description.json").write_text(json.dumps(description, indent=1))


def _require_filled(screen: Screen, wanted: dict[str, int], out: Path) -> None:
    short = [label for label, count in wanted.items() if screen.kept[label] < count]
    if short:
        told = "; ".join(_told(screen, label, wanted[label]) for label in short)
        off = {"off": "", "strict": " or a lighter --screen"}.get(screen.level, " or --screen off")
        raise ShortfallError(
            f"{out}: the factor could not be filled: {told}. What passed is written, nothing that was refused. "
            f"Fit longer or with more patients, or expand with a lower --factor{off}."
        )


def _told(screen: Screen, label: str, wanted: int) -> str:
    refused = ", ".join(f"{number} {REASONS[rule]}" for rule, number in screen.refused_of(label).items())
    return f"{label}: {screen.kept[label]} of {wanted} ({screen.drawn[label]} drawn; {refused})"
