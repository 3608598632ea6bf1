"""Which lesions are read: half real, of patients that the run was not trained on, half synthetic, classes balanced."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from augmentor.data.check import inspect
from augmentor.data.faults import require_readable
from augmentor.data.images import read_image
from augmentor.data.inspection import Inspection
from augmentor.data.intensity import Intensity
from augmentor.data.lesions import Lesions
from augmentor.data.splits import shared
from augmentor.errors import DataError, ShortfallError, UsageError
from augmentor.expansion.screen import synthesise
from augmentor.recipe import ScreenLevel
from augmentor.training.run import Run

_HIDDEN = 0.5  # share of a lesion's pixels outside the run's range over which its content can't be seen
_CENTRE = (1, 99)  # percentiles between which a set's values lie, but for a few bright or dark pixels
_NARROW = 1 / 8  # of the centre of the training lesions: a set that is narrower shows as one grey
_COMPARED = 50  # training lesions of each class whose centre is taken
_DRAWN = 4096  # pixels of a lesion that count for the centre of its set


def real_lesions(run: Run, brought: Lesions | None) -> Lesions:
    """The run's held-out lesions, or those that were brought, each image once.

    Raises DataError where brought lesions are synthetic, unreadable, of a class that the run does not know, or of
    patients or with pixels that it was trained on, and UsageError where there are none.
    """
    if brought is None:
        if not len(run.held_out):
            raise UsageError(
                f"{run.folder}: this run held no patients out, so every real lesion it knows was trained on. "
                "Give lesions of other patients with --real."
            )
        return _each_once(run.held_out)
    found = inspect(brought, masks=False)
    require_readable(found)
    _require_fitting(found.lesions, run)
    _require_dtype(found, run)
    _require_unseen(found.lesions, run)
    return _each_once(found.lesions)


def _each_once(lesions: Lesions) -> Lesions:
    return lesions.rows(~lesions.images.duplicated().to_numpy())


def _require_fitting(lesions: Lesions, run: Run) -> None:
    synthetic = int((lesions.table["origin"] != "real").sum())
    if synthetic:
        raise DataError(f"{lesions.source}: {synthetic} of {len(lesions)} rows are synthetic; --real takes real ones.")
    unknown = sorted(set(lesions.classes) - set(run.training.classes))
    if unknown:
        raise DataError(
            f"{lesions.source}: has class {', '.join(unknown)}; the run knows {', '.join(run.training.classes)}. "
            "Rename or leave out."
        )


def _require_dtype(found: Inspection, run: Run) -> None:
    fitted = str(read_image(run.training.paths[0]).pixels.dtype)
    others = sorted(set(found.dtypes) - {fitted})
    if others:
        raise DataError(
            f"{found.examples[others[0]]}: holds {others[0]} values, the lesions of {run.folder.name} {fitted} ones, "
            "and would be shown black or white as a whole. Bring lesions that are stored as the run's are."
        )


def _require_unseen(lesions: Lesions, run: Run) -> None:
    for column, told in (("content", "images"), ("patient", "patients")):
        rows = shared(run.training, lesions, column).table
        if len(rows):
            raise DataError(
                f"{lesions.source}: {len(rows)} of {len(lesions)} lesions have {told} that {run.folder.name} was "
                f"trained on, for example {rows['path'].iloc[0]} (patient {rows['patient'].iloc[0]}). A reading shows "
                "patients that the GAN has not seen: leave these out, or leave --real out to show the run's held-out "
                "patients. If they are other people of the same name, rename them."
            )


@dataclass(frozen=True)
class _Values:
    """What a file holds. hidden: the share of its pixels outside the run's range. drawn: some of them.

    Both without the pixels of its smallest value, which are background or padding in many sets.
    """

    path: str
    low: float
    high: float
    hidden: float
    drawn: np.ndarray


def scale_doubts(lesions: Lesions, run: Run, intensity: Intensity) -> list[str]:
    """Warnings about lesions that seem to be in another scale than the run's, whose training lesions have `intensity`.

    Such are 12 bits left-aligned in 16, which are 16 times as large, or a CT without its rescale. A lesion is hidden
    where more than half of its pixels lie outside the range of the training lesions, for these are shown white or
    black; a few percent are usual, and background (a file's smallest value) doesn't count. Raises DataError where more
    than half of the lesions are hidden: no reader could see them, whichever hospital they come from. Warns of fewer
    ones. Also warns of a set that is not hidden but has more than half of its pixels outside the central 98 % of the
    training lesions' pixels, or a central 98 % that is less than an eighth as wide as theirs: other scanners may be the
    reason.
    """
    found = [_values(path, intensity) for path in lesions.paths]
    hidden = [one for one in found if one.hidden > _HIDDEN]
    if hidden:
        told = (
            f"{hidden[0].path}: holds {_between(hidden[0].low, hidden[0].high)}, the lesions of {run.folder.name} "
            f"{_between(intensity.low, intensity.high)}: {len(hidden)} of {len(found)} lesions of --real have more "
            "than half of their pixels outside, which would be shown white or black. Bring them in the run's units "
            "(Hounsfield units, not stored values; the same bits of 16), or leave them out."
        )
        if len(hidden) > len(found) / 2:
            raise DataError(told)
        return [told]
    trained = [_values(path, intensity) for path in run.training.at_most(_COMPARED).paths]
    return _centre_doubts(found, trained, run)


def _values(path: str, intensity: Intensity) -> _Values:
    pixels = read_image(path).pixels.ravel()
    low, high = pixels.min(), pixels.max()
    inner = pixels[pixels > low] if high > low else pixels
    outside = (inner < intensity.low) | (inner > intensity.high)
    drawn = np.random.default_rng(0).choice(inner, min(len(inner), _DRAWN), replace=False)
    return _Values(path, float(low), float(high), float(outside.mean()), drawn)


def _centre_doubts(found: list[_Values], trained: list[_Values], run: Run) -> list[str]:
    brought = np.concatenate([one.drawn for one in found])
    low, high = np.percentile(np.concatenate([one.drawn for one in trained]), _CENTRE)
    least, most = np.percentile(brought, _CENTRE)
    if ((brought < low) | (brought > high)).mean() <= _HIDDEN and most - least >= _NARROW * (high - low):
        return []
    return [
        f"{found[0].path}: 98 % of the pixels of --real are {_between(least, most)}, those of the training lesions of "
        f"{run.folder.name} {_between(low, high)}: brightness alone may tell the kinds apart. See whether they are in "
        "the same units (Hounsfield units, not stored values; the same bits of 16), and bring them so if not."
    ]


def _between(low: float, high: float) -> str:
    return f"{low:.6g} to {high:.6g}"


def shares(available: dict[str, int], count: int) -> dict[str, int]:
    """`count` lesions over the classes, as evenly as can be; the classes with the most lesions take the odd ones.

    Raises UsageError, with the largest `--n` that fits, where a class has too few.
    """
    classes = sorted(available, key=lambda name: (-available[name], name))
    if count % 2 or count < 2 * len(classes):
        raise UsageError(
            f"--n {count}: half of the lesions are real and half synthetic, at least one of each of the "
            f"{len(classes)} classes. Give an even number, {2 * len(classes)} or more."
        )
    each, odd = divmod(count // 2, len(classes))
    wanted = {name: each + (i < odd) for i, name in enumerate(classes)}
    if any(wanted[name] > available[name] for name in classes):
        raise UsageError(_too_few(available, count, max(wanted.values())))
    return {name: wanted[name] for name in sorted(classes)}


def _too_few(available: dict[str, int], count: int, needed: int) -> str:
    least = min(available.values())
    most = 2 * (least * len(available) + sum(n > least for n in available.values()))
    told = ", ".join(f"{number} {name}" for name, number in sorted(available.items()))
    way = f"--n {most} fits" if least else "a class has none"
    return (
        f"--n {count} needs {needed} real lesions of a class; there are {told} of patients that the GAN has not seen: "
        f"{way}. Lower --n, give more with --real, or fit with a larger --holdout."
    )


def draw_real(lesions: Lesions, wanted: dict[str, int], seed: int) -> Lesions:
    """`wanted` lesions a class, in the order of the classes, of as many patients as can be."""
    labels = lesions.table["label"].to_numpy()
    parts = [lesions.rows(labels == name).at_most(number, seed).table for name, number in wanted.items()]
    return replace(lesions, table=pd.concat(parts, ignore_index=True))


def draw_synthetic(run: Run, wanted: dict[str, int], seed: int, screen: ScreenLevel) -> tuple[np.ndarray, list[str]]:
    """Lesions that passed the run's screen, in the order of `wanted`: (N, C, S, S) float32 in [-1, 1], N labels.

    Raises ShortfallError where the screen let too few pass.
    """
    images, labels = synthesise(run, wanted, seed, screen)
    passed = Counter(labels)
    short = [f"{passed[name]} of {number} {name}" for name, number in wanted.items() if passed[name] < number]
    if short:
        raise ShortfallError(
            f"{run.folder}: too few synthetic lesions passed the screen: {', '.join(short)}. Nothing is written. "
            "Fit longer, lower --n, or give a lighter --screen."
        )
    return images, labels
