"""Does a mask lie where its image shows a lesion? A segmenter of real training lesions tells."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude
from sklearn.ensemble import HistGradientBoostingClassifier

from augmentor.measures import spread_rows

_WIDTHS = (0.0, 0.04, 0.08, 0.16)  # shares of the side, over which an image is smoothed
_VOXELS = 60_000  # that the segmenter is fitted on, half of them in lesions
_CALIBRATED, _LEAST = 24, (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class MaskAgreement:
    """Mean over classes of Dice coefficients (Dice 1945) of masks with what a segmenter finds in their images.

    synthetic: of synthetic pairs. real: of held-out real pairs, the floor. swapped: of synthetic masks with the images
    of other synthetic lesions of the class, what masks that know nothing of their image reach.
    """

    synthetic: float
    real: float
    swapped: float


Pairs = tuple[np.ndarray, np.ndarray]  # images (N, C, S, ...) in [-1, 1], masks (N, 1, S, ...), not 0 in the lesion


def mask_agreement(
    training: Pairs, held_out: Pairs, synthetic: Pairs, labels: np.ndarray, held_out_labels: np.ndarray
) -> MaskAgreement:
    """Fit a segmenter on the training pairs, and compare the others' masks with what it finds.

    It sees each voxel's intensity and gradient, smoothed over four widths, and not where it lies: boosted trees (Ke et
    al. 2017), which know nothing of shape, so that a mask is confirmed by its image alone. labels: (M,) classes of the
    synthetic pairs, held_out_labels: (N,) of the held-out ones. All three are means over the classes that both have,
    one at least.
    """
    segmenter = _fit_segmenter(*training)
    found = np.stack([segmenter.segment(image) for image in synthetic[0]])
    masks = synthetic[1][:, 0] != 0
    others = np.arange(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        others[rows] = np.roll(rows, 1)
    real = [dice(segmenter.segment(image), mask[0] != 0) for image, mask in zip(*held_out, strict=True)]
    own, swapped = ([dice(a, b) for a, b in zip(f, masks, strict=True)] for f in (found, found[others]))
    shared = np.intersect1d(labels, held_out_labels)
    return MaskAgreement(
        _mean_over_classes(own, labels, shared),
        _mean_over_classes(real, held_out_labels, shared),
        _mean_over_classes(swapped, labels, shared),
    )


def _mean_over_classes(values: list[float], labels: np.ndarray, classes: np.ndarray) -> float:
    return float(np.mean([np.mean(np.array(values)[labels == name]) for name in classes]))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two boolean masks; 1 where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


@dataclass(frozen=True)
class _Segmenter:
    trees: HistGradientBoostingClassifier
    least: float = 0.5  # chance of lesion from which a voxel counts as one

    def chances(self, image: np.ndarray) -> np.ndarray:
        """(C, S, ...) -> (S, ...), smoothed by a voxel, for the trees judge each voxel by itself."""
        chances = self.trees.predict_proba(_features(image))[:, 1].reshape(image.shape[1:])
        return gaussian_filter(chances, 1.0)

    def segment(self, image: np.ndarray) -> np.ndarray:
        """(C, S, ...) -> (S, ...) bool."""
        return self.chances(image) > self.least


def _fit_segmenter(images: np.ndarray, masks: np.ndarray) -> _Segmenter:
    """The least chance is the one that agrees best with the masks of some training lesions."""
    segmenter = _Segmenter(_fit(images, masks))
    some = spread_rows(len(images), _CALIBRATED)
    chances = [(segmenter.chances(images[row]), masks[row, 0] != 0) for row in some]
    best = max(_LEAST, key=lambda least: float(np.mean([dice(c > least, mask) for c, mask in chances])))
    return replace(segmenter, least=best)


def _fit(images: np.ndarray, masks: np.ndarray) -> HistGradientBoostingClassifier:
    randomness = np.random.default_rng(0)
    each = max(1, _VOXELS // (2 * len(images)))
    seen, inside = [], []
    for image, mask in zip(images, masks[:, 0] != 0, strict=True):
        features = _features(image)
        for side in (mask, ~mask):
            rows = np.flatnonzero(side)
            rows = randomness.choice(rows, min(each, len(rows)), replace=False)
            seen.append(features[rows])
            inside.append(mask.ravel()[rows])
    return HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(np.concatenate(seen), np.concatenate(inside))


def _features(image: np.ndarray) -> np.ndarray:
    """(C, S, ...) -> (voxels, 8): the mean over channels, less the median of the outermost voxels."""
    grey = image.mean(0)
    rim = np.ones(grey.shape, bool)
    rim[(slice(2, -2),) * grey.ndim] = False
    grey = grey - np.median(grey[rim])
    widths = [max(0.5, share * len(grey)) for share in _WIDTHS]
    smooth = [grey if not share else gaussian_filter(grey, w) for share, w in zip(_WIDTHS, widths, strict=True)]
    steps = [gaussian_gradient_magnitude(grey, width) for width in widths]
    return np.stack([*smooth, *steps], -1).reshape(-1, 2 * len(_WIDTHS))
