"""Masks that hold greys instead of labels: JPEGs, those that were resized with smoothing, and maps of a probability."""

from __future__ import annotations

import numpy as np

_MOST_LABELS = 8  # so few numbers are always taken for labels
# Of neighbours in a mask, those with two numbers: 0.07 and less in label maps, even where 200 cells touch each other;
# from 0.5 on in JPEGs of any quality and at smoothed edges.
_MOST_UNEQUAL = 0.25


def greys_of(mask: np.ndarray) -> int:
    """How many values above 0 a mask of any shape holds if they are greys; 0 where they are labels.

    A label fills an area, so that most neighbours have one number. Greys lie at the edges of areas and change from
    pixel to pixel. The area of the largest value is left aside: a large one would hide its edge.
    """
    largest = mask.max(initial=0)
    greys = np.unique(mask[mask > 0]).size
    if greys <= _MOST_LABELS:
        return 0
    pairs = unequal = 0
    for axis in range(mask.ndim):
        along = np.moveaxis(mask, axis, 0)
        first, second = along[:-1], along[1:]
        inside = (first > 0) & (second > 0) & ((first < largest) | (second < largest))
        pairs += int(np.count_nonzero(inside))
        unequal += int(np.count_nonzero(inside & (first != second)))
    return greys if unequal > _MOST_UNEQUAL * pairs else 0
