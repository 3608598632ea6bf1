import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from augmentor.data import dicom, extras
from augmentor.data.dicom import is_dicom, read_dicom, read_segmentation
from augmentor.errors import DataError
from augmentor.extraction.volumes import read_volume
from tests.scan_sets import (
    CT_AFFINE,
    LPS_TO_RAS,
    ball,
    dicom_image,
    enhanced,
    place_tags,
    save_dicom,
    write_segmentation,
    write_series,
)

LPS = LPS_TO_RAS @ CT_AFFINE


def voxels_of(volume):
    return volume.sections(0, volume.grid.shape[2])


@pytest.fixture
def stored():
    return np.random.default_rng(0).integers(0, 3000, (9, 8, 6)).astype(np.int16)


@pytest.fixture
def pixels():
    """(rows, columns)"""
    return np.random.default_rng(0).integers(0, 4000, (12, 20)).astype(np.uint16)


# Series


def test_a_series_is_sorted_by_place_and_given_in_hounsfield_units(tmp_path, stored):
    write_series(tmp_path / "ct", stored, slope=2, intercept=-1024)
    volume = read_dicom([tmp_path / "ct"])
    np.testing.assert_array_equal(voxels_of(volume), stored * 2.0 - 1024)
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, atol=1e-6)
    assert volume.patient == "pat-7"
    assert not volume.notes


def test_whole_numbers_stay_whole(tmp_path, stored):
    write_series(tmp_path / "ct", stored, intercept=-1024)
    voxels = voxels_of(read_dicom([tmp_path / "ct"]))
    assert voxels.dtype == np.int16
    np.testing.assert_array_equal(voxels, stored - 1024)


def test_some_sections_of_a_series_are_those_of_the_whole(tmp_path, stored):
    write_series(tmp_path / "ct", stored)
    np.testing.assert_array_equal(read_dicom([tmp_path / "ct"]).sections(1, 4), stored[:, :, 1:4])


