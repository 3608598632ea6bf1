"""A classifier plays the reader, so that a reading can be tried from end to end with no people at hand."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from augmentor.benchmarking.arms import TrainingSet
from augmentor.benchmarking.classifiers import train_classifier
from augmentor.data.folders import KEY
from augmentor.data.lesions import class_numbers
from augmentor.errors import DataError, UsageError
from augmentor.expansion.screen import synthesise
from augmentor.model.checkpoint import file_hash, load_card
from augmentor.progress import Progress, Update
from augmentor.reading.answers import CONFIDENCES, MODEL, answers_file, save_answers
from augmentor.reading.key import KINDS, Key, load_key
from augmentor.reading.page import read_page
from augmentor.reading.pixels import Treatment, read_lesion, stored_like, unit_step
from augmentor.training.run import Run, open_run

_PER_CLASS = 200  # training lesions of each kind at most


def play(folder: Path, run: Path | None = None, progress: Progress | None = None) -> Path:
    """Let a random forest on texture features answer a reading; returns its answers-model.csv.

    It sees what a reader's page shows, the first of the reading's that can be read. It has learned from the run's
    training lesions and as many synthetic ones, none of which is in the reading, after they went through the same
    treatment. run: where the run is now, if it is no longer where the key says. Raises UsageError where that is another
    run, and DataError, with what is wrong with each page, where none can be read.
    """
    progress = progress or Progress()
    key = load_key(folder)
    chosen = _run_of(key, run)
    shown = _shown(folder, key)
    treatment = Treatment(**key.treatment)
    with progress.task("Training the classifier that reads", 3) as update:
        images, kinds, labels = _training(chosen, key, treatment, update)
        pixels = np.stack([treatment.to_network(x) for x in shown.values()])
        begun = time.monotonic()
        kind = _predicted(images, kinds, pixels, len(KINDS), key)
        label = _predicted(images, labels, pixels, len(key.classes), key)
        seconds = (time.monotonic() - begun) / len(pixels)
        update(3, "")
    rows = pd.DataFrame(
        {
            "reading": key.reading,
            "reader": MODEL,
            "lesion": list(shown),
            "position": range(1, len(shown) + 1),
            "kind": np.array(KINDS)[kind.argmax(1)],
            "label": np.array(key.classes)[label.argmax(1)],
            "confidence": _confidence(kind.max(1)),
            "seconds": round(seconds, 3),
        }
    )
    file = answers_file(folder, MODEL)
    save_answers(rows, file)
    return file


def _shown(folder: Path, key: Key) -> dict[str, np.ndarray]:
    """The lesions of the first reader's page that is there and of this reading: id -> (C, S, S) uint16."""
    problems: list[str] = []
    for reader in key.orders:
        file = folder / f"{reader}.html"
        try:
            page, shown = read_page(file)
        except DataError as error:
            problems += error.problems
            continue
        if page["reading"] == key.reading:
            return shown
        problems.append(
            f"{file}: is of reading {page['reading']}, {KEY} of {key.reading}. Put this reading's page there."
        )
    raise DataError(problems or f"{folder / KEY}: names no reader. Restore it, or make the reading again.")


def _run_of(key: Key, given: Path | None) -> Run:
    run = open_run(given or Path(key.made["run"]))
    if file_hash(run.chosen_checkpoint) != key.made["checkpoint"]:
        raise UsageError(
            f"{run.folder}: is not the run of this reading, whose checkpoint was {key.made['checkpoint']}. "
            "Name the right one with --run."
        )
    return run


def _training(run: Run, key: Key, treatment: Treatment, update: Update) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (N, C, S, S) as a page shows them, kinds (0 real, 1 synthetic) and classes (N,), both int64."""
    run.require_images()
    card = load_card(run.chosen_checkpoint)
    training = run.training.at_most(_PER_CLASS, key.made["seed"])
    files = [read_lesion(path, card.model.size, card.intensity) for path in training.paths]
    update(1, "")
    # Of the next seed: no lesion of it is in the reading.
    images, labels = synthesise(run, training.counts(), key.made["seed"] + 1, key.made["screen"])
    update(2, "")
    drawn = np.random.default_rng(key.made["seed"])
    unit = unit_step(card.intensity, card.channels)
    likes = [files[i] for i in drawn.integers(len(files), size=len(images))]
    stored = [stored_like(image, like, unit) for image, like in zip(images, likes, strict=True)]
    seen = [treatment.apply(image) for image in [*(file.image for file in files), *stored]]
    kinds = np.repeat([0, 1], [len(files), len(images)])
    return (
        np.stack([treatment.to_network(x) for x in seen]),
        kinds,
        class_numbers([*training.table["label"], *labels], card.classes),
    )


def _predicted(images: np.ndarray, targets: np.ndarray, shown: np.ndarray, classes: int, key: Key) -> np.ndarray:
    """(lesions, classes) probabilities of a forest trained on the images."""
    data = TrainingSet(images, targets, len(targets), len(targets), augment=False)
    return train_classifier("forest", data, classes, steps=0, seed=key.made["seed"]).predict(shown)


def _confidence(probability: np.ndarray) -> np.ndarray:
    """(N,) of the chosen kind, 0.5 to 1 -> 1 to 5."""
    steps = np.floor((probability - 0.5) / 0.5 * len(CONFIDENCES)).astype(int)
    return steps.clip(0, len(CONFIDENCES) - 1) + CONFIDENCES[0]
