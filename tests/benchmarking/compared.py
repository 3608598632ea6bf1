"""Comparisons of made-up scores."""

import numpy as np

from augmentor.benchmarking.comparison import Comparison, holm, pair

LABELS = ("classic+gan", "svm", "sensitivity")


def concluded(arm, baseline, share=0.5, names=LABELS, cells=None) -> Comparison:
    """One arm's scores against the baseline's, pair by pair, alone in its family."""
    return holm([pair(np.asarray(arm), np.asarray(baseline), share, names, cells)])[0]