@pytest.mark.parametrize("degrees", [0, 20])
def test_an_oblique_or_tilted_series_lies_where_it_says(tmp_path, stored, degrees):
    turn = np.deg2rad(degrees)
    oblique = np.eye(4)
    oblique[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine = oblique @ LPS
    affine[1, 2] += 0.7  # a tilted gantry shifts each section
    write_series(tmp_path / "ct", stored, affine)
    np.testing.assert_allclose(read_dicom([tmp_path / "ct"]).grid.affine, LPS_TO_RAS @ affine, atol=1e-5)


def test_it_agrees_with_itk(tmp_path, stored):
    itk = pytest.importorskip("SimpleITK")
    write_series(tmp_path / "ct", stored, slope=2, intercept=-1024)
    reader = itk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    theirs = reader.Execute()
    volume = read_dicom([tmp_path / "ct"])
    point = np.array([3, 5, 2])
    np.testing.assert_allclose(
        LPS_TO_RAS[:3, :3] @ theirs.TransformIndexToPhysicalPoint(point.tolist()), volume.grid.world(point), atol=1e-4
    )
    np.testing.assert_allclose(itk.GetArrayFromImage(theirs).T, voxels_of(volume))


def test_other_files_beside_a_series_are_left_out(tmp_path, stored):
    files = write_series(tmp_path / "ct", stored)
    (tmp_path / "ct" / "notes.txt").write_text("x" * 300)
    report = dicom_image(np.zeros((4, 4), np.int16), Rows=None, Columns=None, PixelData=None)
    save_dicom(report, tmp_path / "ct" / "report")
    assert read_dicom([tmp_path / "ct"]).grid.shape[2] == len(files)


def test_two_series_in_a_folder_are_refused(tmp_path, stored):
    write_series(tmp_path / "ct", stored)
    save_dicom(dicom_image(np.zeros((4, 4), np.int16), SeriesInstanceUID="9.9"), tmp_path / "ct" / "other")
    with pytest.raises(DataError, match=r"ct: holds 2 series; a scan is one. Give each a folder of its own"):
        read_dicom([tmp_path / "ct"])


def test_sections_that_are_missing_are_told(tmp_path, stored):
    files = write_series(tmp_path / "ct", stored)
    middle = next(f for f in files if pydicom.dcmread(f).ImagePositionPatient[2] == pytest.approx(-295))
    middle.unlink()
    with pytest.raises(DataError, match=r"its sections lie 2\.5 to 5 mm apart: some are missing"):
        read_dicom([tmp_path / "ct"])


def test_times_of_one_place_are_told(tmp_path, stored):
    write_series(tmp_path / "ct", stored)
    again = dicom_image(stored[:, :, 0].T, **place_tags(LPS, 0))
    save_dicom(again, tmp_path / "ct" / "again")
    with pytest.raises(DataError, match="several of its 7 images lie at one place: times, echoes or phases"):
        read_dicom([tmp_path / "ct"])


def test_two_stacks_side_by_side_are_told(tmp_path, stored):
    for k in range(6):
        aside = LPS.copy()
        aside[0, 3] += 40 * (k % 2)
        save_dicom(dicom_image(stored[:, :, k].T, **place_tags(aside, k)), tmp_path / "ct" / str(k))
    with pytest.raises(DataError, match="its sections do not lie above each other"):
        read_dicom([tmp_path / "ct"])


def test_a_localizer_among_the_sections_is_told(tmp_path, stored):
    write_series(tmp_path / "ct", stored)
    turned = place_tags(LPS, 9) | {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    save_dicom(dicom_image(stored[:, :, 0].T, **turned), tmp_path / "ct" / "zz")
    with pytest.raises(DataError, match=r"zz: lies at another angle, or has another size.*localizer"):
        read_dicom([tmp_path / "ct"])


def test_a_series_that_does_not_say_where_it_lies_is_no_volume(tmp_path):
    for n in range(2):
        save_dicom(dicom_image(np.zeros((4, 4), np.int16)), tmp_path / "ct" / str(n))
    with pytest.raises(DataError, match="does not say where it lies"):
        read_dicom([tmp_path / "ct"])


# Single files


def test_one_section_lies_where_it_says_and_is_as_thick(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels, **place_tags(LPS, 3)), tmp_path / "one")])
    assert volume.grid.shape == (20, 12, 1)
    np.testing.assert_allclose(volume.grid.affine[:, :3], CT_AFFINE[:, :3], atol=1e-6)
    np.testing.assert_allclose(volume.grid.world(np.zeros(3)), (CT_AFFINE @ [0, 0, 3, 1])[:3])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], pixels.T)


def test_an_image_without_place_is_a_picture(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels), tmp_path / "one")])
    assert (volume.kind, volume.grid.located, volume.grid.in_mm) == ("picture", False, False)


def test_a_radiograph_knows_its_pixels_on_the_detector_alone(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels, ImagerPixelSpacing=[0.2, 0.1]), tmp_path / "one")])
    np.testing.assert_allclose(volume.grid.spacing[:2], (0.1, 0.2))
    assert "on the detector alone; in the body they are smaller" in volume.notes[0]


def test_burnt_in_text_is_told_once(tmp_path, stored):
    write_series(tmp_path / "ct", stored, BurnedInAnnotation="YES")
    (note,) = read_dicom([tmp_path / "ct"]).notes
    assert "says that text is burnt into its pixels, perhaps a name" in note


@pytest.mark.parametrize("modality", ["CR", "MR", "US"])
@pytest.mark.parametrize(("kind", "largest"), [("uint16", 65535), ("int16", -1)])
def test_monochrome1_is_inverted_so_that_more_is_brighter(tmp_path, pixels, modality, kind, largest):
    said = {"PhotometricInterpretation": "MONOCHROME1", "Modality": modality}
    volume = read_dicom([save_dicom(dicom_image(pixels.astype(kind), **said), tmp_path / "one")])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], largest - pixels.T.astype(int))


def test_hounsfield_units_are_not_inverted_however_they_are_displayed(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels, PhotometricInterpretation="MONOCHROME1"), tmp_path / "one")])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], pixels.T)


def test_only_the_bits_that_are_stored_count(tmp_path, pixels):
    said = {"PhotometricInterpretation": "MONOCHROME1", "Modality": "DX", "BitsStored": 12, "HighBit": 11}
    volume = read_dicom([save_dicom(dicom_image(pixels, **said), tmp_path / "one")])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], 4095 - pixels.T.astype(int))


