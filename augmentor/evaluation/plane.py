"""Lesions on a plane, by t-SNE: those that look alike lie together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

EMBEDDING = "embedding.csv"  # the table, in the folder of a run, two sets or a benchmark
_FEWEST = 10


def plane_of(
    kinds: Mapping[str, tuple[np.ndarray, np.ndarray]], features: Callable[[np.ndarray], np.ndarray], most: int
) -> pd.DataFrame | None:
    """A table of x, y, label, origin: of each origin the first `most` lesions a class; None of fewer than ten lesions.

    kinds: by origin, images (N, C, S, ...) and (N,) class names. features: images to (N, D).
    t-SNE (van der Maaten and Hinton 2008) with scikit-learn's defaults on standardised features, seed 0.
    """
    rows = {origin: first_of_each(labels, most) for origin, (_, labels) in kinds.items()}
    images, labels = (np.concatenate([kind[part][rows[origin]] for origin, kind in kinds.items()]) for part in (0, 1))
    if len(images) < _FEWEST:
        return None
    origins = np.repeat(list(rows), [len(chosen) for chosen in rows.values()])
    standard = StandardScaler().fit_transform(features(images))
    with threadpool_limits(1):  # a few hundred points: threads would wait for each other three times as long
        plane = TSNE(perplexity=min(30.0, (len(images) - 1) / 3), random_state=0).fit_transform(standard)
    return pd.DataFrame({"x": plane[:, 0], "y": plane[:, 1], "label": labels, "origin": origins})


def first_of_each(labels: np.ndarray, most: int) -> np.ndarray:
    """The rows of the first lesions of each class, at most so many."""
    return np.flatnonzero(pd.Series(labels).groupby(labels).cumcount().to_numpy() < most)
