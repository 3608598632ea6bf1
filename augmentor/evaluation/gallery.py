"""Pictures of an evaluation: the closest pairs, and lesions on the way from one latent to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from augmentor.files import write_atomically
from augmentor.lettering import framed
from augmentor.model.blocks import Generator
from augmentor.sampling import latents_of, seed_of
from augmentor.training.samples import to_pixels

FOLDER = "evaluation"  # of the pictures, beside evaluation.json
PAIRS, INTERPOLATIONS = "pairs.png", "interpolations.png"
CLOSEST = 10  # pairs in the picture
STEPS = 8
_SEED = 3_000


def save_mosaic(
    rows: Sequence[Sequence[np.ndarray]], file: Path, names: Sequence[str], heads: Sequence[str] = ()
) -> None:
    """Images (C, S, S) in [-1, 1], row by row without a gap, as an 8-bit PNG at their own size; of volumes the middle
    sections. names: of the rows, to their left. heads: of the columns, above them."""
    lines = [np.concatenate([to_pixels(image) for image in row], axis=1) for row in rows]
    write_atomically(file, framed(np.concatenate(lines), names, heads))


@torch.no_grad()
def interpolate(generator: Generator, classes: int, channels: int) -> list[list[np.ndarray]]:
    """A row a class: eight lesions (C, S, S) from one latent to another, along the sphere that normal latents lie near
    (White 2016). A generator that learned its lesions by heart jumps from one to the next; cgan's latents also name the
    two lesions that it starts from, so that its rows hold a few jumps by design. channels: of an image, its mask not
    counted."""
    rows = []
    for label in range(classes):
        seeds = [seed_of(_SEED, label, i) for i in range(2)]
        one, other = latents_of(seeds, generator.latent_dim, generator.secret)
        angle = torch.arccos((one @ other / one.norm() / other.norm()).clamp(-1, 1))
        shares = torch.linspace(0, 1, STEPS)[:, None]
        latents = (torch.sin((1 - shares) * angle) * one + torch.sin(shares * angle) * other) / torch.sin(angle)
        lesions, _ = generator(latents, torch.full((STEPS,), label))
        rows.append(list(lesions[:, :channels].float().clamp(-1, 1).numpy()))
    return rows
