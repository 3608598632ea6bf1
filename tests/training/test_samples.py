"""The picture of a snapshot; how it is cut again is tested where that is done."""

import errno

import numpy as np
import pytest
import torch
from PIL import Image

from augmentor.lettering import unframed
from augmentor.training.samples import GAP, REAL, SYNTHETIC, save_grid, to_pixels
from tests.report.drawing.test_tiles import Flat

SIDE = 16


def grid_of(tmp_path):
    """Two classes, of 5 and 2 black lesions."""
    images = torch.full((7, 1, SIDE, SIDE), -1.0)
    save_grid(tmp_path / "grid.png", Flat(), images, torch.tensor([0] * 5 + [1] * 2), ["cyst", "nevus"], seed=0)
    return unframed(tmp_path / "grid.png")


def test_a_row_is_a_class_with_real_lesions_a_gap_and_synthetic_ones(tmp_path):
    pixels = grid_of(tmp_path)
    assert Image.open(tmp_path / "grid.png").width > pixels.shape[1] + SIDE  # the names of the classes
    assert pixels.shape == (2 * SIDE, (REAL + SYNTHETIC) * SIDE + GAP)
    assert not pixels[:SIDE, : REAL * SIDE].any()
    assert not pixels[SIDE:, : 2 * SIDE].any()
    assert (pixels[SIDE:, 2 * SIDE : REAL * SIDE + GAP] == 255).all()  # no third lesion, then the gap
    assert (pixels[:SIDE, REAL * SIDE + GAP :] == 128).all()
    assert (pixels[SIDE:, REAL * SIDE + GAP :] == 191).all()


def test_a_picture_that_can_not_be_written_leaves_the_one_of_before(tmp_path, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = grid_of(tmp_path)
    monkeypatch.setattr("augmentor.files.os.fsync", full)
    images = torch.zeros(2, 1, SIDE, SIDE)
    with pytest.raises(OSError, match="No space left"):
        save_grid(tmp_path / "grid.png", Flat(), images, torch.tensor([0, 1]), ["cyst", "nevus"], seed=0)
    assert (unframed(tmp_path / "grid.png") == before).all()
    assert [file.name for file in tmp_path.iterdir()] == ["grid.png"]


def test_colours_stay():
    image = np.stack([np.full((4, 4), value, np.float32) for value in (-1, 0, 1)])
    assert to_pixels(image)[0, 0].tolist() == [0, 128, 255]


def test_a_volume_is_shown_by_its_middle_section():
    volume = np.random.default_rng(0).uniform(-1, 1, (1, 6, 5, 4)).astype(np.float32)
    assert (to_pixels(volume) == to_pixels(volume[:, 3])).all()
