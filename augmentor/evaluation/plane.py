"""Lesions on a plane, by t-SNE: those that look alike lie together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

EMBEDDING = "embedding.csv"  # the table, in the folder of a run, two sets or a benchmark
_FEWEST = 10


def plane_of(features: np.ndarray, labels: np.ndarray, origins: np.ndarray) -> pd.DataFrame | None:
    """(N, D) -> a table of x, y, label, origin; None of fewer than ten lesions.

    t-SNE (van der Maaten and Hinton 2008) with scikit-learn's defaults on standardised features, seed 0.
    """
    if len(features) < _FEWEST:
        return None
    standard = StandardScaler().fit_transform(features)
    with threadpool_limits(1):  # a few hundred points: threads would wait for each other three times as long
        plane = TSNE(perplexity=min(30.0, (len(features) - 1) / 3), random_state=0).fit_transform(standard)
    return pd.DataFrame({"x": plane[:, 0], "y": plane[:, 1], "label": labels, "origin": origins})


def first_of_each(labels: np.ndarray, most: int) -> np.ndarray:
    """The rows of the first lesions of each class, at most so many."""
    return np.flatnonzero(pd.Series(labels).groupby(labels).cumcount().to_numpy() < most)
