import gzip

import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.data import extras
from augmentor.errors import DataError
from augmentor.extraction.volumes import is_scan, read_mask, read_volume
from tests.scan_sets import CT_AFFINE, dicom_image, save_dicom, voxels_of, write_nifti, write_series


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(-1000, 1000, (9, 8, 7)).astype(np.int16)


# NIfTI


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII"])
def test_nifti_is_read_with_its_geometry(tmp_path, array, suffix):
    volume = read_volume([write_nifti(tmp_path / f"ct{suffix}", array)])
    np.testing.assert_array_equal(voxels_of(volume), array)
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, atol=1e-5)
    assert volume.grid.located
    assert not volume.notes


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_every_usual_dtype_is_read(tmp_path, array, dtype):
    stored = np.abs(array).astype(dtype)
    np.testing.assert_array_equal(voxels_of(read_volume([write_nifti(tmp_path / "ct.nii.gz", stored)])), stored)


def test_slope_and_intercept_of_a_nifti_are_applied(tmp_path, array):
    image = nibabel.Nifti1Image(array, CT_AFFINE)
    image.header.set_slope_inter(0.5, -24)
    nibabel.save(image, tmp_path / "ct.nii.gz")
    stored = np.asarray(nibabel.load(tmp_path / "ct.nii.gz").dataobj)
    np.testing.assert_allclose(voxels_of(read_volume([tmp_path / "ct.nii.gz"])), stored)


def test_some_sections_are_those_of_the_whole(tmp_path, array):
    volume = read_volume([write_nifti(tmp_path / "ct.nii.gz", array)])
    np.testing.assert_array_equal(volume.sections(2, 5), array[:, :, 2:5])


@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 1), (9, 8, 7, 1), (9, 8, 7, 1, 1)])
def test_axes_of_one_count_as_none(tmp_path, shape):
    stored = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
    volume = read_volume([write_nifti(tmp_path / "ct.nii", stored)])
    assert volume.grid.shape == (*shape, 1)[:3]
    np.testing.assert_array_equal(voxels_of(volume).ravel(), stored.ravel())


def test_several_volumes_in_one_file_are_refused(tmp_path):
    file = write_nifti(tmp_path / "dti.nii", np.zeros((4, 4, 4, 3), np.int16))
    with pytest.raises(DataError, match=r"dti\.nii: has 4 dimensions \(4x4x4x3\): several scans in one file"):
        read_volume([file])


