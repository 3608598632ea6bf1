import nibabel
import numpy as np
import pytest
from scipy import ndimage

from augmentor.data.grids import Grid
from augmentor.data.placing import EmptyMaskError, place
from augmentor.errors import DataError
from tests.scan_sets import CT_AFFINE, ball

SHAPE = (20, 16, 10)
IMAGE = Grid(SHAPE, CT_AFFINE)


def full(placed, shape=SHAPE):
    """The placed mask as a whole array on the image's grid."""
    array = np.zeros(shape, placed.labels.dtype)
    array[tuple(slice(s, s + n) for s, n in zip(placed.start, placed.labels.shape, strict=True))] = placed.labels
    return array


def centre_of(mask, grid):
    return grid.world(np.argwhere(mask).mean(axis=0))


@pytest.fixture
def mask():
    return ball(SHAPE, (12, 5, 4), 4.5).astype(np.uint8) * 3


def test_a_mask_on_the_same_grid_stays_as_it_is(mask):
    placed = place(mask, IMAGE, IMAGE, "m.nii")
    np.testing.assert_array_equal(full(placed), mask)
    assert not placed.notes


@pytest.mark.parametrize("axes", ["RAS", "LAS", "RPS", "LPI", "SRA", "PSL"])
def test_a_mask_of_another_header_convention_is_turned_without_interpolation(mask, axes):
    stored = nibabel.Nifti1Image(mask, CT_AFFINE)
    turned = stored.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(CT_AFFINE), nibabel.orientations.axcodes2ornt(axes))
    )
    placed = place(np.asarray(turned.dataobj), Grid(turned.shape, turned.affine), IMAGE, "m.nii")
    np.testing.assert_array_equal(full(placed), mask)
    swapped = next(a for a in axes if a in "LR") == "R"
    assert any("left and right are swapped between the two headers" in n for n in placed.notes) is swapped
    assert bool(placed.notes) is swapped


def test_a_flipped_header_on_unflipped_voxels_is_followed_unless_by_voxel_is_said(mask):
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    theirs = Grid(SHAPE, CT_AFFINE @ flip)
    np.testing.assert_array_equal(full(place(mask, theirs, IMAGE, "m.nii")), mask[::-1])
    by_voxel = place(mask, theirs, IMAGE, "m.nii", by_voxel=True)
    np.testing.assert_array_equal(full(by_voxel), mask)
    assert not by_voxel.notes


def test_a_smaller_mask_of_the_same_voxels_is_laid_where_it_belongs(mask):
    shift = np.eye(4)
    shift[:3, 3] = (6, 0, 2)
    placed = place(mask[6:18, :12, 2:8], Grid((12, 12, 6), CT_AFFINE @ shift), IMAGE, "m.nii")
    np.testing.assert_array_equal(full(placed), mask)
    assert not placed.notes


def test_headers_that_differ_by_rounding_are_one_grid(mask):
    placed = place(mask, Grid(SHAPE, CT_AFFINE + np.array([[0, 0, 0, 0.01]] * 3 + [[0] * 4])), IMAGE, "m.nii")
    np.testing.assert_array_equal(full(placed), mask)
    assert not placed.notes


def test_a_mask_of_the_images_shape_some_whole_voxels_aside_is_told(mask):
    shift = np.eye(4)
    shift[1, 3] = 4
    placed = place(mask, Grid(SHAPE, CT_AFFINE @ shift), IMAGE, "m.nii")
    np.testing.assert_array_equal(full(placed)[:, 4:], mask[:, :-4])
    assert placed.notes == (
        "m.nii: is as large as its image, but its header puts it up to 4 voxels aside. It was laid where the "
        "header says; if it was drawn on the image's voxels, say --by-voxel.",
    )


def test_a_mask_on_another_grid_keeps_its_centre_in_the_world_within_half_a_voxel():
    turn = np.deg2rad(8)
    other = np.array(
        [
            [np.cos(turn), -np.sin(turn), 0, 60],
            [np.sin(turn), np.cos(turn), 0, 92],
            [0, 0, 1.5, -301],
            [0, 0, 0, 1],
        ]
    )
    theirs = Grid((40, 40, 20), other)
    point = IMAGE.world(np.array([9, 8, 5]))
    index = np.linalg.solve(other, np.append(point, 1))[:3]
    drawn = ball(theirs.shape, index, 6.0, theirs.spacing).astype(np.uint8)
    placed = place(drawn, theirs, IMAGE, "m.nii")
    moved = centre_of(full(placed), IMAGE) - centre_of(drawn, theirs)
    assert (np.abs(moved) < IMAGE.spacing / 2).all()
    volume = np.prod(IMAGE.spacing) * np.count_nonzero(placed.labels)
    assert volume == pytest.approx(np.prod(theirs.spacing) * drawn.sum(), rel=0.15)
    assert any("lies on another grid (40x40x20, RAS) than its image (20x16x10, LPS)" in n for n in placed.notes)


