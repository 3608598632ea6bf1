import nibabel
import numpy as np
import pytest

from augmentor.data.grids import Grid, check_grid, nifti_doubts, whole
from augmentor.errors import DataError
from tests.scan_sets import CT_AFFINE

SHAPE = (20, 16, 10)
IMAGE = Grid(SHAPE, CT_AFFINE)


def test_a_grid_knows_its_spacing_and_axes():
    np.testing.assert_allclose(IMAGE.spacing, (0.8, 0.8, 2.5))
    assert IMAGE.axes == "LPS"
    assert IMAGE.anisotropy == pytest.approx(3.125)
    np.testing.assert_allclose(IMAGE.world(np.array([1, 2, 3])), (89.2, 118.4, -292.5))


@pytest.mark.parametrize(
    ("spacing", "shape", "axis"),
    [
        ((1, 1, 5), (9, 9, 9), 2),
        ((4, 1, 1), (9, 9, 9), 0),
        ((1, 1, 1), (9, 9, 9), 2),  # isotropic: across the body's long axis
        ((1, 1, 1), (9, 9, 1), 2),
        ((1, 1, 1), (1, 9, 9), 0),
    ],
)
def test_sections_run_across_the_thickest_axis(spacing, shape, axis):
    assert Grid(shape, np.diag([*spacing, 1.0])).section_axis == axis


def test_isotropic_voxels_are_cut_across_the_body_whatever_the_order_of_axes():
    to_feet_first = np.array([[0, 1.0, 0, 0], [0, 0, 1.0, 0], [-1.0, 0, 0, 0], [0, 0, 0, 1]])
    assert Grid((9, 9, 9), to_feet_first).section_axis == 0


def test_one_section_has_no_anisotropy():
    assert Grid((9, 9, 1), np.diag([1, 1, 50.0, 1])).anisotropy == 1


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, 0.0, 1e9])
def test_a_grid_that_lies_nowhere_is_refused(spoiled):
    affine = CT_AFFINE.copy()
    affine[0, 0] = spoiled
    with pytest.raises(DataError, match=r"ct\.nii: its header puts the voxels nowhere .* Repair the header"):
        check_grid(Grid(SHAPE, affine), "ct.nii")


def test_anisotropy_over_ten_is_doubted_with_the_voxel():
    (doubt,) = check_grid(Grid(SHAPE, np.diag([0.5, 0.5, 6.0, 1])), "ct.nii")
    assert "voxels are 0.5 x 0.5 x 6 mm, 12 times longer than wide (over 10)" in doubt
    assert not check_grid(Grid(SHAPE, np.diag([0.5, 0.5, 5.0, 1])), "ct.nii")


@pytest.mark.parametrize("spacing", [0.002, 400])
def test_voxels_that_no_scanner_makes_are_doubted(spacing):
    (doubt,) = check_grid(Grid(SHAPE, np.diag([spacing, spacing, spacing, 1])), "ct.nii")
    assert "which no scanner makes" in doubt


def test_sections_of_an_array_are_a_part_of_it():
    array = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(whole(array)(1, 3), array[:, :, 1:3])


def header_of_two(sform, qform, pixdim=None):
    header = nibabel.Nifti1Image(np.zeros((5, 6, 7), np.int16), None).header
    header.set_qform(qform, code=1)
    header.set_sform(sform, code=1)
    if pixdim is not None:
        header["pixdim"][1:4] = pixdim
    header.set_xyzt_units("mm")
    return header


def shifted(affine, mm):
    moved = affine.copy()
    moved[0, 3] += mm
    return moved


@pytest.mark.parametrize(
    ("qform", "pixdim", "told"),
    [
        (CT_AFFINE @ np.diag([1.02, 1, 1, 1]), None, "0.8 x 0.8 x 2.5 mm by sform, 0.816 x 0.8 x 2.5 mm by pixdim"),
        (CT_AFFINE, (0.8, 0.8, 3), "0.8 x 0.8 x 2.5 mm by sform, 0.8 x 0.8 x 3 mm by pixdim"),
        (shifted(CT_AFFINE, 0.1), None, "the first voxel lies at [90.0, 120.0, -300.0] mm by sform, at [90.1, "),
        (CT_AFFINE @ np.diag([-1, 1, 1, 1]), None, "qform says RPS (left and right are swapped)"),
        (CT_AFFINE @ np.diag([1.005, 1, 1, 1]), None, None),
        (shifted(CT_AFFINE, 0.05), None, None),
        (CT_AFFINE, None, None),
    ],
)
def test_two_accounts_of_one_header_that_disagree_are_doubted(qform, pixdim, told):
    doubts = nifti_doubts(header_of_two(CT_AFFINE, qform, pixdim), "ct.nii")
    assert len(doubts) == (told is not None)
    assert all(told in doubt and "sform was taken" in doubt for doubt in doubts)


def test_a_spacing_is_compared_where_there_is_no_qform_and_no_place_is():
    header = header_of_two(CT_AFFINE, shifted(CT_AFFINE, 40))
    header["qform_code"] = 0
    assert not nifti_doubts(header, "ct.nii")
    header["pixdim"][1] = 2
    (doubt,) = nifti_doubts(header, "ct.nii")
    assert "2 x 0.8 x 2.5 mm by pixdim" in doubt


def test_an_axis_of_one_voxel_has_no_spacing_to_disagree_on():
    header = header_of_two(CT_AFFINE, CT_AFFINE, (0.8, 0.8, 9))
    header.set_data_shape((5, 6, 1))
    assert not nifti_doubts(header, "ct.nii")


def test_a_qform_that_can_not_be_read_is_doubted_and_sform_taken():
    header = header_of_two(CT_AFFINE, CT_AFFINE)
    header["quatern_b"] = 5
    (doubt,) = nifti_doubts(header, "ct.nii")
    assert "qform can't be read" in doubt
