"""Lesions and a recipe made ready for a fit or a benchmark: of the right kind, and the networks at a size for them."""

from __future__ import annotations

from typing import NamedTuple

from augmentor.data.check import inspect
from augmentor.data.inspection import Inspection
from augmentor.data.lesions import Lesions
from augmentor.data.masks import without_masks_in_fit
from augmentor.errors import DataError
from augmentor.progress import Update
from augmentor.recipe import LARGEST_SIZE, LEAST_SIZE, Recipe

_FAR_SMALLER = 0.75  # of the side that networks see
_CLEARLY_LARGER = 1.5


class Prepared(NamedTuple):
    """What a fit or a benchmark is of."""

    lesions: Lesions
    recipe: Recipe
    warnings: list[str]


def prepare(lesions: Lesions, recipe: Recipe, update: Update | None = None, fitted: bool = True) -> Prepared:
    """The lesions inspected, and of each class as many as the recipe asks for; the recipe with its size named.

    fitted: as in `check.inspect`.

    Warns where all images are far smaller than a size that the recipe names, and of what `shrinking` tells.
    Raises DataError with every reason if the lesions can't be used, or where they are no images (2) or volumes (3), as
    the recipe's `spatial_dims` asks, or a fit with masks lacks one.
    """
    # (A fit reads masks where it needs them, and names all that it refuses.)
    most = recipe.data.max_per_class
    found = inspect(lesions, update, masks=False, training=recipe.training, fitted=fitted, per_class=most)
    _require_dims(found.require_usable(), recipe.model.spatial_dims)
    kept = found.lesions.at_most(most)
    if fitted and recipe.model.with_mask and (missing := without_masks_in_fit(kept)):
        raise DataError(missing)
    warnings = [*found.warnings, *_enlarging(found, recipe), *shrinking(found, recipe)]
    return Prepared(kept, at_own_size(recipe, found), warnings)


def at_own_size(recipe: Recipe, found: Inspection) -> Recipe:
    """The recipe, with `model.size` named: as it is, or where it names none and every image is far smaller than the
    usual size, the side that just holds them."""
    return recipe.with_options(model={"size": recipe.named_size or _fitting(found.largest, recipe.model.size)})


def shrinking(found: Inspection, recipe: Recipe) -> list[str]:
    """A warning where the networks' usual size is clearly smaller than most images, with the size that keeps their
    detail, as far as one is allowed; none where the recipe names a size, of the networks or of what is cut of scans."""
    dims, size = recipe.model.spatial_dims, recipe.model.size
    if recipe.named_size or recipe.extract.size or found.dims != {dims}:
        return []
    shape, side = _middle(found)
    advised = min(_held(side), LARGEST_SIZE[dims])
    if side < _CLEARLY_LARGER * size or advised <= size:
        return []
    others = " and other sizes" if len(found.sizes) > 1 else ""
    kept = "their detail" if advised >= side else "more of their detail"
    return [
        f"Images of {shape}{others} are shrunk to {size}x{size} where no size is named, and so are the real lesions "
        f"that expand writes. To keep {kept} give --size {advised} (model.size in a recipe); the work grows with its "
        "square."
    ]


def _require_dims(found: Inspection, dims: int) -> None:
    if dims in found.dims:
        return
    shape = next(iter(found.sizes))
    kind, advice = ("volumes", "--spatial-dims 3 --size 32") if dims == 2 else ("images", "--spatial-dims 2")
    raise DataError(
        f"{found.lesions.source}: holds {kind} ({shape}), and {dims} spatial dimensions are asked for. "
        f"Give {advice} (model.spatial_dims in a recipe)"
        + (", or cut a section of each lesion: augmentor extract." if dims == 2 else ".")
    )


def _enlarging(found: Inspection, recipe: Recipe) -> list[str]:
    size = recipe.named_size
    if not size or (fitting := _fitting(found.largest, size)) == size:
        return []
    return [
        f"No image has a side above {found.largest}, and they are enlarged to {size}: slower, and judged by detail "
        f"that they don't have. Give --size {fitting} (model.size in a recipe)."
    ]


def _fitting(largest: int, usual: int) -> int:
    held = max(LEAST_SIZE, _held(largest))
    return held if held <= _FAR_SMALLER * usual else usual


def _held(side: int) -> int:
    """The least multiple of 4 that holds a side."""
    return -(-side // 4) * 4


def _middle(found: Inspection) -> tuple[str, int]:
    """The shape of the image in the middle of all by their longer sides (the smaller of two), and that side: more than
    half of the images have one as long."""
    ordered = sorted((max(map(int, shape.split("x"))), shape) for shape, n in found.sizes.items() for _ in range(n))
    side, shape = ordered[(len(ordered) - 1) // 2]
    return shape, side