def test_the_same_shape_under_another_header_is_told_with_the_way_out(mask):
    moved = CT_AFFINE.copy()
    moved[0, 3] += 1.0
    placed = place(mask, Grid(SHAPE, moved), IMAGE, "m.nii")
    assert any("has the shape of its image (20x16x10), but its header puts it elsewhere" in n for n in placed.notes)
    assert any("--by-voxel" in n for n in placed.notes)


@pytest.mark.parametrize("met", [0, 49])
def test_a_spacing_that_is_a_hundredth_larger_over_fifty_voxels_is_another_grid(met):
    """Both grids share the corner that is `met`; at the other end they are half a voxel apart."""
    image = Grid((50, 50, 50), np.eye(4))
    larger = np.diag([1.01, 1.01, 1.01, 1.0])
    larger[:3, 3] = -0.01 * met
    drawn = ball(image.shape, (25, 25, 25), 6).astype(np.uint8)
    (note,) = place(drawn, Grid(image.shape, larger), image, "m.nii").notes
    assert "has the shape of its image (50x50x50), but its header puts it elsewhere" in note


def test_a_mask_that_leaves_the_image_is_cut_with_the_share_that_is_lost(mask):
    shift = np.eye(4)
    shift[0, 3] = 8  # the ball's columns 7..17 lie at 15..25, and the image ends at 19
    placed = place(mask, Grid(SHAPE, CT_AFFINE @ shift), IMAGE, "m.nii")
    lost = np.count_nonzero(mask[12:]) / np.count_nonzero(mask)
    assert placed.notes[0] == f"m.nii: leaves its image; {lost:.1%} of it was cut off at the border."
    np.testing.assert_array_equal(full(placed)[8:], mask[:12])


def test_a_resampled_mask_that_leaves_the_image_loses_the_share_that_lies_outside(mask):
    shift = np.eye(4)
    shift[0, 3] = 8.4
    placed = place(mask, Grid(SHAPE, CT_AFFINE @ shift), IMAGE, "m.nii")
    lost = np.count_nonzero(mask[12:]) / np.count_nonzero(mask)
    assert f"{lost:.1%} of it was cut off" in placed.notes[0]


@pytest.mark.parametrize("apart", [500.0, 0.4 + 500])
def test_a_mask_outside_of_its_image_is_refused(mask, apart):
    moved = CT_AFFINE.copy()
    moved[2, 3] += apart
    with pytest.raises(DataError, match=r"m\.nii: lies outside of its image, by the two headers.*--by-voxel"):
        place(mask, Grid(SHAPE, moved), IMAGE, "m.nii")


def test_lesions_smaller_than_the_images_voxels_are_missed_with_a_message():
    theirs = Grid((200, 160, 50), CT_AFFINE @ np.diag([0.1, 0.1, 0.2, 1]))
    drawn = np.zeros(theirs.shape, np.uint8)
    drawn[105, 55, 27] = 1  # half-way between the image's voxels
    with pytest.raises(DataError, match="smaller than the image's voxels, and fell between them"):
        place(drawn, theirs, IMAGE, "m.nii")
    drawn[20:60, 20:60, 10:20] = 1
    assert any("2 lesions on its own grid and 1 on the image's" in n for n in place(drawn, theirs, IMAGE, "m").notes)


def test_lesions_that_are_all_found_again_are_not_said_to_be_lost():
    fine = Grid((40, 32, 20), CT_AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))
    drawn = np.zeros(fine.shape, np.uint8)
    drawn[4:10, 4:10, 4:8] = drawn[24:30, 4:10, 4:8] = 1
    placed = place(drawn, fine, IMAGE, "m.nii")
    assert ndimage.label(placed.labels)[1] == 2
    assert placed.notes == (
        "m.nii: lies on another grid (40x32x20, LPS) than its image (20x16x10, LPS); it was resampled to the nearest "
        "voxel. Check on extracted.png that it meets the lesions.",
    )


