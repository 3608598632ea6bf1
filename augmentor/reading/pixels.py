"""How lesions get to a page so that only their content can tell real from synthetic ones.

Real lesions come from files: with whole grey levels, some with holes between them (a contrast stretch, 12 bits in 16),
with JPEG blocks, with margins that were mirrored on to make them square, with blank lines, with a background of exactly
one value, with equal channels. Synthetic ones come from a network as fractions and have none of that. So each synthetic
lesion is stored as the file of one real lesion is, and both kinds are then cut and rounded alike.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, JpegImagePlugin

from augmentor.data.images import read_image
from augmentor.data.intensity import Intensity
from augmentor.data.squares import to_square
from augmentor.errors import DataError

_LEAST_CUT = 2  # lines in which resampling leaves its trace: a lesion that was warped is mirrored there
_MOST_CUT = 8  # the side over this is cut off each side at most
_BY_CHANCE = 0.2  # share of grey levels near the median that a picture may lack without having been stretched
_FULL = 65535  # grey levels, less one, that a page can hold
_MOSTLY = 0.5  # share of pixels with equal channels over which a colour picture is a grey one, marks on it aside
_PLATEAU = 0.02  # share of a picture's pixels at its smallest value from which on they are a background
_NEAR = 2 * 0.02  # in [-1, 1], 2 % of the range: what is no farther from a background may be one that a network drew
_APART = 2 * 0.05  # the same where the real picture leaves a gap above its background


@dataclass(frozen=True)
class JpegMarks:
    """Quantisation `tables` (of brightness, then of colour where there is any; 64 numbers each), and how colours are
    sampled (0 to 2, as Pillow counts)."""

    tables: list[list[int]]
    sampling: int


@dataclass(frozen=True)
class FileLesion:
    """A real lesion in the network's grid, `image` (C, S, S) float32 in [-1, 1], and what its file adds to it.

    margin: how many rows and columns, on each side, are mirrored on because the file is not square. marks: None where
    the file is no JPEG, or was resampled, which blurs its blocks.
    """

    image: np.ndarray
    margin: tuple[int, int]
    marks: JpegMarks | None


@dataclass(frozen=True)
class Treatment:
    """What both kinds go through. levels: grey levels from -1 to 1. cut: lines cut off each side."""

    levels: int
    cut: int

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(C, S, S) float32 in [-1, 1] -> (C, S - 2 cut, S - 2 cut) uint16, 0 to levels - 1."""
        return np.rint((_cropped(image, self.cut) + 1) / 2 * (self.levels - 1)).astype(np.uint16)

    def to_network(self, pixels: np.ndarray) -> np.ndarray:
        """What `apply` gave -> float32 in [-1, 1]."""
        return (pixels / (self.levels - 1) * 2 - 1).astype(np.float32)


def read_lesion(path: str, size: int, intensity: Intensity) -> FileLesion:
    """A file in the network's grid, with what its file adds. Raises DataError for a volume."""
    pixels = read_image(path).pixels
    if pixels.ndim != 3:
        raise DataError(f"{path}: is a volume, and a reading shows images. Give lesions like those of the run.")
    height, width = pixels.shape[1:]
    side = max(height, width)
    margin = math.ceil((side - height) / 2 * size / side), math.ceil((side - width) / 2 * size / side)
    marks = _marks_of(path) if side == size else None
    return FileLesion(_mirrored(intensity.to_network(to_square(pixels, size)), margin), margin, marks)


def _marks_of(path: str) -> JpegMarks | None:
    if not path.lower().endswith((".jpg", ".jpeg")):
        return None
    with Image.open(path) as picture:
        if not isinstance(picture, JpegImagePlugin.JpegImageFile):
            return None
        tables = [list(picture.quantization[i]) for i in sorted(picture.quantization)][:2]
        return JpegMarks(tables, max(0, JpegImagePlugin.get_sampling(picture)))