def test_overlays_are_ignored(tmp_path, pixels):
    data = dicom_image(pixels)
    data.add_new(0x60000010, "US", pixels.shape[0])
    data.add_new(0x60000011, "US", pixels.shape[1])
    data.add_new(0x60000100, "US", 1)
    data.add_new(0x60003000, "OW", b"\xff" * (pixels.size // 8))
    np.testing.assert_array_equal(voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))[:, :, 0], pixels.T)


def test_a_lookup_table_is_applied(tmp_path):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "HU"
    table.add_new(0x00283006, "US", [100, 200, 400, 800])
    data = dicom_image(np.array([[0, 1], [2, 3]], np.uint16))
    data.ModalityLUTSequence = [table]
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[:, :, 0], [[100, 400], [200, 800]])


@pytest.mark.parametrize("scale", [{"RescaleSlope": "0"}, {"RescaleSlope": "1", "RescaleIntercept": "1e12"}])
def test_a_scale_that_is_none_is_refused(tmp_path, pixels, scale):
    volume = read_dicom([save_dicom(dicom_image(pixels, **scale), tmp_path / "one")])
    with pytest.raises(DataError, match="neither may be endless, the slope not zero"):
        voxels_of(volume)


def colour_image(pixels, **tags):
    data = dicom_image(pixels[..., 0], **tags)
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PixelData = np.ascontiguousarray(pixels).tobytes()
    return data


def test_colours_are_kept_and_equal_ones_are_grey(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (6, 10, 3)).astype(np.uint8)
    said = {"PhotometricInterpretation": "RGB", "Modality": "US"}
    voxels = voxels_of(read_dicom([save_dicom(colour_image(rgb, **said), tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[:, :, 0], rgb.swapaxes(0, 1))
    grey = np.repeat(rgb[..., :1], 3, axis=2)
    voxels = voxels_of(read_dicom([save_dicom(colour_image(grey, **said), tmp_path / "two")]))
    np.testing.assert_array_equal(voxels[:, :, 0], grey[..., 0].T)


def test_half_sampled_colours_are_shorter_than_their_pixels_and_read(tmp_path):
    data = dicom_image(np.zeros((4, 6), np.uint8), PhotometricInterpretation="YBR_FULL_422", Modality="US")
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PixelData = bytes([90, 90, 128, 128] * 12)
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels, np.full((6, 4, 1), 90))


def test_palettes_become_colours(tmp_path):
    data = dicom_image(np.array([[0, 1], [2, 0]], np.uint8), PhotometricInterpretation="PALETTE COLOR", Modality="US")
    for name, values in (("Red", [0, 255, 10, 7]), ("Green", [0, 0, 20, 7]), ("Blue", [0, 128, 30, 7])):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 8])
        setattr(data, f"{name}PaletteColorLookupTableData", bytes(values))
    voxels = voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))
    np.testing.assert_array_equal(voxels[1, 0, 0], (255, 0, 128))
    np.testing.assert_array_equal(voxels[0, 1, 0], (10, 20, 30))


# Codecs


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_packed_pixels_are_those_that_were_packed(tmp_path, syntax):
    pixels = np.random.default_rng(0).integers(0, 4000, (64, 48)).astype(np.uint16)
    data = dicom_image(pixels, **place_tags(LPS))
    try:
        data.compress(syntax)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"no encoder for {syntax.name} here: {error}")
    np.testing.assert_array_equal(voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))[:, :, 0], pixels.T)


@pytest.mark.parametrize(
    ("name", "syntax"), [("JPEG 2000", JPEG2000Lossless), ("JPEG-LS", JPEGLSLossless), ("JPEG Lossless", None)]
)
def test_a_missing_codec_says_which_extra_brings_it(tmp_path, pixels, monkeypatch, name, syntax):
    data = dicom_image(pixels)
    data.file_meta.TransferSyntaxUID = syntax or "1.2.840.10008.1.2.4.70"
    data.PixelData = pydicom.encaps.encapsulate([b"\xff" * 100])
    data["PixelData"].VR = "OB"
    file = save_dicom(data, tmp_path / "one")
    monkeypatch.setattr(dicom, "_can_decode", lambda _: False)
    with pytest.raises(DataError, match=rf'packed as {name}.*pip install "lesion-augmentor\[codecs\]"'):
        voxels_of(read_dicom([file]))