@pytest.mark.parametrize("dtype", ["complex64", [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_values_that_are_no_intensities_are_refused(tmp_path, dtype):
    with pytest.raises(DataError, match="a scan holds integers or real numbers"):
        read_volume([write_nifti(tmp_path / "ct.nii", np.zeros((4, 4, 4), dtype))])


@pytest.mark.parametrize(("unit", "factor"), [("meter", 0.001), ("micron", 1000.0), ("mm", 1.0), ("unknown", 1.0)])
def test_a_grid_is_in_millimetres_whatever_the_headers_unit(tmp_path, array, unit, factor):
    affine = np.diag([factor] * 3 + [1]) @ CT_AFFINE
    volume = read_volume([write_nifti(tmp_path / "ct.nii", array, affine, unit)])
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, rtol=1e-5)
    assert not volume.notes


def test_a_header_without_orientation_is_not_located(tmp_path, array):
    image = nibabel.Nifti1Image(array, None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "ct.nii")
    assert not read_volume([tmp_path / "ct.nii"]).grid.located


def test_two_orientations_that_disagree_on_left_and_right_are_told(tmp_path, array):
    image = nibabel.Nifti1Image(array, CT_AFFINE)
    image.set_qform(CT_AFFINE @ np.diag([-1, 1, 1, 1]), code=1)
    image.set_sform(CT_AFFINE, code=1)
    nibabel.save(image, tmp_path / "ct.nii")
    (note,) = read_volume([tmp_path / "ct.nii"]).notes
    assert "sform says LPS, qform says RPS (left and right are swapped)" in note


def test_odd_voxels_are_told(tmp_path, array):
    (note,) = read_volume([write_nifti(tmp_path / "ct.nii", array, np.diag([0.5, 0.5, 8, 1]))]).notes
    assert "16 times longer than wide" in note


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_promises_more_than_the_file_holds_is_refused_before_it_is_read(tmp_path, array, suffix):
    file = write_nifti(tmp_path / "ct.nii", array)
    content = bytearray(file.read_bytes())
    content[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(gzip.compress(bytes(content)) if suffix == ".nii.gz" else bytes(content))
    with pytest.raises(DataError, match=r"promises 54,000,000,000,000 bytes of voxels, and the file can hold"):
        read_volume([file])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("at", "number", "told"),
    [
        (42, 5, "bytes longer than its header says"),  # columns
        (72, 8, "its header is damaged (bitpix does not match datatype)"),
        (252, 99, "its header is damaged (qform_code 99 not valid)"),
    ],
)
def test_a_damaged_header_is_told(tmp_path, array, suffix, at, number, told):
    content = bytearray(write_nifti(tmp_path / "ct.nii", array).read_bytes())
    content[at : at + 2] = np.array(number, "<i2").tobytes()
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(gzip.compress(bytes(content)) if suffix == ".nii.gz" else bytes(content))
    assert any(told in note for note in read_volume([file]).notes)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_begin_later_than_they_should_are_told(tmp_path, array, suffix):
    content = bytearray(write_nifti(tmp_path / "ct.nii", array).read_bytes())
    content[108:112] = np.float32(368).tobytes()
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(gzip.compress(bytes(content)) if suffix == ".nii.gz" else bytes(content))
    with pytest.raises(DataError, match="It is cut off or broken"):
        read_volume([file])


@pytest.mark.parametrize("empty_last", [True, False])
def test_a_gzip_of_several_parts_is_read(tmp_path, array, empty_last):
    content = write_nifti(tmp_path / "ct.nii", array).read_bytes()
    parts = [gzip.compress(part) for part in (content[:500], content[500:], *([b""] if empty_last else []))]
    (tmp_path / "parts.nii.gz").write_bytes(b"".join(parts))
    volume = read_volume([tmp_path / "parts.nii.gz"])
    np.testing.assert_array_equal(voxels_of(volume), array)
    assert not volume.notes


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x1f\x8b", gzip.compress(b"text", mtime=0)]
)  # one name in all workers
def test_a_file_that_is_no_nifti_is_refused_by_name(tmp_path, content):
    (tmp_path / "ct.nii.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"ct\.nii\.gz: can't be read as a scan"):
        read_volume([tmp_path / "ct.nii.gz"])


def test_a_file_that_is_cut_off_is_refused_when_it_is_read(tmp_path):
    noise = np.random.default_rng(0).integers(-999, 999, (40, 40, 20)).astype(np.int16)
    whole = write_nifti(tmp_path / "whole.nii.gz", noise).read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"ct\.nii\.gz: .*(is cut off|cut off or broken)"):
        voxels_of(read_volume([tmp_path / "ct.nii.gz"]))


@pytest.mark.parametrize("said", [0, 1000, 400_000_000, 2**32 - 1])
def test_a_file_that_is_cut_off_is_told_as_such_whatever_its_last_bytes_say(tmp_path, said):
    noise = np.random.default_rng(0).integers(-999, 999, (40, 40, 20)).astype(np.int16)
    whole = write_nifti(tmp_path / "whole.nii.gz", noise).read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(whole[: len(whole) // 2] + said.to_bytes(4, "little"))
    with pytest.raises(DataError, match=r"ct\.nii\.gz: .*It is cut off or broken: copy it again"):
        read_volume([tmp_path / "ct.nii.gz"])


def test_bytes_beyond_the_voxels_are_counted(tmp_path, array):
    content = write_nifti(tmp_path / "ct.nii", array).read_bytes() + b"\0" * 70
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    (note,) = read_volume([tmp_path / "ct.nii.gz"]).notes
    assert "is 70 bytes longer than its header says" in note


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.nii: no such file or folder"):
        read_volume([tmp_path / "nowhere.nii"])


# NRRD and MHA


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_itks_formats_have_the_same_geometry_as_nifti(tmp_path, array, suffix):
    itk = pytest.importorskip("SimpleITK")
    nifti = write_nifti(tmp_path / "ct.nii", array)
    itk.WriteImage(itk.ReadImage(str(nifti)), str(tmp_path / f"ct{suffix}"))
    volume = read_volume([tmp_path / f"ct{suffix}"])
    np.testing.assert_array_equal(voxels_of(volume), array)
    np.testing.assert_allclose(volume.grid.affine, CT_AFFINE, atol=1e-4)


def test_without_the_library_the_message_says_which_extra_brings_it(tmp_path, monkeypatch):
    (tmp_path / "ct.nrrd").write_bytes(b"NRRD0004\n")

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(DataError, match=r"ct\.nrrd: NRRD and MHA are read by SimpleITK.* constraints\.txt .\.\[itk\]"):
        read_volume([tmp_path / "ct.nrrd"])


def test_a_broken_nrrd_is_refused_by_name(tmp_path):
    pytest.importorskip("SimpleITK")
    (tmp_path / "ct.nrrd").write_bytes(b"NRRD0004\ntype: short\n")
    with pytest.raises(DataError, match=r"ct\.nrrd: can't be read as a scan"):
        read_volume([tmp_path / "ct.nrrd"])


def test_an_nrrd_that_promises_what_it_can_not_hold_is_refused(tmp_path):
    pytest.importorskip("SimpleITK")
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 9000 9000 9000\nendian: little\nencoding: raw\n\n"
    (tmp_path / "ct.nrrd").write_bytes(header.encode() + b"\0" * 100)
    with pytest.raises(DataError, match="promises 729,000,000,000 voxels, which the file can't hold"):
        read_volume([tmp_path / "ct.nrrd"])


@pytest.fixture
def even():
    """Voxels of which no header alone could hold as many, however packed."""
    return np.arange(80 * 90 * 100, dtype="<i2").reshape(80, 90, 100, order="F")


NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 80 90 100\nendian: little\nencoding: raw\n"
SECTIONS = [f"s{n}.raw" for n in range(100)]
META = "ObjectType = Image\nNDims = 3\nDimSize = 80 90 100\nElementType = MET_SHORT\n"


@pytest.mark.parametrize(
    ("name", "header", "files"),
    [
        ("ct.nhdr", NRRD + "data file: voxels_0001.raw\n", ["voxels_0001.raw"]),
        ("ct.nhdr", NRRD + "datafile: raw/größe.raw\r\n", ["raw/größe.raw"]),
        ("ct.nhdr", NRRD + "data file: s%d.raw 1 2 1 3\n", ["s1.raw", "s2.raw"]),
        ("ct.nhdr", NRRD + "data file: LIST 3\nin/a.raw\nin/b.raw\n", ["in/a.raw", "in/b.raw"]),
        ("ct.mhd", META + "ElementDataFile = volume.raw\n", ["volume.raw"]),
        ("ct[1].mhd", META + "ElementDataFile = ct[1].raw\n", ["ct[1].raw"]),
        ("ct.mhd", META + "ElementDataFile = LIST\n" + "\n".join([*SECTIONS, ""]), SECTIONS),
    ],
)
def test_voxels_in_files_of_any_name_beside_their_header_are_read(tmp_path, even, name, header, files):
    pytest.importorskip("SimpleITK")
    for part, file in zip(np.array_split(even, len(files), axis=2), files, strict=True):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(part.tobytes(order="F"))
    (tmp_path / name).write_text(header)
    np.testing.assert_array_equal(voxels_of(read_volume([tmp_path / name])), even)


@pytest.mark.parametrize(
    ("name", "header", "named"),
    [("ct.nhdr", NRRD, "data file: lost.raw\n"), ("ct.mhd", META, "ElementDataFile = lost.raw\n")],
)
def test_a_detached_header_without_its_voxels_is_told(tmp_path, name, header, named):
    pytest.importorskip("SimpleITK")
    (tmp_path / name).write_text(header + named)
    with pytest.raises(DataError, match=r"its voxels lie in lost\.raw, which is not there"):
        read_volume([tmp_path / name])
    (tmp_path / "lost.raw").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="promises 720,000 voxels, which the file can't hold"):
        read_volume([tmp_path / name])


def test_a_vector_image_is_refused(tmp_path):
    itk = pytest.importorskip("SimpleITK")
    itk.WriteImage(itk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.float32), isVector=True), str(tmp_path / "v.mha"))
    with pytest.raises(DataError, match="holds 3 values a voxel"):
        read_volume([tmp_path / "v.mha"])