def test_voxels_that_touch_at_a_corner_are_one_lesion():
    fine = Grid((40, 32, 20), CT_AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))
    drawn = np.zeros(fine.shape, np.uint8)
    drawn[4:11, 4:11, 4:11] = drawn[11, 11, 11] = 1  # a single voxel at the corner, which the image's voxels miss
    placed = place(drawn, fine, IMAGE, "m.nii")
    assert ndimage.label(placed.labels)[1] == 1
    assert not any("lesions on its own grid" in note for note in placed.notes)


def test_an_empty_mask_is_told():
    with pytest.raises(EmptyMaskError, match=r"m\.nii: is empty"):
        place(np.zeros(SHAPE, np.uint8), IMAGE, IMAGE, "m.nii")


def test_a_probability_is_no_mask(mask):
    with pytest.raises(DataError, match=r"holds 0\.75, and a mask holds whole numbers"):
        place(mask * 0.25, IMAGE, IMAGE, "m.nii")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("noise", [5.9e-8, -2.3e-10, 9e-4])
def test_a_mask_whose_numbers_a_scale_factor_has_moved_a_little_is_one(mask, dtype, noise):
    scaled = (mask * (1 + noise / 3) + noise * 0.9 * (mask == 0)).astype(dtype)
    np.testing.assert_array_equal(full(place(scaled, IMAGE, IMAGE, "m.nii")), mask)


def test_a_number_that_is_none_of_a_mask_is_shown_so_that_it_differs_from_a_whole_one(mask):
    with pytest.raises(DataError, match=r"holds 200\.00201, and a mask holds whole numbers"):
        place(mask / 3 * 200.00201, IMAGE, IMAGE, "m.nii")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_mask_of_greys_is_cut_at_half_and_doubted_with_their_number(dtype):
    """As a JPEG leaves it: a soft edge, and specks of a grey or two far from the lesion."""
    drawn = ball((40, 40, 1), (20, 20, 0), 8, (1, 1, 1))
    soft = ndimage.zoom(drawn[::2, ::2] * 250.0, (2, 2, 1), order=1, grid_mode=True, mode="nearest")
    soft = soft.round().astype(dtype)
    soft[1, 1], soft[38, 38] = 3, 2
    grid = Grid(soft.shape, np.eye(4))
    placed = place(soft, grid, grid, "m.jpg")
    np.testing.assert_array_equal(full(placed, soft.shape), np.where(soft > 125, 250, 0))
    assert np.count_nonzero(placed.labels) == pytest.approx(drawn.sum(), rel=0.05)
    (note,) = placed.notes
    assert note.startswith(f"m.jpg: holds {len(np.unique(soft)) - 1} grey values, as a JPEG or a mask with smoothed")


def test_a_map_of_many_labels_keeps_them():
    labels = np.repeat(np.repeat(np.arange(1, 31).reshape(5, 6), 4, axis=0), 4, axis=1)[..., None].astype(np.uint8)
    grid = Grid((40, 48, 1), np.eye(4))
    drawn = np.zeros(grid.shape, np.uint8)
    drawn[2:22, 3:27] = labels
    placed = place(drawn, grid, grid, "m.png")
    np.testing.assert_array_equal(full(placed, grid.shape), drawn)
    assert not placed.notes


def test_numbers_beyond_any_label_are_no_mask(mask):
    with pytest.raises(DataError, match="a mask holds whole numbers"):
        place(mask * 1e20, IMAGE, IMAGE, "m.nii")


def test_a_mask_that_is_lesion_almost_everywhere_is_doubted():
    drawn = np.ones(SHAPE, np.uint8)
    assert any("is lesion in 100% of its voxels" in n for n in place(drawn, IMAGE, IMAGE, "m.nii").notes)


def test_without_headers_that_lie_in_space_voxels_are_matched(mask):
    nowhere = Grid(SHAPE, np.eye(4), located=False)
    placed = place(mask, nowhere, IMAGE, "m.png")
    np.testing.assert_array_equal(full(placed), mask)
    assert any("only one of image and mask says where it lies" in n for n in placed.notes)
    assert not place(mask, nowhere, nowhere, "m.png").notes


@pytest.mark.parametrize("by_voxel", [False, True])
def test_without_headers_both_need_one_shape(mask, by_voxel):
    theirs = Grid((19, 16, 10), CT_AFFINE, located=by_voxel)
    with pytest.raises(DataError, match=r"m\.png: is 19x16x10 and its image 20x16x10"):
        place(mask[1:], theirs, IMAGE, "m.png", by_voxel)
