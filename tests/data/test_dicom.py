import warnings

import numpy as np
import pydicom
import pytest

from augmentor.data.dicom import is_dicom, read_dicom
from augmentor.errors import DataError
from augmentor.extraction.volumes import read_volume
from tests.scan_sets import (
    CT_AFFINE,
    LPS_TO_RAS,
    dicom_image,
    enhanced,
    place_tags,
    save_dicom,
    voxels_of,
    write_series,
)

LPS = LPS_TO_RAS @ CT_AFFINE


def test_a_series_is_sorted_by_place_and_given_in_hounsfield_units(tmp_path, stored):
    write_series(tmp_path / "ct", stored, slope=2, intercept=-1024)
    volume = read_dicom([tmp_path / "ct"])
    np.testing.assert_array_equal(voxels_of(volume), stored * 2.0 - 1024)
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, atol=1e-6)
    assert volume.patient == "pat-7"
    assert not volume.notes


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


def test_odd_values_of_a_header_are_no_noise(tmp_path, pixels):
    file = save_dicom(dicom_image(pixels), tmp_path / "one")
    content = file.read_bytes().replace(b"pat-7\0", b"pa\xfc\xfe7\0")
    file.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_volume([file]).grid.shape == (20, 12, 1)


@pytest.mark.parametrize("located", [False, True])
def test_a_table_may_say_how_large_an_images_pixels_are_where_its_header_does_not(tmp_path, pixels, located):
    tags = place_tags(LPS) if located else {}
    tags.pop("PixelSpacing", None)
    volume = read_volume([save_dicom(dicom_image(pixels, **tags), tmp_path / "one")], (0.2, 0.3))
    assert volume.grid.in_mm
    np.testing.assert_allclose(volume.grid.spacing[:2], (0.2, 0.3))
    assert not volume.notes


@pytest.mark.parametrize(("table", "doubted"), [((0.1, 0.15), False), ((0.2, 0.2), True)])
def test_a_table_knows_better_than_the_detector_unless_it_says_more(tmp_path, pixels, table, doubted):
    volume = read_dicom([save_dicom(dicom_image(pixels, ImagerPixelSpacing=[0.2, 0.1]), tmp_path / "one")], table)
    np.testing.assert_allclose(volume.grid.spacing[:2], table)
    assert len(volume.notes) == doubted
    assert all("0.1 x 0.2 on the detector; in the body they are smaller. The table's was" in n for n in volume.notes)


@pytest.mark.parametrize("kind", ["one", "series", "frames"])
@pytest.mark.parametrize(("table", "doubted"), [((0.8, 0.804), False), ((0.8, 0.82), True), ((1.6, 0.8), True)])
def test_a_header_goes_before_a_table_that_says_another_spacing(tmp_path, stored, kind, table, doubted):
    if kind == "series":
        write_series(tmp_path / "ct", stored)
    else:
        one = dicom_image(stored[:, :, 0].T, **place_tags(LPS)) if kind == "one" else enhanced(stored)
        save_dicom(one, tmp_path / "ct" / "a")
    volume = read_dicom([tmp_path / "ct"], table)
    np.testing.assert_allclose(volume.grid.spacing, (0.8, 0.8, 2.5))
    assert len(volume.notes) == doubted
    assert all("pixels of 0.8 x 0.8 mm" in note and "The header's was taken" in note for note in volume.notes)


@pytest.mark.parametrize(("frame", "told"), [(5, r"0\.8 x 0\.8, 1\.6 x 1\.6 mm"), (0, "several sizes"), (None, None)])
def test_frames_with_pixels_of_several_sizes_are_told(tmp_path, stored, frame, told):
    data = enhanced(stored)
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        measures = pydicom.Dataset()
        measures.PixelSpacing, measures.SliceThickness = ([1.6, 1.6] if number == frame else [0.8, 0.8]), 2.5
        group.PixelMeasuresSequence = [measures]
    del data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    file = save_dicom(data, tmp_path / "many")
    if told is None:
        np.testing.assert_allclose(read_dicom([file]).grid.affine, CT_AFFINE, atol=1e-6)
    else:
        with pytest.raises(DataError, match=told):
            read_dicom([file])