# Pictures


def test_a_picture_lies_nowhere_and_counts_pixels(tmp_path):
    pixels = np.arange(60, dtype=np.uint8).reshape(6, 10)
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    volume = read_volume([tmp_path / "slice.png"])
    np.testing.assert_array_equal(voxels_of(volume)[:, :, 0], pixels.T)
    assert (volume.kind, volume.grid.in_mm, volume.grid.located) == ("picture", False, False)


def test_a_table_may_say_how_large_a_pictures_pixels_are(tmp_path):
    Image.fromarray(np.zeros((6, 10), np.uint8)).save(tmp_path / "slice.png")
    grid = read_volume([tmp_path / "slice.png"], (0.5, 0.75)).grid
    assert grid.in_mm
    np.testing.assert_allclose(grid.spacing[:2], (0.5, 0.75))


def test_equal_colours_are_grey_and_others_stay(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (6, 10, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "colour.png")
    Image.fromarray(np.repeat(pixels[..., :1], 3, axis=2)).save(tmp_path / "grey.png")
    assert voxels_of(read_volume([tmp_path / "colour.png"])).shape == (10, 6, 1, 3)
    assert voxels_of(read_volume([tmp_path / "grey.png"])).shape == (10, 6, 1)


# Masks


def test_a_mask_is_whole(tmp_path, array):
    voxels, grid, notes = read_mask([write_nifti(tmp_path / "m.nii.gz", (array > 900).astype(np.uint8))])
    np.testing.assert_array_equal(voxels, array > 900)
    assert grid.shape == array.shape
    assert not notes


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_mask_of_values_that_are_no_numbers_is_refused(tmp_path, bad):
    with pytest.raises(DataError, match=r"m\.nii: holds NaN or infinite values"):
        read_mask([write_nifti(tmp_path / "m.nii", np.full((4, 4, 4), bad, np.float32))])


def test_a_mask_in_colour_is_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 6, 3)).astype(np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match=r"m\.png: is in colour"):
        read_mask([tmp_path / "m.png"])


