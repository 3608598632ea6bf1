"""Lesions pixel by pixel."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from augmentor.model.blocks import Generator
from augmentor.report.drawing import tiles
from augmentor.training.samples import save_grid


class Flat(Generator):
    """A generator whose every lesion is its class's grey."""

    latent_dim = 2
    secret = 0

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, latents: Tensor, labels: Tensor) -> tuple[Tensor, None]:
        return (labels.float()[:, None, None, None] / 2).expand(len(latents), 1, 16, 16), None


def test_a_grid_is_cut_as_a_fit_lays_it_out(tmp_path):
    images, labels = torch.full((7, 1, 16, 16), -1.0), torch.tensor([0, 0, 0, 0, 0, 1, 1])
    save_grid(tmp_path / "grid.png", Flat(), images, labels, ["cyst", "nevus"], seed=0)
    first, second = tiles.cut_grid(tmp_path / "grid.png")
    assert [len(first.real), len(second.real)] == [4, 2]
    assert [len(first.synthetic), len(second.synthetic)] == [8, 8]
    assert all(tile.shape == (16, 16) and not tile.any() for tile in first.real + second.real)
    assert {int(tile.max()) for tile in second.synthetic} == {191}
    assert {int(tile.max()) for tile in first.synthetic} == {128}


def test_a_mosaic_has_grey_where_a_lesion_is_missing():
    white = np.full((4, 4), 255, np.uint8)
    picture = np.asarray(Image.open(io.BytesIO(tiles.mosaic([[white, None], [white]]))))
    assert picture.shape == (8, 8)
    assert picture[:, :4].min() == 255
    assert set(picture[:, 4:].ravel()) == {tiles.GREY}


def test_a_picture_without_gaps_is_cut_into_squares(tmp_path):
    picture = np.repeat(np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3), 4, 0), 4, 1)
    Image.fromarray(picture).save(tmp_path / "rows.png")
    rows = tiles.cut_rows(tmp_path / "rows.png", 2)
    assert [[int(tile[0, 0]) for tile in row] for row in rows] == [[0, 1, 2], [3, 4, 5]]
    assert all(tile.shape == (4, 4) and (tile == tile[0, 0]).all() for row in rows for tile in row)
