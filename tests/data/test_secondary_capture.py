import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import SecondaryCaptureImageStorage

from augmentor.data import secondary_capture
from augmentor.data.images import read_image
from augmentor.data.secondary_capture import write_secondary_capture
from augmentor.errors import UsageError

pytest.importorskip("highdicom", reason="the extra `dicom` is not installed")

NOTE = "SYNTHETIC lesion by augmentor, checkpoint 0123456789ab, seed 7"
VOLUME = np.random.default_rng(0).integers(0, 4000, (1, 5, 12, 20)).astype(np.uint16)


def test_an_image_is_a_secondary_capture_that_says_it_is_synthetic(tmp_path):
    write_secondary_capture(VOLUME[:, 0], tmp_path / "lesion.dcm", (0.5, 0.75), NOTE, (2.0, -1024.0))
    file = pydicom.dcmread(tmp_path / "lesion.dcm")
    assert file.SOPClassUID == file.file_meta.MediaStorageSOPClassUID == SecondaryCaptureImageStorage
    assert list(file.ImageType) == ["DERIVED", "SECONDARY", "SYNTHETIC"]
    assert file.DerivationDescription == NOTE
    assert file.PatientID == "SYNTHETIC"
    assert list(file.PixelSpacing) == [0.5, 0.75]
    np.testing.assert_array_equal(file.pixel_array, VOLUME[0, 0])
    values = pydicom.pixels.apply_modality_lut(file.pixel_array, file)
    np.testing.assert_array_equal(values, VOLUME[0, 0].astype(float) * 2 - 1024)


@pytest.mark.parametrize("synthetic", [True, False])
def test_nobody_claims_that_no_text_is_burnt_in(tmp_path, synthetic):
    write_secondary_capture(VOLUME[:, 0], tmp_path / "lesion.dcm", None, NOTE, synthetic=synthetic)
    assert "BurnedInAnnotation" not in pydicom.dcmread(tmp_path / "lesion.dcm")


def test_a_volume_is_a_folder_of_sections_that_stack_to_its_geometry(tmp_path):
    write_secondary_capture(VOLUME, tmp_path / "lesion", (3.0, 0.5, 0.75), NOTE, (1.0, -1000.0))
    assert sorted(f.name for f in (tmp_path / "lesion").iterdir()) == [f"{i:04d}.dcm" for i in range(1, 6)]
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "lesion")))
    volume = reader.Execute()
    assert volume.GetSpacing() == pytest.approx((0.75, 0.5, 3.0))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(volume), VOLUME[0].astype(int) - 1000)


def test_columns_and_rows_run_as_in_the_nifti_form(tmp_path):
    write_secondary_capture(VOLUME[:, 0], tmp_path / "lesion.dcm", (0.5, 0.75), NOTE)
    write_secondary_capture(VOLUME, tmp_path / "lesion", (3.0, 0.5, 0.75), NOTE)
    for file, axes, ways in (
        (tmp_path / "lesion.dcm", ["L", "P"], [1, 0, 0, 0, 1, 0]),
        (tmp_path / "lesion" / "0001.dcm", ["R", "A"], [-1, 0, 0, 0, -1, 0]),
    ):
        data = pydicom.dcmread(file)
        assert list(data.PatientOrientation) == axes
        assert list(data.ImageOrientationPatient) == ways


def test_uids_are_one_lesions_own(tmp_path):
    for name, pixels, note in (
        ("one", VOLUME, NOTE),
        ("again", VOLUME, NOTE),
        ("other", VOLUME[:, ::-1], NOTE),
        ("seed", VOLUME, NOTE + "1"),
    ):
        write_secondary_capture(pixels, tmp_path / name, (3.0, 0.5, 0.75), note)
    files = {
        d: [pydicom.dcmread(f) for f in sorted((tmp_path / d).iterdir())] for d in ("one", "again", "other", "seed")
    }
    assert [f.read_bytes() for f in sorted((tmp_path / "one").iterdir())] == [
        f.read_bytes() for f in sorted((tmp_path / "again").iterdir())
    ]
    kept = [files[d] for d in ("one", "other", "seed")]
    for sections in kept:
        assert len({s.StudyInstanceUID for s in sections}) == len({s.SeriesInstanceUID for s in sections}) == 1
    instances = [s.SOPInstanceUID for sections in kept for s in sections]
    assert len(set(instances)) == len(instances)
    assert len({s[0].StudyInstanceUID for s in kept}) == 3
    assert all(uid.is_valid and len(uid) <= 64 for uid in instances)


def test_equal_pixels_at_two_places_of_a_set_are_two_objects(tmp_path):
    for name, place in (("one", "masks/a/1"), ("again", "masks/a/1"), ("other", "masks/a/2")):
        write_secondary_capture(VOLUME[:, 0], tmp_path / name, (0.5, 0.75), "mask", place=place)
    one, other = (pydicom.dcmread(tmp_path / name) for name in ("one", "other"))
    for uid in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert one[uid].value != other[uid].value
    assert (tmp_path / "one").read_bytes() == (tmp_path / "again").read_bytes()


def test_colour_is_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 20)).astype(np.uint8)
    write_secondary_capture(pixels, tmp_path / "lesion.dcm", None, NOTE)
    file = pydicom.dcmread(tmp_path / "lesion.dcm")
    assert file.PhotometricInterpretation == "RGB"
    np.testing.assert_array_equal(np.moveaxis(file.pixel_array, -1, 0), pixels)


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.int16), (1, np.float32), (3, np.uint16)])
def test_what_it_cannot_hold_is_refused(tmp_path, channels, dtype):
    with pytest.raises(UsageError, match="--format npy"):
        write_secondary_capture(np.zeros((channels, 8, 8), dtype), tmp_path / "lesion.dcm", None, NOTE)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    with pytest.raises(UsageError, match=r'"\.\[dicom\]" in .*, or choose --format nifti, png or npy\.$'):
        secondary_capture.write_secondary_capture(VOLUME, tmp_path / "lesion", None, NOTE)
    assert not list(tmp_path.iterdir())


def test_values_below_zero_come_back_as_the_short_numbers_they_were_where_their_bits_are_told(tmp_path):
    """Whatever a single lesion holds: the dtype of a set is one."""
    for name, stored in (("dark", 0), ("bright", 350)):
        pixels = np.full((1, 12, 20), stored, np.uint16)
        write_secondary_capture(pixels, tmp_path / f"{name}.dcm", None, "note", (1.0, -100.0), bits=9)
        found = read_image(str(tmp_path / f"{name}.dcm")).pixels
        assert found.dtype == np.int16
        assert (found == stored - 100).all()
