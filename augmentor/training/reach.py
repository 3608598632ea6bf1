"""How far training lesions may be moved so that they are still like other patients' lesions: measured, not assumed.

A skin lesion has no upright, a chest X-ray has a left and a right. What holds for a set of lesions is seen on its
training patients before anything is trained.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor

from augmentor.measures import mmd, standardise
from augmentor.model.features import texture_features
from augmentor.model.graft import Bank, GraftRange, draw_graft, graft_latents
from augmentor.model.lesions import LoadedLesions
from augmentor.model.partners import find_partners
from augmentor.sampling import latents_of

_SLIGHT = 0.25  # of the usual range
_THIRDS = 3
_FEWEST_PARTS = 3  # of which a standard error is taken
_FEWEST, _MOST = 16, 48  # grafts of a class and part
_IN_ALL = {2: 400, 3: 100}  # about as many images, volumes
_SIDE = {2: 64, 3: 16}  # at most: larger ones are shrunk to it
_AT_ONCE = 16
_LEAST = 0.25  # a feature that hardly varies between training lesions must not decide, see `standardise`
_ERRORS = 2  # standard errors by which one range must be nearer than another


def _slight(usual: GraftRange) -> GraftRange:
    lengths = ("rotation_degrees", "log_zoom", "log_aspect", "shift", "elastic")
    return replace(usual, **{name: getattr(usual, name) * _SLIGHT for name in lengths})


USUAL, ANY_ANGLE = "usual", "any angle"
RANGES: dict[str, GraftRange] = {
    ANY_ANGLE: replace(GraftRange(), rotation_degrees=180.0),
    USUAL: GraftRange(),
    "usual, not mirrored": replace(GraftRange(), mirror=0.0),
    "slight": _slight(GraftRange()),
    "slight, not mirrored": replace(_slight(GraftRange()), mirror=0.0),
}  # widest first


@dataclass(frozen=True)
class _Part:
    """Lesions of one class: those of two thirds of the patients, and the features of the others'."""

    bank: Bank
    reference: np.ndarray  # all training lesions' features: what they are standardised by
    others: np.ndarray


def measure_reach(train: LoadedLesions, patients: np.ndarray, masks: int = 0) -> str:
    """The name, in `RANGES`, of how far lesions are moved. patients: (N,); masks: how many last channels are masks.

    Grafts of two thirds of the training patients are compared with the lesions of the others (MMD in texture features,
    a class and a third at a time, with the same latents for each range). The usual range stays unless another is nearer
    by more than two standard errors of that difference; then it is the widest that is as near as the nearest. Where
    classes are too small to tell, it stays. Volumes, whose sections lie one way, are not turned by any angle.

    After the one standard error rule of Breiman et al. 1984 (section 3.4.3).
    """
    parts = list(_parts(train, patients, masks))
    if len(parts) < _FEWEST_PARTS:
        return USUAL
    names = [name for name in RANGES if train.images.dim() == 4 or name != ANY_ANGLE]
    return choose_reach({name: _distances(parts, RANGES[name]) for name in names})


def choose_reach(distances: dict[str, np.ndarray]) -> str:
    """distances: (P,) of each range, widest first, of the same P parts; see `measure_reach`."""
    nearest = min(distances.values(), key=np.mean)
    as_near = [name for name, found in distances.items() if _is_as_near(found - nearest)]
    return USUAL if USUAL in as_near else as_near[0]


def _is_as_near(excess: np.ndarray) -> bool:
    return bool(excess.mean() <= _ERRORS * excess.std(ddof=1) / len(excess) ** 0.5)


def _parts(train: LoadedLesions, patients: np.ndarray, masks: int) -> Iterator[_Part]:
    """Each class and third of the patients that leaves two lesions or more on both sides."""
    labels, images = train.labels.numpy(), _shrunk(train.images)
    if np.bincount(labels).max() < _THIRDS or len(np.unique(patients)) < _THIRDS:
        return
    features = texture_features(images[:, : images.shape[1] - masks].numpy())
    cut = StratifiedGroupKFold(_THIRDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer patients than thirds is left out below
        thirds = [test for _, test in cut.split(labels, labels, patients)]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        for third in thirds:
            theirs, ours = np.intersect1d(members, third), np.setdiff1d(members, third)
            if min(len(ours), len(theirs)) > 1:
                ours = _by_size(train, ours)
                count, by_size = torch.tensor([len(ours)]), train.sides_mm is not None
                partners = find_partners(images[ours], count, patients[ours], by_size)
                yield _Part(Bank(images[ours], partners, masks), features, features[theirs])


def _shrunk(images: Tensor) -> Tensor:
    side = _SIDE[images.dim() - 2]
    return F.interpolate(images, (side,) * (images.dim() - 2), mode="area") if images.shape[-1] > side else images


def _by_size(train: LoadedLesions, rows: np.ndarray) -> np.ndarray:
    return rows if train.sides_mm is None else rows[np.argsort(train.sides_mm.numpy()[rows], kind="stable")]


def _distances(parts: list[_Part], reach: GraftRange) -> np.ndarray:
    return np.array([_distance(part, reach, len(parts)) for part in parts])


def _distance(part: _Part, reach: GraftRange, parts: int) -> float:
    count = min(_MOST, max(_FEWEST, _IN_ALL[part.bank.images.dim() - 2] // parts))
    grafts = texture_features(_grafts(part.bank, reach, count))
    _, others, grafts = standardise(part.reference, part.others, grafts, least=_LEAST)
    return mmd(others, grafts)


def _grafts(bank: Bank, reach: GraftRange, count: int) -> np.ndarray:
    """(count, C, S, ...) float32 in [-1, 1], without masks; the same latents whatever the bank and the reach."""
    lesions, *shape = bank.images.shape
    latents = latents_of(range(count), graft_latents(len(shape) - 1))
    drawn = []
    for some in latents.split(_AT_ONCE):
        first, size = torch.zeros(len(some), dtype=torch.long), torch.full((len(some),), lesions)
        drawn.append(draw_graft(some, bank, first, size, reach).image[:, : shape[0] - bank.masks])
    return torch.cat(drawn).clamp(-1, 1).numpy()
