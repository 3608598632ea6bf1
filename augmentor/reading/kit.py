"""`read make`: a run to a folder with one page a reader and the key."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from augmentor.data.intensity import Intensity
from augmentor.data.lesions import Lesions
from augmentor.errors import DataError, UsageError
from augmentor.files import require_empty, whole_folder
from augmentor.model.checkpoint import Card, file_hash, load_card
from augmentor.progress import Progress
from augmentor.reading.answers import ALL, MODEL
from augmentor.reading.choice import draw_real, draw_synthetic, real_lesions, scale_doubts, shares
from augmentor.reading.key import Key, digest, order_of, reading_id, spelt_alike
from augmentor.reading.page import make_page, write_page
from augmentor.reading.pixels import Treatment, find_treatment, read_lesion, stored_like, unit_step
from augmentor.recipe import ScreenLevel
from augmentor.training.run import Run
from augmentor.version import VERSION

_LONGEST = 40  # letters of a reader's name
_TAKEN = {  # names that no reader may have, in small letters, and whose they are
    MODEL: "the classifier that `read score --model` lets read",
    ALL: "the row that tells all readers together",
    "report": "the page that `read score` leaves, report.html",
}


@dataclass
class _Lesion:
    """One lesion as it is shown: `pixels` (C, S, S) uint16."""

    pixels: np.ndarray
    kind: str
    label: str
    patient: str
    source: str


def make_reading(
    run: Run,
    readers: list[str],
    out: Path,
    count: int = 60,
    real: Lesions | None = None,
    seed: int = 0,
    screen: ScreenLevel = "light",
    progress: Progress | None = None,
) -> Key:
    """Write OUT/<reader>.html for each reader, and OUT/key.json; the folder appears whole or not at all.

    readers: names of letters, digits, - and _, which the files bear; several encodings of a name (Unicode) are one.
    real: lesions to take instead of the run's held-out ones. Raises UsageError for bad names or an `out` that holds
    files, DataError for real lesions that can't be shown, ShortfallError where too few synthetic ones pass the screen.
    """
    progress = progress or Progress()
    readers = [spelt_alike(name) for name in readers]
    _require_readers(readers)
    if run.recipe.model.spatial_dims == 3:
        raise UsageError(f"{run.folder}: was fitted on volumes, and a reading shows images. Give a run of sections.")
    require_empty(out)
    lesions, treatment, card = _lesions(run, count, real, seed, screen, progress)
    reading = reading_id([lesion.pixels for lesion in lesions], seed)
    # Numbered by the pixels, so that a number says nothing of what a lesion is.
    lesions.sort(key=lambda lesion: digest(lesion.pixels))
    digits = len(str(len(lesions)))
    shown = {f"L{number:0{digits}d}": lesion for number, lesion in enumerate(lesions, 1)}
    key = Key(
        reading,
        _made(run, seed, screen),
        list(card.classes),
        [_row(name, lesion) for name, lesion in shown.items()],
        {reader: order_of(reading, reader, list(shown)) for reader in readers},
        asdict(treatment),
    )
    _write(key, {name: lesion.pixels for name, lesion in shown.items()}, treatment, card.intensity, out.resolve())
    return key


def _require_readers(readers: list[str]) -> None:
    bad = [name for name in readers if not _can_be_file(name)]
    if bad or not readers:
        raise UsageError(
            f"--readers: {', '.join(map(repr, bad)) or 'nobody'}; give one or more names of letters, digits, - and _ "
            f"({_LONGEST} at most), as in --readers anna,ben. Letters may be of any script, with their accents and "
            "vowel signs; a name has no blanks and no characters that can't be seen, for it names files."
        )
    folded = [spelt_alike(name.casefold()) for name in readers]
    twice = sorted({name for name, key in zip(readers, folded, strict=True) if folded.count(key) > 1})
    if twice:
        told = f"{', '.join(twice)} are one name" if len(twice) > 1 else f"{twice[0]} is named more than once"
        raise UsageError(f"--readers: {told}; each reader needs another.")
    for name in readers:
        if used_for := _TAKEN.get(name.lower()):
            raise UsageError(f"--readers: {name!r} is the name of {used_for}. Give this reader another.")


def _can_be_file(name: str) -> bool:
    """Letters with the marks on them (Unicode's categories M*), digits, - and _; no mark stands at the beginning."""
    bare = "".join(letter for letter in name if not unicodedata.category(letter).startswith("M"))
    return len(name) <= _LONGEST and bool(re.fullmatch(r"[\w-]+", bare)) and name.startswith(bare[0])


def _lesions(
    run: Run, count: int, brought: Lesions | None, seed: int, screen: ScreenLevel, progress: Progress
) -> tuple[list[_Lesion], Treatment, Card]:
    run.require_images()
    available = real_lesions(run, brought)
    card = load_card(run.chosen_checkpoint)
    counts = dict.fromkeys(card.classes, 0) | available.counts()
    wanted = shares(counts, count)
    chosen = draw_real(available, wanted, seed)
    for doubt in scale_doubts(chosen, run, card.intensity) if brought is not None else []:
        progress.say(f"Warning: {doubt}")
    with progress.task(f"Drawing and screening {count // 2} synthetic lesions", 2) as update:
        update(0, "")
        images, labels = draw_synthetic(run, wanted, seed, screen)
        update(1, "")
        files = [read_lesion(path, card.model.size, card.intensity) for path in chosen.paths]
        _require_channels(chosen.paths, [len(file.image) for file in files], card.channels)
        unit = unit_step(card.intensity, card.channels)
        # Both lists are in the order of the classes: a synthetic lesion is stored like a real one of its class.
        stored = [stored_like(image, file, unit) for image, file in zip(images, files, strict=True)]
        treatment = find_treatment([file.image for file in files] + stored, card.intensity)
        made = [
            _Lesion(treatment.apply(file.image), "real", *(str(x) for x in (row.label, row.patient, row.path)))
            for file, row in zip(files, chosen.table.itertuples(), strict=True)
        ]
        made += [
            _Lesion(treatment.apply(image), "synthetic", label, "", f"seed {seed}, lesion {number}")
            for number, (image, label) in enumerate(zip(stored, labels, strict=True), 1)
        ]
        update(2, "")
    return made, treatment, card


def _require_channels(paths: list[str], found: list[int], wanted: int) -> None:
    for path, channels in zip(paths, found, strict=True):
        if channels != wanted:
            raise DataError(
                f"{path}: has {channels} channel{'s' * (channels > 1)}, the run's lesions have {wanted}. "
                "Give lesions like those that the run was fitted on."
            )


def _made(run: Run, seed: int, screen: ScreenLevel) -> dict[str, str | int]:
    checkpoint = file_hash(run.chosen_checkpoint)
    return {"run": str(run.folder), "checkpoint": checkpoint, "seed": seed, "screen": screen, "version": VERSION}


def _row(name: str, lesion: _Lesion) -> dict[str, str]:
    about = {"kind": lesion.kind, "label": lesion.label, "patient": lesion.patient, "source": lesion.source}
    return {"id": name} | about


def _write(key: Key, pixels: dict[str, np.ndarray], treatment: Treatment, intensity: Intensity, out: Path) -> None:
    with whole_folder(out) as part:
        key.save(part)
        for reader, order in key.orders.items():
            shown = {name: pixels[name] for name in order}
            page = make_page(key.reading, reader, key.classes, shown, treatment.levels, intensity)
            write_page(page, part / f"{reader}.html")
