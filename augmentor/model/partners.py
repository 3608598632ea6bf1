"""Whose lesion stands around whose: those of a class that look alike, each as often a surround as any other.

A small lesion in the surround of a large one shows two lesions, or one that is cut. But surrounds from the nearest
lesions alone would be ordinary ones, again and again: what is ordinary is near to many, and what is rare would be lost.
So each round of partners is a permutation of the class, the one of least distance (the assignment problem).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

_PARTNERS = 16  # of each lesion; about a quarter of the classes that this was measured on
_SIDE = {2: 16, 3: 8}  # of the thumbnails that are compared
_MOST = 500  # lesions that are assigned to each other, in a second; larger classes are cut
_NEIGHBOURS = 4  # by size, partners are at most so many places, or a quarter of the class, apart


def find_partners(images: Tensor, count: Tensor, patients: np.ndarray | None = None, by_size: bool = False) -> Tensor:
    """(N, C, S, ...) lesions, sorted by class, of which there are `count` (classes,) -> (N, 16) int64, rows of others.

    Each column is a permutation of every class. No lesion is its own partner, nor one of its patient's (N,), as far as
    the class has others; where it has fewer than 16, they come again. by_size: lesions are sorted by size within their
    class, and partners are of about the same size, whatever they look like and whose they are; then columns are no
    permutations.
    """
    table, start = torch.empty(len(images), _PARTNERS, dtype=torch.long), 0
    small = F.adaptive_avg_pool2d if images.dim() == 4 else F.adaptive_avg_pool3d
    seen = small(images.float(), _SIDE[images.dim() - 2]).flatten(1).double().numpy()
    patients = np.arange(len(images)) if patients is None else np.asarray(patients)
    for number in count.tolist():
        parts = -(-number // _MOST)
        for rows in (np.arange(start + part, start + number, parts) for part in range(parts)):
            chosen = _near_in_size(len(rows)) if by_size else _alike(seen[rows], patients[rows])
            table[rows] = torch.from_numpy(rows[chosen])
        start += number
    return table


def _alike(seen: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """(n, D) and (n,) -> (n, 16): rounds of least distance, none of which has a pair of an earlier one."""
    number = len(seen)
    rounds = max(1, min(_PARTNERS, number - 1))
    distances = cdist(seen, seen)
    cost = (distances / max(distances.max(), 1e-9)).round(6)  # rounded: every machine finds the same partners
    again = number + 1.0  # worse than all distances of a round together
    cost += (patients[:, None] == patients[None]) * (_PARTNERS + 1) * again
    cost += np.eye(number) * (_PARTNERS + 1) ** 2 * again
    found = []
    for _ in range(rounds):
        rows, columns = linear_sum_assignment(cost)
        cost[rows, columns] += again
        found.append(columns)
    return np.stack(found, 1)[:, np.arange(_PARTNERS) % rounds]


def _near_in_size(number: int) -> np.ndarray:
    """(n, 16): of a class that is sorted by size, the nearest ones, spread evenly over the columns."""
    row, reach = np.arange(number)[:, None], max(number // 4, _NEIGHBOURS)
    first, last = np.maximum(row - reach, 0), np.minimum(row + reach, number - 1)
    found = first + ((np.arange(_PARTNERS) + 0.5) / _PARTNERS * (last - first)).astype(int)
    return np.minimum(found + (found >= row), number - 1)  # the rows from first to last without the lesion's own