def test_pixels_that_are_cut_off_are_told(tmp_path, pixels):
    data = dicom_image(pixels)
    data.PixelData = data.PixelData[:100]
    with pytest.raises(DataError, match="promises 480 bytes of pixels, and 100 are there"):
        voxels_of(read_dicom([save_dicom(data, tmp_path / "one")]))


def test_an_image_without_pixels_is_told(tmp_path, pixels):
    volume = read_dicom([save_dicom(dicom_image(pixels, PixelData=None), tmp_path / "one")])
    with pytest.raises(DataError, match="one: has no pixels"):
        voxels_of(volume)


def test_a_report_is_no_image(tmp_path, pixels):
    report = dicom_image(pixels, Rows=None, Columns=None, PixelData=None)
    with pytest.raises(DataError, match="holds no DICOM images"):
        read_dicom([save_dicom(report, tmp_path / "one")])


def test_dicom_is_known_by_its_mark(tmp_path, pixels):
    save_dicom(dicom_image(pixels), tmp_path / "a" / "b")
    (tmp_path / "short").write_bytes(b"x")
    assert is_dicom(tmp_path / "a")
    assert is_dicom(tmp_path / "a" / "b")
    assert not is_dicom(tmp_path / "short")
    assert not is_dicom(tmp_path)


# Several frames


def test_frames_lie_where_their_groups_say(tmp_path, stored):
    volume = read_dicom([save_dicom(enhanced(stored, intercept=-1000), tmp_path / "many")])
    np.testing.assert_array_equal(voxels_of(volume), stored - 1000)
    np.testing.assert_array_equal(volume.sections(2, 4), stored[:, :, 2:4] - 1000)
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, atol=1e-6)


def test_each_frame_has_its_own_scale(tmp_path, stored):
    slopes = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    volume = read_dicom([save_dicom(enhanced(stored, slopes=slopes), tmp_path / "many")])
    np.testing.assert_allclose(voxels_of(volume), stored * np.array(slopes)[::-1])


def test_one_frame_with_groups_is_a_section_that_lies_somewhere(tmp_path, stored):
    volume = read_dicom([save_dicom(enhanced(stored[:, :, :1]), tmp_path / "many")])
    assert volume.grid.located
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, atol=1e-6)


def test_a_film_is_no_volume(tmp_path, stored):
    data = enhanced(stored)
    del data.PerFrameFunctionalGroupsSequence
    with pytest.raises(DataError, match="holds 6 frames that do not say where they lie"):
        read_dicom([save_dicom(data, tmp_path / "many")])


@pytest.mark.parametrize("lost", ["PlaneOrientationSequence", "spacing"])
def test_frames_without_turn_or_spacing_are_told(tmp_path, stored, lost):
    data = enhanced(stored)
    if lost == "spacing":
        del data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    else:
        for group in data.PerFrameFunctionalGroupsSequence:
            del group[lost]
    with pytest.raises(DataError, match="does not say how its frames are turned"):
        read_dicom([save_dicom(data, tmp_path / "many")])


def test_frames_at_several_angles_are_told(tmp_path, stored):
    data = enhanced(stored)
    data.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 0, 1]
    with pytest.raises(DataError, match="its frames lie at several angles"):
        read_dicom([save_dicom(data, tmp_path / "many")])


# Segmentations


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
    with pytest.raises(DataError, match=r"a DICOM SEG is read by highdicom.*lesion-augmentor\[dicom\]"):
        read_segmentation(file)


# Nothing is printed about odd headers


def test_odd_values_of_a_header_are_no_noise(tmp_path, pixels):
    file = save_dicom(dicom_image(pixels), tmp_path / "one")
    content = file.read_bytes().replace(b"pat-7\0", b"pa\xfc\xfe7\0")
    file.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_volume([file]).grid.shape == (20, 12, 1)
