import numpy as np
import pytest

from augmentor.data import extras
from augmentor.data.dicom_segmentations import read_segmentation
from augmentor.errors import DataError
from tests.scan_sets import CT_AFFINE, ball, dicom_image, save_dicom, write_segmentation, write_series


def test_a_segmentation_has_its_numbers_on_the_series_grid(tmp_path):
    pytest.importorskip("highdicom")
    shape = (16, 14, 6)
    masks = [ball(shape, (5, 5, 2), 3.0), ball(shape, (11, 9, 4), 2.6)]
    series = write_series(tmp_path / "ct", np.zeros(shape, np.int16))
    labels, grid = read_segmentation(write_segmentation(tmp_path / "seg.dcm", series, masks))
    first = np.rint(np.linalg.solve(CT_AFFINE, grid.affine)[:3, :]).astype(int)
    assert np.abs(np.linalg.solve(CT_AFFINE, grid.affine)[:3] - first).max() < 1e-3
    for number, mask in enumerate(masks, 1):
        centre = grid.world(np.argwhere(labels == number).mean(axis=0))
        np.testing.assert_allclose(centre, (CT_AFFINE @ [*np.argwhere(mask).mean(axis=0), 1])[:3], atol=1e-3)
        assert (labels == number).sum() == mask.sum()


def test_segments_that_overlap_are_told(tmp_path):
    pytest.importorskip("highdicom")
    shape = (16, 14, 6)
    series = write_series(tmp_path / "ct", np.zeros(shape, np.int16))
    masks = [ball(shape, (5, 5, 2), 3.0), ball(shape, (6, 5, 2), 3.0)]
    with pytest.raises(DataError, match=r"seg\.dcm: .*Save each segment as a file of its own"):
        read_segmentation(write_segmentation(tmp_path / "seg.dcm", series, masks))


def test_an_image_is_no_segmentation(tmp_path, pixels):
    assert read_segmentation(save_dicom(dicom_image(pixels), tmp_path / "one")) is None


def test_without_highdicom_the_message_says_which_extra_brings_it(tmp_path, monkeypatch):
    pytest.importorskip("highdicom")
    shape = (16, 14, 6)
    series = write_series(tmp_path / "ct", np.zeros(shape, np.int16))
    file = write_segmentation(tmp_path / "seg.dcm", series, [ball(shape, (5, 5, 2), 3.0)])

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(DataError, match=r"a DICOM SEG is read by highdicom.*-c constraints\.txt .\.\[dicom\]"):
        read_segmentation(file)
