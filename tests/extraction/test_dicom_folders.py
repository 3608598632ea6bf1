import numpy as np
import pytest

from augmentor.extraction.dicom_folders import pairs_of
from tests.scan_sets import ball, dicom_image, save_dicom, write_segmentation, write_series

SHAPE = (16, 14, 6)


@pytest.fixture
def archive(tmp_path):
    """ct/ with its seg.dcm in another folder, and a series that nobody segmented."""
    pytest.importorskip("highdicom")
    series = write_series(tmp_path / "study" / "ct", np.zeros(SHAPE, np.int16))
    write_segmentation(tmp_path / "results" / "seg.dcm", series, [ball(SHAPE, (5, 5, 2), 3.0)])
    save_dicom(dicom_image(np.zeros((4, 4), np.int16), SeriesInstanceUID="9.9"), tmp_path / "study" / "other")
    (tmp_path / "study" / "notes.txt").write_text("x" * 300)
    return tmp_path


def test_a_segmentation_finds_the_series_that_it_was_drawn_on(archive):
    ((series, segmentation),), notes = pairs_of(archive)
    assert len(series) == SHAPE[2]
    assert segmentation == archive / "results" / "seg.dcm"
    assert notes == [f"{archive}: 1 series have no segmentation below it; they were left out."]


def test_a_segmentation_without_its_series_is_told(archive):
    pairs, notes = pairs_of(archive / "results")
    assert not pairs
    assert "seg.dcm: segments a series that does not lie below" in notes[0]


def test_what_has_dicoms_mark_and_nothing_else_is_passed_over(archive):
    (archive / "study" / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    pairs, notes = pairs_of(archive)
    assert len(pairs) == len(notes) == 1
