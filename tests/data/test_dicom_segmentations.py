import numpy as np
import pydicom
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


def without_step(file, thickness, apart):
    """A SEG of single sections that lie `apart` (mm from the first), with no SpacingBetweenSlices."""
    data = pydicom.dcmread(file)
    (measures,) = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    if "SpacingBetweenSlices" in measures:
        del measures.SpacingBetweenSlices
    if thickness is None:
        del measures.SliceThickness
    else:
        measures.SliceThickness = thickness
    for group, mm in zip(data.PerFrameFunctionalGroupsSequence, apart, strict=True):
        (place,) = group.PlanePositionSequence
        place.ImagePositionPatient = [*place.ImagePositionPatient[:2], -300.0 + mm]
    data.save_as(file)
    return file


def across_sections(labels):
    """The axis; rows and columns are 9 and 10."""
    return next(axis for axis, count in enumerate(labels.shape) if count not in {9, 10})


@pytest.fixture
def of_sections(tmp_path):
    """A SEG of as many frames, each with a square."""
    pytest.importorskip("highdicom")

    def written(thickness, apart):
        mask = np.zeros((10, 9, 6), bool)
        mask[3:6, 2:7, : len(apart)] = True
        series = write_series(tmp_path / "ct", np.zeros(mask.shape, np.int16))
        return without_step(write_segmentation(tmp_path / "seg.dcm", series, [mask]), thickness, apart)

    return written


@pytest.mark.parametrize(
    ("thickness", "apart", "step"),
    [
        (2.0, (0, 12), 2.0),  # two lesions of a section each: the gap between them is no thickness
        (2.5, (0, 7.5, 17.5), 2.5),  # uneven gaps
        (2.5, (0,), 2.5),
        (5.0, (0, 2.5, 5.0), 2.5),  # sections that overlap
        (3.0, (0, 3.6, 10.8), 3.6),  # sections with gaps
    ],
)
def test_sections_without_a_lesion_are_kept_where_their_step_is_not_said(of_sections, thickness, apart, step):
    labels, grid = read_segmentation(of_sections(thickness, apart))
    assert grid.spacing[across_sections(labels)] == pytest.approx(step)
    places = np.unique(grid.world(np.argwhere(labels))[:, 2].round(3))
    np.testing.assert_allclose(places, -300 + np.array(apart), atol=2e-3)


@pytest.mark.parametrize(
    ("thickness", "apart", "told"),
    [
        (2.0, (0, 12.1), "they lie 12.1 to 12.1 mm apart and are 2 mm thick"),
        (2.0, (0, 3.3, 5.7), "they lie 2.4 to 3.3 mm apart and are 2 mm thick"),
        (1e-6, (0, 2, 4), "are 1e-06 mm thick"),  # which would be millions of sections
        (None, (0, 4, 8), "do not say how thick they are"),
    ],
)
def test_frames_that_do_not_tell_their_step_are_refused_with_what_helps(of_sections, thickness, apart, told):
    with pytest.raises(DataError, match=r"seg\.dcm: does not say how far its sections lie apart") as caught:
        read_segmentation(of_sections(thickness, apart))
    assert told in str(caught.value)
    assert "Write SpacingBetweenSlices" in str(caught.value)
    assert "Save each segment" not in str(caught.value)


def test_a_step_that_is_said_is_believed(of_sections):
    file = of_sections(4.0, (0, 6))
    data = pydicom.dcmread(file)
    data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 3.0
    data.save_as(file)
    labels, grid = read_segmentation(file)
    assert grid.spacing[across_sections(labels)] == pytest.approx(3)


@pytest.mark.parametrize("kind", ["PROBABILITY", "OCCUPANCY"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_fractions_are_refused_as_probabilities_are(tmp_path, kind, share):
    pytest.importorskip("highdicom")
    mask = ball((16, 14, 6), (5, 5, 2), 3.0)
    series = write_series(tmp_path / "ct", np.zeros(mask.shape, np.int16))
    options = {"segmentation_type": "FRACTIONAL", "fractional_type": kind}
    file = write_segmentation(tmp_path / "seg.dcm", series, [mask * np.float32(share)], **options)
    if share == 1:
        assert (read_segmentation(file)[0] > 0).sum() == mask.sum()
    else:
        with pytest.raises(DataError, match=r"seg\.dcm: holds fractions \(0\.5.*must be cut at a threshold first"):
            read_segmentation(file)
