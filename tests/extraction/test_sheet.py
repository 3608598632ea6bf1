import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.extraction.sheet import write_sheet

CELL, GAP = 96, 4


@pytest.fixture
def rows(tmp_path):
    """Three lesions: a bright square in a grey picture with its mask, a colour picture, a cube."""
    image = np.zeros((32, 32), np.uint16)
    image[8:24, 8:24] = 60000
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray((image > 0).astype(np.uint8)).save(tmp_path / "m.png")
    Image.fromarray(np.full((32, 32, 3), (0, 120, 250), np.uint8)).save(tmp_path / "b.png")
    cube = np.zeros((32, 32, 32), np.float32)
    cube[20:, 20:, 10:22] = 5  # to the right and the front
    nibabel.save(nibabel.Nifti1Image(cube, np.eye(4)), tmp_path / "c.nii.gz")
    return [{"path": "a.png", "mask": "m.png"}, {"path": "b.png", "mask": ""}, {"path": "c.nii.gz", "mask": ""}]


def cells_of(file, count):
    sheet = np.asarray(Image.open(file))
    return [sheet[GAP : GAP + CELL, GAP + n * (CELL + GAP) :][:, :CELL] for n in range(count)]


def test_a_cell_a_lesion_with_the_masks_edge_and_cubes_as_readers_see_them(tmp_path, rows):
    write_sheet(tmp_path, rows, tmp_path / "sheet.png")
    grey, colour, cube = cells_of(tmp_path / "sheet.png", 3)
    assert (grey[48, 48], grey[4, 4]) == (pytest.approx(255), pytest.approx(0))
    edge = (grey == (255, 176, 0)).all(axis=-1)
    assert edge.any()
    assert edge[48].sum() == 2
    assert set(np.argwhere(edge)[:, 0]) <= set(range(22, 74))
    assert np.ptp(colour.reshape(-1, 3), axis=0).max() == 0
    assert colour[0, 0, 2] > colour[0, 0, 1] > colour[0, 0, 0]
    assert cube[10, 10, 0] > 250  # the patient's right is on the left, the front is above
    assert cube[80, 80, 0] == 0


def test_at_most_sixty_evenly_from_all(tmp_path, rows):
    write_sheet(tmp_path, rows[:1] * 500, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (10 * (CELL + GAP) + GAP, 6 * (CELL + GAP) + GAP)
