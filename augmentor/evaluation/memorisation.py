"""How near a lesion is to a training lesion: one piece of code for the audit and for what may be written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from augmentor.evaluation.volume_likeness import volume_alignments, volume_thumbnails

_SIDE = 16  # of the thumbnails that are compared
THUMBNAIL = _SIDE**2  # numbers in one
_TURN, _ZOOM = 8.0, 1.09  # degrees; a side's ratio
_CHUNK_NUMBERS = 16_000_000  # likenesses held at a time: 64 MB
_PERCENTILE = 1.0
_MOST_COMPARED = 500


def thumbnails(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 256) float32 of unit length: grey 16x16 means, brightness and contrast taken out.

    Of volumes: (N, 512), 8x8x8 means."""
    if images.ndim == 5:
        return volume_thumbnails(images)
    grey = images.mean(1)
    edges = np.linspace(0, grey.shape[1], _SIDE + 1).round().astype(int)
    small = np.add.reduceat(np.add.reduceat(grey, edges[:-1], axis=1), edges[:-1], axis=2)
    small = small / np.outer(np.diff(edges), np.diff(edges))
    return _unit(small)


def _unit(small: np.ndarray) -> np.ndarray:
    flat = small.reshape(len(small), -1) - small.mean((1, 2))[:, None]
    return (flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def alignments(images: np.ndarray) -> np.ndarray:
    """(N, C, S, S) -> (N, 136, 256) float32: thumbnails under the eight mirrorings and quarter turns, each with nine
    small shifts and with eight small turns and zooms. S is even. Of volumes: (N, 240, 512)."""
    if images.ndim == 5:
        return volume_alignments(images, _TURN, _ZOOM)
    made = []
    for moved in (*_shifted(images), *_turned_and_zoomed(images)):
        # A mirrored or turned image of even side has the mirrored or turned thumbnail: eight images fewer to shrink.
        small = thumbnails(moved).reshape(-1, _SIDE, _SIDE)
        for turns in range(4):
            turned = np.rot90(small, turns, axes=(1, 2))
            made += [turned, turned[..., ::-1]]
    return np.stack(made, axis=1).reshape(len(images), len(made), THUMBNAIL)


def distance_of(likeness: np.ndarray) -> np.ndarray:
    """The Euclidean distance of two thumbnails of unit length and zero mean: sqrt(2 - 2 r), r their correlation."""
    return np.sqrt(np.maximum(2 - 2 * likeness, 0))


def _shifted(images: np.ndarray) -> Iterator[np.ndarray]:
    step, size = max(1, images.shape[-1] // 32), images.shape[-1]  # 2 pixels at 64
    padded = np.pad(images, ((0, 0), (0, 0), (step, step), (step, step)), mode="edge")
    for down in (0, step, 2 * step):
        for across in (0, step, 2 * step):
            yield padded[:, :, down : down + size, across : across + size]


def _turned_and_zoomed(images: np.ndarray) -> Iterator[np.ndarray]:
    for degrees in (-_TURN, 0.0, _TURN):
        for zoom in (1 / _ZOOM, 1.0, _ZOOM):
            if (degrees, zoom) != (0.0, 1.0):
                angle = math.radians(degrees)
                cosine, sine = math.cos(angle) * zoom, math.sin(angle) * zoom
                matrix = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]]).expand(len(images), 2, 3)
                grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
                moved = F.grid_sample(torch.tensor(images), grid, padding_mode="reflection", align_corners=False)
                yield moved.numpy()


@dataclass(frozen=True)
class CopyCheck:
    """Distances to the training lesions, and how near other patients' lesions come to each other.

    A distance is sqrt(2 - 2 r), r the correlation of two thumbnails at the best of 136 alignments: 0 for a copy that
    was mirrored, turned by 90 degrees, shifted a little or changed in brightness and contrast; about 1.4 for strangers.
    The correlation is the normalised one of template matching (Lewis 1995); what counts as near is measured, not set.
    """

    bank: np.ndarray  # (N, 136, 256), of volumes (N, 240, 512)
    threshold: float  # a lesion nearer than this is a near-copy
    typical: float  # the median nearest distance of other patients' lesions

    @cached_property
    def _flat(self) -> np.ndarray:
        return self.bank.reshape(-1, self.bank.shape[-1]).T

    def distances(self, images: np.ndarray, not_rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(M, C, S, S) -> (M,) distance to the nearest training lesion, (M,) its row.

        not_rows: (M, N) bool, training rows that an image is not compared with (those of its own patient).
        """
        size = max(1, _CHUNK_NUMBERS // (self.bank.shape[0] * self.bank.shape[1]))
        found = []
        for start in range(0, len(images), size):
            skipped = None if not_rows is None else not_rows[start : start + size]
            found.append(self._nearest(images[start : start + size], skipped))
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def _nearest(self, images: np.ndarray, skipped: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        likeness = (thumbnails(images) @ self._flat).reshape(len(images), len(self.bank), -1).max(2)
        if skipped is not None:
            likeness[skipped] = -1.0
        best = likeness.argmax(1)
        return distance_of(likeness[np.arange(len(images)), best]), best


def make_copy_check(training: np.ndarray, patients: list[str], others: np.ndarray | None) -> CopyCheck:
    """Calibrate on real lesions of other patients.

    training: (N, C, S, S) with the patient of each row. others: held-out lesions, if there are any. Each of them, and
    of up to 500 training lesions, is compared with the training lesions of the other patients: both sides together, for
    the 1st percentile of thirty held-out lesions alone would be the nearest of them. That percentile of the nearest
    distances is the threshold.
    """
    check = CopyCheck(alignments(training), 0.0, 1.0)
    nearest = []
    if others is not None and len(others):
        nearest.append(check.distances(others)[0])
    if len(set(patients)) > 1 or not nearest:
        rows = np.unique(np.linspace(0, len(training) - 1, _MOST_COMPARED).round().astype(int))
        names = np.asarray(patients)
        nearest.append(check.distances(training[rows], names[rows][:, None] == names[None])[0])
    distances = np.concatenate(nearest)
    return CopyCheck(check.bank, float(np.percentile(distances, _PERCENTILE)), float(np.median(distances)))
