"""Weights as safetensors with a JSON beside them: nothing that executes on load."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from augmentor.data.intensity import Intensity
from augmentor.data.sizes import spacing_of_side
from augmentor.errors import UsageError
from augmentor.files import read_json, write_atomically
from augmentor.model.blocks import Generator
from augmentor.model.gan import build_generator
from augmentor.model.lesions import TrainingLesions
from augmentor.recipe import ModelSection

_SIZE_STEP = math.log(1.05)  # of the sides that synthetic lesions' files tell


@dataclass(frozen=True)
class Card:
    """What a checkpoint's JSON says: all that is needed to make lesions from its weights.

    channels: of an image, its mask not counted. spacing_mm: of a pixel (rows, columns) or voxel (slices, rows,
    columns), the median of the training lesions; None where they have none.
    """

    model: ModelSection
    classes: tuple[str, ...]
    channels: int
    bank_sizes: tuple[int, ...]
    intensity: Intensity
    spacing_mm: tuple[float, ...] | None
    step: int
    recipe_hash: str

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, S, ...) of an image."""
        return (self.channels, *[self.model.size] * self.model.spatial_dims)

    def spacing_of(self, roi_side_mm: float | None) -> tuple[float, ...] | None:
        """The spacing that the file of a synthetic lesion tells: made for a side in mm, the longest, it has the
        proportions of the training lesions' spacing; made for none it has theirs.

        A side is one training lesion's own, and so may a median be: the exact number would name that lesion. So the
        longest side is rounded to a power of 1.05 mm (by 2.5 % at most), and so are the proportions.
        """
        if not roi_side_mm and not self.spacing_mm:
            return None
        steps = self.spacing_mm or (1.0,) * self.model.spatial_dims
        longest = _coarse(roi_side_mm or max(steps) * self.model.size)
        proportions = tuple(_coarse(step / max(steps)) for step in steps)
        return spacing_of_side(longest, self.model.size, self.model.spatial_dims, proportions)


def _coarse(value: float) -> float:
    """The nearest power of 1.05, by its logarithm."""
    return math.exp(_SIZE_STEP * round(math.log(value) / _SIZE_STEP))


def save_tensors(file: Path, tensors: dict[str, Tensor]) -> None:
    write_atomically(file, save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}))


def load_tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise UsageError(
            f"{file}: can't be read as safetensors ({error}). Fit again, or take an older checkpoint."
        ) from error


def save_checkpoint(file: Path, generator: Generator, card: Card) -> None:
    save_tensors(file, dict(generator.state_dict()))
    content: dict[str, Any] = {**card.__dict__, "model": card.model.model_dump(), "intensity": card.intensity.__dict__}
    write_atomically(file.with_suffix(".json"), json.dumps(content, indent=1))


def load_card(file: Path) -> Card:
    """A checkpoint's card alone. Raises UsageError where it is missing or damaged."""
    content = read_json(file.with_suffix(".json"))
    try:
        content["model"] = ModelSection(**content["model"])
        content["intensity"] = Intensity(**content["intensity"])
        for name in ("classes", "bank_sizes", "spacing_mm"):
            content[name] = tuple(content[name]) if content[name] is not None else None
        Card(**content)  # a name too many or too few
        card = TypeAdapter(Card).validate_python(content)
        _require_sound(card)
        return card
    except (KeyError, TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
        raise _other_version(file.with_suffix(".json")) from error


def _require_sound(card: Card) -> None:
    """Raise TypeError or ValueError where no fit can have written the card."""
    limits = card.intensity
    if not (
        len(set(card.classes)) == len(card.classes) == len(card.bank_sizes)
        and min(card.bank_sizes) > 0
        and np.dtype(limits.dtype).kind in "iuf"
        and np.isfinite([limits.low, limits.high]).all()
    ):
        raise ValueError(card)


def load_checkpoint(file: Path) -> tuple[Generator, Card]:
    """The generator in evaluation mode, and its card. Raises UsageError where a file is missing or damaged."""
    card = load_card(file)
    try:
        labels = torch.repeat_interleave(torch.arange(len(card.classes)), torch.tensor(card.bank_sizes))
        empty = torch.zeros(len(labels), card.channels + card.model.with_mask, *card.shape[1:])
        sides = torch.ones(len(labels)) if card.model.condition_on else None  # the weights bring the true ones
        with torch.random.fork_rng([]):  # the weights that it begins with are drawn, and replaced
            generator = build_generator(card.model, TrainingLesions(empty, labels, len(card.classes), sides))
        generator.load_state_dict(load_tensors(file))
    except RuntimeError as error:  # weights that are missing, too many, or of another shape; a card that asks too much
        raise _other_version(file) from error
    return generator.eval().requires_grad_(False), card


def _other_version(file: Path) -> UsageError:
    return UsageError(
        f"{file}: was made by another version of augmentor, with other networks, or is damaged. Fit again."
    )


def file_hash(file: Path) -> str:
    """12 hex digits of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
