"""`evaluate`: fidelity, variety and memorisation of a run, beside what real lesions score."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from augmentor.data.images import load_images
from augmentor.data.masks import load_masks
from augmentor.errors import UsageError
from augmentor.evaluation.mask_agreement import MaskAgreement, mask_agreement
from augmentor.evaluation.memorisation import make_copy_check
from augmentor.measures import coverage, density, kid, mmd, precision, recall, standardise
from augmentor.model.blocks import Generator
from augmentor.model.checkpoint import Card, load_checkpoint, to_json, write_atomically
from augmentor.model.features import texture_features
from augmentor.progress import Progress, Update
from augmentor.sampling import draw, seed_of
from augmentor.training.run import Run

MEASURES = {"kid": kid, "mmd": mmd, "precision": precision, "recall": recall, "density": density, "coverage": coverage}
_SEED = 2_000  # of the lesions that are judged
_MASKS = 40  # of each class, whose masks are compared with their images
Scores = dict[str, dict[str, float]]  # class or "mean" -> measure -> value


@dataclass(frozen=True)
class Fidelity:
    """Scores against held-out lesions in texture features: of the synthetic lesions, and of the training lesions.

    `floor` is what real lesions of the training patients score against the held-out ones: no generator can be expected
    to do better. `copies` holds the ten synthetic lesions nearest to a training one; a ratio of 1 is as near as another
    patient's lesion typically comes. `near_copies` is the share that `expand` would refuse. `masks`:
    whether they lie where their images show lesions; None where the run makes none.
    """

    spaces: dict[str, Scores]
    floor: dict[str, Scores]
    near_copies: float
    copies: list[dict[str, Any]]
    masks: MaskAgreement | None = None


def evaluate(run: Run, per_class: int = 200, progress: Progress | None = None) -> Fidelity:
    """Judge `per_class` fresh lesions a class; writes RUN/evaluation.json.

    Raises UsageError where the run held no lesions out.
    """
    if not len(run.held_out):
        raise UsageError(f"{run.folder}: nothing was held out, so nothing can be judged. Fit with --holdout 0.2.")
    progress = progress or Progress()
    generator, card = load_checkpoint(run.chosen_checkpoint)
    classes, size = list(card.classes), card.model.size
    numbers = [(c, i) for c in range(len(classes)) for i in range(per_class)]
    seeds, labels = [seed_of(_SEED, c, i) for c, i in numbers], np.array([classes[c] for c, _ in numbers])
    with progress.task(f"Judging {len(numbers)} synthetic lesions", len(numbers)) as update:
        synthetic, masks = _draw(generator, card, [c for c, _ in numbers], seeds, update)
    training, _ = load_images(run.training.paths, size, card.intensity)
    held_out, _ = load_images(run.held_out.paths, size, card.intensity)
    scores, floor = _scores(synthetic, labels, training, held_out, run)
    if not scores:
        raise UsageError(
            f"{run.folder}: no class has two or more held-out lesions, so nothing can be judged. "
            "Fit with more lesions, or a larger --holdout."
        )
    check = make_copy_check(training, run.training.table["patient"].tolist(), held_out)
    distances, rows = check.distances(synthetic)
    copies = [
        {"seed": seeds[i], "label": str(labels[i]), "nearest": run.training.paths[rows[i]], "ratio": float(ratio)}
        for i, ratio in ((i, distances[i] / check.typical) for i in np.argsort(distances)[:10])
    ]
    near = float((distances < check.threshold).mean())
    agreement = None
    if masks is not None:
        sides = ((run.training, training), (run.held_out, held_out))
        real = [(images, load_masks(lesions, size) > 0) for lesions, images in sides]
        few = [row for row, (_, number) in enumerate(numbers) if number < _MASKS]
        agreement = mask_agreement(real[0], real[1], (synthetic[few], masks[few]), labels[few])
    fidelity = Fidelity({"texture": scores}, {"texture": floor}, near, copies, agreement)
    write_atomically(run.folder / "evaluation.json", to_json(asdict(fidelity)))
    return fidelity


def _draw(
    generator: Generator, card: Card, classes: list[int], seeds: list[int], update: Update
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images, and their masks where the generator makes them."""
    images, masks = [], []
    for lesion in draw(generator, card, classes, seeds):
        images.append(lesion.image)
        if lesion.mask is not None:
            masks.append(lesion.mask)
        update(len(images), "")
    return np.stack(images), np.stack(masks) if masks else None


def _scores(
    synthetic: np.ndarray, labels: np.ndarray, training: np.ndarray, held_out: np.ndarray, run: Run
) -> tuple[Scores, Scores]:
    reference, made, trained = standardise(*(texture_features(x) for x in (held_out, synthetic, training)))
    theirs, ours = run.held_out.table["label"].to_numpy(), run.training.table["label"].to_numpy()
    return _by_class(reference, theirs, made, labels), _by_class(reference, theirs, trained, ours)


def _by_class(real: np.ndarray, real_labels: np.ndarray, other: np.ndarray, labels: np.ndarray) -> Scores:
    scores: Scores = {}
    for name in np.unique(real_labels):
        a, b = real[real_labels == name], other[labels == name]
        if len(a) > 1 and len(b) > 1:
            scores[str(name)] = {m: f(a, b) for m, f in MEASURES.items()}
    if scores:
        scores["mean"] = {m: float(np.mean([s[m] for s in scores.values()])) for m in MEASURES}
    return scores
