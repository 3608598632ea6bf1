"""A lesion's mask as a channel beside its image, and back to a binary mask.

The channel holds the signed distance to the lesion's edge, cut off at an eighth of the side: a network can move and
bend it like an image, where a binary mask would fray, and its frayed edges alone would tell synthetic from real ones.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from augmentor.data.images import read_stored
from augmentor.data.lesion_image import LesionImage
from augmentor.data.lesions import Lesions
from augmentor.data.placing import ROUNDING, turned_onto
from augmentor.data.soft_masks import greys_of
from augmentor.data.squares import to_square
from augmentor.data.upright import set_upright
from augmentor.errors import DataError, first_of

_REACH = 8  # the distance is cut off at the side divided by it


def to_channel(mask: np.ndarray) -> np.ndarray:
    """(S, ...) bool -> (1, S, ...) float32 in [-1, 1]: 0 at the edge, 1 at an eighth of the side inside it."""
    reach = max(2.0, mask.shape[-1] / _REACH)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    # Voxels on both sides of an edge lie half a voxel from it.
    distance = np.where(mask, inside - 0.5, 0.5 - outside)
    return np.clip(distance / reach, -1, 1).astype(np.float32)[None]


def from_channel(channel: np.ndarray) -> np.ndarray:
    """(1, S, ...) in [-1, 1] -> (1, S, ...) uint8, 1 in the lesion."""
    return (channel > 0).astype(np.uint8)


def read_mask(path: str, image: str, size: int) -> np.ndarray:
    """The mask of an image, (size, ...) bool, brought to the network's size as the image is.

    Raises DataError where `drawn_on` does, and where so small a mask shows nothing.
    """
    pictured = read_stored(image)
    drawn = set_upright(replace(pictured, pixels=drawn_on(pictured, path, image)), nearest=True)
    lesion = to_square(drawn.pixels.astype(np.float32), size)[0] > 0.5
    if not lesion.any():
        raise _empty(path, f"nothing of it is left at {size} pixels a side")
    return lesion


def drawn_on(pictured: LesionImage, path: str, image: str) -> np.ndarray:
    """The mask `path`, (1, H, W) or (1, D, H, W) bool, in the order of the image's pixels as they are stored: turned as
    the two headers say, if both say where they lie.

    Raises DataError where it lies on another grid than its image, has several channels, holds greys or probabilities,
    or no voxel is set.
    """
    found = read_stored(path)
    if found.pixels.shape[0] != 1:
        raise DataError(f"{path}: has {found.pixels.shape[0]} channels; a mask has one, 0 outside the lesion.")
    drawn = found.pixels > ROUNDING
    if not drawn.any():
        raise _empty(path, "no pixel is set")
    if greys := greys_of(_whole(found.pixels)):
        raise DataError(
            f"{path}: holds {greys} values above 0, as a JPEG, smoothed edges or probabilities do, and a mask is 0 "
            f"outside the lesion. Cut it at half of its largest value, {found.pixels.max():g}, and save it as a PNG of "
            "0 and 255."
        )
    if found.grid and pictured.grid:
        turned = turned_onto(drawn[0].T.reshape(found.grid.shape), found.grid, pictured.grid)
        if turned is not None:
            return turned.reshape(pictured.pixels.shape[:0:-1]).T[None]
    shapes = tuple(x.pixels.shape[1:] for x in (found, pictured))
    spacings = [x.spacing_mm for x in (found, pictured) if x.spacing_mm]
    if shapes[0] != shapes[1] or not np.allclose(spacings[:1], spacings[-1:], rtol=1e-3):
        told = " and ".join(f"{x.pixels.shape[1:]} at {x.spacing_mm} mm" for x in (found, pictured))
        raise DataError(
            f"{path}: mask and image ({Path(image).name}) lie on different grids: {told}. Resample the mask to the "
            "image's grid."
        )
    if found.grid and pictured.grid:
        raise DataError(
            f"{path}: mask and image ({Path(image).name}) have one shape, but their headers put them in different "
            "places. Resample the mask to the image's grid, or save it with the image's header if it was drawn on its "
            "pixels."
        )
    return drawn


def _whole(pixels: np.ndarray) -> np.ndarray:
    """Numbers that a scale factor moved a little are one number again."""
    return np.rint(pixels / ROUNDING) if pixels.dtype.kind == "f" else pixels


def _empty(path: str, what: str) -> DataError:
    return DataError(f"{path}: {what}; a mask shows where the lesion is. Correct it, or leave the row out.")


def without_masks(lesions: Lesions) -> str:
    """What is told of lesions that have none; empty where all have one."""
    missing = lesions.table.loc[lesions.table["mask"] == "", "path"].tolist()
    if not missing:
        return ""
    advice = "Give a column `mask`"
    if len(missing) < len(lesions):
        cells, rows = ("that cell", "the row") if len(missing) == 1 else ("these cells", "the rows")
        advice = f"Fill in {cells} of the column {lesions.columns.get('mask', 'mask')!r}, leave {rows} out"
    return (
        f"{lesions.source}: {len(missing)} of {len(lesions)} lesions have no mask (for example {missing[0]}), and a "
        f"fit with masks needs all. {advice}, or fit without --with-mask."
    )


def without_masks_in_fit(lesions: Lesions) -> str:
    """What `without_masks` tells of all lesions that a fit is of: test lesions need no mask."""
    return without_masks(lesions.rows((lesions.table["split"] != "test").to_numpy()))


def load_mask_channels(lesions: Lesions, size: int) -> np.ndarray:
    """(N, 1, size, ...) float32, the channels of the lesions' masks. Raises DataError as `load_masks` does."""
    return np.stack([to_channel(mask) for mask in load_masks(lesions, size)])


def load_masks(lesions: Lesions, size: int) -> list[np.ndarray]:
    """The lesions' masks, (size, ...) bool each. Raises DataError, naming every mask that can't be used."""
    table = lesions.table
    if missing := without_masks(lesions):
        raise DataError(missing)
    masks, problems = [], []
    for path, image in zip(table["mask"], table["path"], strict=True):
        try:
            masks.append(read_mask(path, image, size))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError(first_of(problems, "masks"))
    return masks
