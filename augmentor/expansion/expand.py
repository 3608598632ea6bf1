"""`expand`: a run and a factor to an enlarged training set that stands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from augmentor.arguments import checked
from augmentor.data.formats import file_format
from augmentor.data.images import read_image
from augmentor.data.lesions import Lesions
from augmentor.data.masks import read_mask
from augmentor.data.patients import BY_IMAGE, is_known_by_file_alone
from augmentor.data.readers import read_lesions
from augmentor.data.sizes import spacing_at
from augmentor.data.squares import to_square
from augmentor.data.windows import scale_of, units_of
from augmentor.errors import ShortfallError
from augmentor.expansion.enlarged_set import SetWriter
from augmentor.expansion.mix import wanted_counts
from augmentor.expansion.rules import ALWAYS, REASONS, Synthetic
from augmentor.expansion.screen import Screen, screen_of
from augmentor.files import require_empty, whole_folder
from augmentor.model.checkpoint import file_hash, load_checkpoint
from augmentor.progress import Progress
from augmentor.recipe import ExpandSection
from augmentor.sampling import Drawn, note_of
from augmentor.training.run import Run, as_run
from augmentor.version import VERSION


@checked
def expand(
    run: Run | Path,
    factor: float | None = None,
    out: Path | None = None,
    section: ExpandSection | None = None,
    progress: Progress | None = None,
) -> Lesions:
    """Write the real training lesions and as many synthetic ones as `factor` asks for; held-out patients stay out.

    run: what `fit` gave, or a run's folder.
    `factor` goes before `section.factor`; `out` defaults to lesions-x<factor>. The folder appears whole or not at all.
    Raises UsageError for a bad factor or an `out` that holds files, and ShortfallError where the screen (of
    `section.screen`) let too few pass to fill the factor (what passed is written, and nothing that was refused).
    """
    run = as_run(run)
    progress, section = progress or Progress(), section or run.recipe.expand
    factor = section.factor if factor is None else factor
    wanted = wanted_counts(run.summary["classes"], factor, section.balance)
    out = (out or Path(f"lesions-x{factor:g}")).resolve()
    require_empty(out)
    with whole_folder(out) as part:
        screen = _write_set(run, part, section, wanted, factor, progress)
    _require_filled(screen, wanted, run.summary["classes"], out)
    return read_lesions(out / "manifest.csv")


def _write_set(
    run: Run, folder: Path, section: ExpandSection, wanted: dict[str, int], factor: float, progress: Progress
) -> Screen:
    generator, card = load_checkpoint(run.chosen_checkpoint)
    first = run.training.paths[0]
    form = section.format or file_format(first, card.model.spatial_dims)
    dtype = card.intensity.dtype
    writer = SetWriter(folder, form, card, units_of(first, dtype), scale_of(first, dtype))
    screen = screen_of(run, card, section.screen)
    source = {"checkpoint": file_hash(run.chosen_checkpoint), "recipe": card.recipe_hash}
    with writer:
        _write_real(run.training, writer)
        with progress.task(f"Writing {sum(wanted.values())} synthetic lesions", sum(wanted.values())) as update:
            for lesion in screen.draw(generator, card, wanted, section.seed):
                _write_synthetic(lesion, screen.kept[lesion.label], writer, source)
                update(screen.kept.total(), f"{screen.refused.total()} refused")
    made_by = {"Name": "augmentor", "Version": VERSION, "Run": run.folder.name} | source
    writer.save_tables(f"Lesions, enlarged {factor:g} times", made_by, screen.summary())
    return screen


def _write_real(training: Lesions, writer: SetWriter) -> None:
    """The training lesions, brought to the network's size like the synthetic ones."""
    note, model = "real training lesion, resampled by augmentor", writer.card.model
    unnamed: dict[str, str] = {}  # a set that is shared tells no file's name
    for number, row in enumerate(training.table.itertuples(), 1):
        path = str(row.path)
        image = read_image(path)
        pixels = writer.card.intensity.to_network(to_square(image.pixels, model.size))
        mask = read_mask(str(row.mask), path, model.size)[None].astype(np.uint8) if model.with_mask else None
        spacing = spacing_at(image, str(row.roi_side_mm), model.size)
        patient = str(row.patient)
        if is_known_by_file_alone(patient):
            patient = unnamed.setdefault(patient, f"{BY_IMAGE}{len(unnamed) + 1}")
        writer.add(Drawn(pixels, mask), str(row.label), "real", number, note, spacing, patient=patient)


def _write_synthetic(lesion: Synthetic, number: int, writer: SetWriter, source: dict[str, str]) -> None:
    card = writer.card
    note = note_of(source["checkpoint"], lesion.seed)
    measured = {rule: round(value, 4) for rule, value in lesion.measured.items()}
    spacing = card.spacing_of(lesion.roi_side_mm)
    columns: dict[str, Any] = {"seed": lesion.seed} | measured | source
    writer.add(Drawn(lesion.image, lesion.mask), lesion.label, "synthetic", number, note, spacing, **columns)


def _require_filled(screen: Screen, wanted: dict[str, int], training: dict[str, int], out: Path) -> None:
    short = [label for label, count in wanted.items() if screen.kept[label] < count]
    if short:
        told = "; ".join(_told(screen, label, wanted[label]) for label in short)
        lighter = ""
        if any(rule not in ALWAYS for label in short for rule in screen.refused_of(label)):
            lighter = " or a lighter --screen" if screen.level == "strict" else " or --screen off"
        alone = ", ".join(label for label in short if training[label] == 1)
        hopeless = (
            f" Of a single training lesion ({alone}) none can be made: fit with 3 patients of each class."
            if alone
            else ""
        )
        raise ShortfallError(
            f"{out}: the factor could not be filled: {told}. What passed is written, nothing that was refused. "
            f"Fit longer or with more patients, or expand with a lower --factor{lighter}.{hopeless}"
        )


def _told(screen: Screen, label: str, wanted: int) -> str:
    refused = ", ".join(f"{number} {REASONS[rule]}" for rule, number in screen.refused_of(label).items())
    return f"{label}: {screen.kept[label]} of {wanted} ({screen.drawn[label]} drawn; {refused})"
