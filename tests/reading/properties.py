"""What a file betrays of a lesion besides its content, as numbers that a classifier can use."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict


def file_properties(pixels: np.ndarray, levels: int) -> list[float]:
    """(C, S, S) whole numbers: extremes, grey levels, last bits, border, blocks of JPEG, background, equal channels."""
    plain = pixels.astype(float)
    values = np.unique(pixels)
    lines = [pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]]
    steps = [_line_step(plain, i) for i in range(5)]
    across = np.abs(np.diff(plain, axis=2)).mean((0, 1))
    return [
        pixels.min(),
        pixels.max(),
        len(values),
        float(np.median(np.diff(values))) if len(values) > 1 else 0.0,
        (pixels == 0).mean(),
        (pixels == levels - 1).mean(),
        (pixels & 1).mean(),
        (pixels & 3 == 0).mean(),
        float(sum((line == line.flat[0]).all() for line in lines)),
        float((pixels[:, :8] == pixels[:, 15:7:-1]).mean()),  # mirrored at the eighth line
        steps[0] / max(sum(steps[2:]), 1e-9),
        across[7::8].mean() / max(across.mean(), 1e-9),
        (pixels == pixels.min()).mean(),
        float(((pixels > pixels.min()) & (pixels < pixels.min() + levels / 64)).mean()),
        equal_channels(pixels),
    ]


def equal_channels(pixels: np.ndarray) -> float:
    """The share of pixels whose channels are equal."""
    return float((pixels == pixels[:1]).all(0).mean())


def _line_step(plain: np.ndarray, i: int) -> float:
    """The mean difference of the i-th and the next line, counted from all four sides."""
    planes = (plain, plain[:, ::-1], plain.swapaxes(1, 2), plain.swapaxes(1, 2)[:, ::-1])
    return sum(float(np.abs(plane[:, i] - plane[:, i + 1]).mean()) for plane in planes)


def hits(features: list[list[float]], synthetic: np.ndarray) -> int:
    """How many lesions a cross-validated random forest calls what they are, by these features."""
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return int((cross_val_predict(forest, np.array(features), synthetic, cv=folds) == synthetic).sum())