def test_a_mask_of_booleans_is_read(tmp_path):
    drawn = np.random.default_rng(0).random((6, 9)) > 0.5
    np.save(tmp_path / "m.npy", drawn)
    voxels, _, _ = read_mask([tmp_path / "m.npy"])
    np.testing.assert_array_equal(voxels[:, :, 0] > 0, drawn.T)


def test_a_dicom_series_may_be_a_mask(tmp_path):
    labels = np.zeros((8, 9, 5), np.uint16)
    labels[2:5, 3:6, 1:4] = 2
    files = write_series(tmp_path / "labels", labels)
    np.testing.assert_array_equal(read_mask([tmp_path / "labels"])[0], labels)
    np.testing.assert_array_equal(read_mask(files)[0], labels)


# What is a scan


def test_scans_are_known_by_suffix_and_dicom_by_its_mark(tmp_path):
    save_dicom(dicom_image(np.zeros((4, 4), np.int16)), tmp_path / "series" / "IM0")
    (tmp_path / "notes.txt").write_text("x" * 200)
    assert all(is_scan(tmp_path / n) for n in ("a.nii", "a.NII.GZ", "a.nrrd", "a.mha", "a.png", "series", "series/IM0"))
    assert not any(is_scan(tmp_path / n) for n in ("notes.txt", "nowhere", "cyst"))
