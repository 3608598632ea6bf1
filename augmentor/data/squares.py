"""Images and volumes at the network's size: squares and cubes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from augmentor.data.images import read_image
from augmentor.data.intensity import Intensity, intensity_of
from augmentor.data.lesion_image import LesionImage


def to_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """(C, H, W) or (C, D, H, W) -> (C, size, size[, size]) float32: mirrored out to a square or cube (no distortion),
    then resampled if needed."""
    side = max(pixels.shape[1:])
    before = [(side - length) // 2 for length in pixels.shape[1:]]
    padding = [(b, side - length - b) for b, length in zip(before, pixels.shape[1:], strict=True)]
    square = np.pad(pixels, [(0, 0), *padding], mode="symmetric").astype(np.float32)
    if side == size:
        return square
    low, high = square.min(), square.max()
    resized = np.stack([_resize(plane, (size, size)) for plane in square.reshape(-1, side, side)])
    if pixels.ndim == 4:  # the planes are smaller now; then each column through them
        columns = resized.reshape(len(square), side, size * size)
        resized = np.stack([_resize(c, (size * size, size)) for c in columns]).reshape(-1, size, size, size)
    return np.clip(resized, low, high)  # bicubic overshoots at edges


def _resize(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 -> bicubic, `shape` as (columns, rows); an axis that keeps its length is not touched."""
    return np.asarray(Image.fromarray(plane).resize(shape, Image.Resampling.BICUBIC))


def resampled_spacing(image: LesionImage, size: int) -> tuple[float, ...] | None:
    """Spacing in mm after `to_square(image.pixels, size)`, where the image has one."""
    if image.spacing_mm is None:
        return None
    scale = max(image.pixels.shape[1:]) / size
    return tuple(step * scale for step in image.spacing_mm)


def load_images(
    paths: Sequence[str],
    size: int,
    intensity: Intensity | None = None,
    look: Callable[[str, np.ndarray], None] | None = None,
) -> tuple[np.ndarray, Intensity]:
    """Read images for the network: (N, C, size, size[, size]) float32 in [-1, 1], and the intensity mapping used.

    Without `intensity` it is taken from these images, so pass the training set's when reading any others.
    look: given the path and the pixels of each image, as `read_image` reads them; an error that it raises is raised.
    """
    squares, low, high, dtype = [], np.inf, -np.inf, np.dtype(np.uint8)
    for path in paths:
        pixels = read_image(path).pixels
        if look:
            look(path, pixels)
        low, high, dtype = min(low, float(pixels.min())), max(high, float(pixels.max())), pixels.dtype
        squares.append(to_square(pixels, size))  # at once: the originals may be many times larger
    mapping = intensity or intensity_of(low, high, dtype)
    return np.stack([mapping.to_network(square) for square in squares]), mapping