def find_treatment(images: Sequence[np.ndarray], intensity: Intensity) -> Treatment:
    """One treatment for all lesions of a reading, real ones and synthetic ones that are stored like them."""
    most = max(images[0].shape[1] // _MOST_CUT, _LEAST_CUT)
    tried = range(_LEAST_CUT, most)
    cut = next((cut for cut in tried if not any(_begins_blank(_cropped(x, cut)) for x in images)), most)
    return Treatment(round(2 / unit_step(intensity, len(images[0]))) + 1, cut)


def unit_step(intensity: Intensity, channels: int) -> float:
    """The finest step in [-1, 1] that is shown: the stored unit, or a 65535th; colour has 8 bits on any screen."""
    if channels == 3:
        return 2 / 255
    whole = np.issubdtype(np.dtype(intensity.dtype), np.integer)
    return max(2 / (intensity.high - intensity.low or 1.0) if whole else 0.0, 2 / _FULL)


def stored_like(image: np.ndarray, real: FileLesion, unit: float) -> np.ndarray:
    """A synthetic lesion (C, S, S) in [-1, 1] as the file of a real one would hold it: as grey, mirrored at the same
    margin, through the same JPEG, with the same grey levels and the same plateau at the floor."""
    made = _mirrored(_grey_like(image, real.image), real.margin)
    if real.marks:
        made = _grey_like(_through_jpeg(made, real.marks), real.image)
    planes = [real.image[0]] * len(made) if _grey_share(real.image) > _MOSTLY else real.image
    made = np.stack([_on_levels_of(plane, own, unit) for plane, own in zip(made, planes, strict=True)])
    return _on_floor_of(made, real.image, unit)


def _grey_share(image: np.ndarray) -> float:
    """The share of pixels whose channels are equal; 1 for a single channel."""
    return float((np.ptp(image, axis=0) == 0).mean())


def _grey_like(image: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Where a real picture is grey, the mean of the synthetic one's channels in each of them.

    Where it is mostly grey, with coloured marks, as large a share of the synthetic pixels, the least coloured ones.
    """
    share = _grey_share(real)
    if len(image) == 1 or share <= _MOSTLY:
        return image
    spread = np.ptp(image, axis=0)
    return np.where(spread <= np.quantile(spread, share, method="lower"), image.mean(axis=0), image)


def _on_floor_of(image: np.ndarray, real: np.ndarray, unit: float) -> np.ndarray:
    """A synthetic picture with the plateau of a real one, whose background has exactly its smallest value.

    The real pixels near that value hold it in some share; as large a share of the synthetic pixels that are as near,
    the nearest ones, are brought to it. So noise above the floor stays, and so does a picture that has nothing near it.
    Near is `_NEAR`, or `_APART` where no more than a twentieth of the real pixels so near lie above the plateau: then
    such values are nobody's content. Nothing is changed where less than `_PLATEAU` of the real pixels have the
    smallest value. A colour is as far off as its farthest channel.
    """
    floor = real.min(axis=(1, 2), keepdims=True)
    above = (real - floor).max(axis=0)
    plateau = above < unit / 2
    if plateau.mean() < _PLATEAU:
        return image
    reach = _APART if plateau.sum() >= 0.95 * (above <= _APART).sum() else _NEAR
    far = np.abs(image - floor).max(axis=0)
    if not (far <= reach).any():
        return image
    share = plateau.sum() / (above <= reach).sum()
    return np.where(far <= np.quantile(far[far <= reach], share, method="lower"), floor, image)


def _mirrored(image: np.ndarray, margin: tuple[int, int]) -> np.ndarray:
    rows, columns = margin
    inner = image[:, rows : image.shape[1] - rows, columns : image.shape[2] - columns]
    return np.pad(inner, ((0, 0), (rows, rows), (columns, columns)), mode="symmetric")


def _through_jpeg(image: np.ndarray, marks: JpegMarks) -> np.ndarray:
    planes = np.rint((image + 1) / 2 * 255).astype(np.uint8)
    picture = Image.fromarray(planes[0] if len(planes) == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, -1)))
    colour = {"subsampling": marks.sampling} if len(planes) == 3 else {}
    stream = io.BytesIO()
    picture.save(stream, "JPEG", qtables=marks.tables[: 1 + bool(colour)], **colour)
    with Image.open(stream) as stored:
        shown = np.atleast_3d(np.asarray(stored))
    return (np.moveaxis(shown, -1, 0).astype(np.float32) / 255) * 2 - 1


def _on_levels_of(plane: np.ndarray, real: np.ndarray, unit: float) -> np.ndarray:
    """Each pixel of a plane at the nearest grey level of a real one, where that has coarser levels than the unit."""
    step = _own_step(real)
    if step < 1.05 * unit:
        return plane
    levels = _levels(np.unique(real), step, unit)
    return levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, plane)].astype(np.float32)


def _levels(values: np.ndarray, step: float, unit: float) -> np.ndarray:
    """The levels that a plane has, those between them that it lacks by chance, and those that it would have beyond."""
    parts = np.rint(np.diff(values) / step).astype(int).clip(1)
    between = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(values[:-1], values[1:], parts, strict=True)]
    below, above = np.arange(values[0] - step, -1, -step), np.arange(values[-1] + step, 1, step)
    levels = np.concatenate([below[::-1], *between, values[-1:], above])
    return np.clip(np.rint((levels + 1) / unit) * unit - 1, -1, 1)


def _own_step(plane: np.ndarray) -> float:
    """The distance of two neighbouring grey levels of a plane, in units of [-1, 1]; nearly 0 for fractions.

    Where a level holds four pixels or more, all levels near the median occur, and their mean distance also sees the
    holes of a contrast stretch; a few levels that are missing by chance are not counted. Where most levels hold one
    pixel, gaps are chance, and the smallest is the step.
    """
    values = np.unique(plane)
    if len(values) < 3:
        return 0.0
    if len(values) <= plane.size / 4:
        low, high = np.percentile(plane, [10, 90])
        dense = np.diff(values[(values >= low) & (values <= high)])
        if len(dense):
            wide = dense > 1.5 * dense.min()
            return float(dense[~wide].mean() if wide.mean() < _BY_CHANCE else dense.mean())
    return float(np.diff(values).min())


def _begins_blank(image: np.ndarray) -> bool:
    lines = (image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1])
    return any((line == line[:, :1]).all() for line in lines)


def _cropped(image: np.ndarray, cut: int) -> np.ndarray:
    return image[:, cut : image.shape[1] - cut, cut : image.shape[2] - cut]
