"""A generator that gives what it is told, and 200 disguised training lesions among 2000 samples."""

import math

import numpy as np
import torch
from scipy.ndimage import affine_transform

from augmentor.data.intensity import Intensity
from augmentor.expansion.screen import Screen
from augmentor.model.blocks import Generator
from augmentor.model.checkpoint import Card
from augmentor.recipe import ModelSection
from augmentor.sampling import BATCH
from tests.threads import torch_threads


def shifted(images, filled=-1.0):
    """Two pixels down and to the left; what comes in at the edges is `filled`."""
    moved = np.full_like(images, filled)
    moved[:, :, 2:, :-2] = images[:, :, :-2, 2:]
    return moved


def moved(images, degrees=0.0, zoom=1.0, shift=(0, 0)):
    """Images (N, C, S, S) turned, zoomed and shifted about their centre, linearly, borders mirrored; zoom above 1
    enlarges. Shifts are pixels of an image of 64, and of smaller ones in proportion."""
    turn, centre = math.radians(degrees), np.full(2, (images.shape[-1] - 1) / 2)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) / zoom
    offset = centre - matrix @ (centre + np.array(shift) * images.shape[-1] / 64)
    flat = images.reshape(-1, *images.shape[2:])
    found = np.stack([affine_transform(one, matrix, offset, order=1, mode="reflect") for one in flat])
    return found.reshape(images.shape).astype(np.float32)


DISGUISES = {
    "exact": lambda x: x,
    "flipped": lambda x: x[..., ::-1],
    "turned by 90 degrees": lambda x: np.rot90(x, 1, (2, 3)),
    "shifted by 2 pixels": shifted,
    "shifted by 2 pixels, round the edge": lambda x: np.roll(x, (-2, 2), (2, 3)),
    "with 2 % noise": lambda x: x + 0.04 * np.random.default_rng(2).standard_normal(x.shape, np.float32),
    "brighter": lambda x: np.clip(x + 0.2, -1, 1),
    "of more contrast": lambda x: np.clip(1.2 * x, -1, 1),
    "turned by 4 degrees": lambda x: moved(x, degrees=4),
    "turned by 8 degrees and shifted": lambda x: moved(x, degrees=8, shift=(2, -2)),
    "zoomed, turned and shifted": lambda x: moved(x, degrees=-12, zoom=1.12, shift=(1, 2)),
    "turned by 45 degrees": lambda x: moved(x, degrees=45),
    "turned by 30 degrees and mirrored": lambda x: moved(x, degrees=30)[..., ::-1],
}


class Smuggler(Generator):
    """Gives a class's images in their order, whatever the latents are."""

    def __init__(self, images: np.ndarray):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.latent_dim = 1
        filled = -len(images) % BATCH
        self.empty = torch.zeros(BATCH, *images.shape[1:])  # what comes when all have been given
        self.batches = iter(torch.cat([torch.from_numpy(images), self.empty[:filled]]).split(BATCH))

    def forward(self, latents, labels):
        del latents, labels
        return next(self.batches, self.empty), None


def disguise(lesions: np.ndarray) -> np.ndarray:
    """Each of them once, the disguises in turn."""
    kinds = list(DISGUISES.values())
    return np.stack([np.ascontiguousarray(kinds[i % len(kinds)](x[None]))[0] for i, x in enumerate(lesions)])


def refused(screen: Screen, classes: tuple[str, ...], images: np.ndarray, targets: np.ndarray) -> dict:
    """Row of `images` -> the rule that refused it, for those that were."""
    channels, size = images.shape[1:3]
    card = Card(ModelSection(size=size), classes, channels, (), Intensity(0, 1, "uint8"), None, 0, "")
    found = {}
    for target, label in enumerate(classes):
        rows = np.flatnonzero(targets == target)
        judged = _Recorder(screen.copies, screen.texture)
        with torch_threads(1):  # a smuggler's batches come in the order in which they are asked for
            list(judged.draw(Smuggler(images[rows]), card, {label: len(rows)}, 0))
        found |= {rows[i]: rule for i, rule in enumerate(judged.rules[: len(rows)])}
    return {row: rule for row, rule in found.items() if rule}


class _Recorder(Screen):
    """Remembers the rule of every lesion that was drawn."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.lesions = []

    def _candidates(self, *arguments):
        self.lesions += (found := super()._candidates(*arguments))
        return found

    @property
    def rules(self):
        return [lesion.rule for lesion in self.lesions]
