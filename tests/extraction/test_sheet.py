import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.data.windows import Window
from augmentor.extraction.sheet import write_sheet

CELL, GAP, HEAD, CAPTION = 96, 4, 24, 14


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
    files = {"a.png": "m.png", "b.png": "", "c.nii.gz": ""}
    return [{"path": path, "label": "cyst", "mask": mask} for path, mask in files.items()]


def cells_of(file, count):
    sheet = np.asarray(Image.open(file))
    return [sheet[HEAD : HEAD + CELL, GAP + n * (CELL + GAP) :][:, :CELL] for n in range(count)]


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
    lines = 6 * (CELL + GAP + CAPTION)
    assert Image.open(tmp_path / "sheet.png").size == (10 * (CELL + GAP) + GAP, HEAD + lines + GAP)


def test_each_class_begins_a_line_under_its_name_and_each_lesion_has_its_file_s(tmp_path, rows):
    mixed = [rows[0] | {"label": label} for label in ("cyst", "nevus", "cyst", "nevus", "cyst")]
    write_sheet(tmp_path, mixed, tmp_path / "sheet.png")
    sheet, line = np.asarray(Image.open(tmp_path / "sheet.png")), HEAD + CELL + GAP + CAPTION
    assert sheet.shape[:2] == (2 * line + GAP, 3 * (CELL + GAP) + GAP)
    heads = [sheet[n * line :][:HEAD] for n in range(2)]
    captions = [sheet[n * line + HEAD + CELL :][:CAPTION, GAP : GAP + CELL] for n in range(2)]
    assert all(words.max() > 150 for words in (*heads, *captions))
    assert (heads[0] != heads[1]).any()
    assert not sheet[line + HEAD :, GAP + 2 * (CELL + GAP) :].any()  # there is no third nevus


@pytest.mark.parametrize("name", ["png", "npy"])
def test_with_a_window_all_are_shown_on_its_one_scale_so_that_a_wrong_one_is_seen(tmp_path, name):
    window = Window(-100, 100)
    for number, share in enumerate((0.25, 0.5)):
        if name == "png":
            Image.fromarray(np.full((8, 8), share * 65535, np.uint16)).save(tmp_path / f"{number}.png")
        else:
            np.save(tmp_path / f"{number}.npy", np.full((8, 8), -100 + 200 * share, np.float32))
    rows = [{"path": f"{number}.{name}", "label": "cyst", "mask": ""} for number in range(2)]
    write_sheet(tmp_path, rows, tmp_path / "sheet.png", window)
    assert [cell.mean() for cell in cells_of(tmp_path / "sheet.png", 2)] == pytest.approx([64, 127.5], abs=1)
