"""Near-copies among the synthetic lesions themselves."""

from __future__ import annotations

import numpy as np

from augmentor.expansion.rules import Synthetic
from augmentor.model.memorisation import WINDOW
from augmentor.model.mirroring import best_likenesses
from augmentor.model.originals import distance_of

_AT_A_TIME = 8  # lesions that are compared with those kept: 10 MB


class Twins:
    """Near-copies among the synthetic lesions of one class: a generator that repeats itself (mode collapse).

    The distance is that of `Originals`, by coarse views, and the threshold is `CopyCheck`'s. It is measured to the last
    512 lesions that were kept: 512 KB whatever the factor, 1 MB of volumes. What repeats itself more often than once in
    512 is found. A longer window would find likenesses by chance, for nearest distances shrink as more lesions are
    compared.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self._window = np.empty((0, 0, WINDOW), np.float32)  # (P, n, 512): the parts of the thumbnails kept
        self._kept = 0

    def judge(self, lesions: list[Synthetic]) -> list[Synthetic]:
        """Refuse some of the lesions that no rule has refused yet, in order, and keep the others for those to come.

        Lets go of their `turned`. Returns all that were given.
        """
        good = [lesion for lesion in lesions if lesion.rule is None]
        for start in range(0, len(good), _AT_A_TIME):
            self._judge(good[start : start + _AT_A_TIME])
        return lesions

    def _judge(self, lesions: list[Synthetic]) -> None:
        turned = np.stack([lesion.turned for lesion in lesions], axis=1)  # (P, m, 2 V, n)
        thumbnails = turned[:, :, 0].swapaxes(1, 2)
        if not self._kept:
            self._window = np.empty((*thumbnails.shape[:2], WINDOW), np.float32)
        filled = min(self._kept, WINDOW)
        others = np.concatenate([self._window[..., :filled], thumbnails], axis=2)
        found = best_likenesses(turned.reshape(len(turned), -1, turned.shape[-1]), others)
        found = found.reshape(len(lesions), -1, others.shape[-1]).max(1)
        likeness = np.full((len(lesions), WINDOW), -1.0)
        likeness[:, :filled], among = found[:, :filled], found[:, filled:]
        for row, lesion in enumerate(lesions):
            lesion.turned = np.empty(0)
            if self._kept:
                distance = float(distance_of(likeness[row].max()))
                lesion.measured["twin_distance"] = distance
                lesion.rule = "twin" if distance < self.threshold else None
            if lesion.rule is None:
                place = self._kept % WINDOW  # of the oldest, once the window is full
                self._window[..., place], likeness[:, place] = thumbnails[..., row], among[:, row]
                self._kept += 1
