import nibabel
import numpy as np
import pytest

from augmentor.data.images import read_image, read_stored
from augmentor.data.squares import load_images, to_square
from tests.data.made import same, save_towards, texture
from tests.scan_sets import write_series


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "SAR", "PIR"])
def test_a_nifti_volume_is_turned_to_the_patients_axes(tmp_path, axes):
    array = texture("int16", shape=(5, 12, 20))[0]
    found = read_image(save_towards(tmp_path / "lesion.nii.gz", array, (0.8, 0.8, 0.8), axes))
    same(found.pixels, array.T[None])
    assert found.spacing_mm == pytest.approx((0.8,) * 3)


def test_a_dicom_volume_is_turned_to_the_patients_axes(tmp_path):
    array = texture("int16", shape=(5, 12, 20))[0]
    write_series(tmp_path / "lesion", array, np.diag([0.8, 0.8, 0.8, 1]))  # to the left, to the back, to the head
    same(read_image(str(tmp_path / "lesion")).pixels, array[::-1, ::-1].T[None])


def test_spacing_is_turned_with_the_axes(tmp_path):
    file = save_towards(tmp_path / "lesion.nii.gz", np.zeros((20, 12, 10), np.int16), (0.5, 0.75, 1.0), "SAR")
    assert read_stored(file).spacing_mm == (0.5, 0.75, 1.0)  # of the axes towards R, A and S
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 7, 8), np.int16), np.diag([-1.004, 1, 1, 1])), tmp_path / "b.nii")
    assert read_image(str(tmp_path / "b.nii")).spacing_mm == pytest.approx((1, 1, 1.004))


def test_a_volume_that_does_not_say_where_it_lies_stays_as_it_is(tmp_path):
    array = texture("int16", shape=(5, 12, 20))[0]
    nibabel.save(nibabel.Nifti1Image(array, None), tmp_path / "unsaid.nii")
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / "nowhere.nii")
    content = bytearray((tmp_path / "nowhere.nii").read_bytes())
    content[280:312] = bytes(32)  # srow_x and srow_y of a header that claims a place
    (tmp_path / "nowhere.nii").write_bytes(content)
    for name in ("unsaid.nii", "nowhere.nii"):
        same(read_image(str(tmp_path / name)).pixels, array.T[None])


def thick(shape=(40, 40, 8), spacing=(0.7, 0.7, 5.0)):
    """A ball of 8 mm in thick sections, (I, J, K) float32."""
    axes = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    return (100 * (sum(a**2 for a in axes) < 8**2)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("axes", ["RAS", "SAR"])
def test_thick_sections_become_cubes_before_they_are_squared(tmp_path, dtype, axes):
    from scipy import ndimage

    file = save_towards(tmp_path / "lesion.nii.gz", thick().astype(dtype), (0.7, 0.7, 5.0), axes)
    image = read_image(file)
    assert image.pixels.dtype == dtype
    assert image.pixels.shape == (1, 57, 40, 40)
    assert max(image.pixels.shape) * image.spacing_mm[0] == pytest.approx(40)
    assert image.spacing_mm == pytest.approx((0.7,) * 3, rel=0.01)
    same(image.pixels[:, 25, :, :], thick().astype(dtype)[None, :, :, 3].transpose(0, 2, 1))  # the centre of a section
    square = to_square(image.pixels, 57)[0]
    assert ndimage.label(square > 50)[1] == 1
    spans = [np.ptp(np.flatnonzero((square > 50).any(axis=tuple({0, 1, 2} - {a})))) * 0.7 for a in range(3)]
    assert spans == pytest.approx([20, 15, 15], abs=2)  # four sections of 5 mm


def test_a_header_of_absurd_sections_does_not_fill_the_memory(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 7, 8), np.int16), np.diag([1e-3, 1e-3, 50, 1])), tmp_path / "a.nii")
    assert max(read_image(str(tmp_path / "a.nii")).pixels.shape) == 512


def test_even_voxels_and_images_reach_the_network_as_they_are_stored(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape, affine in (
        ("cubes", (20, 24, 18), np.diag([0.8123, 0.8123, 0.8123, 1])),
        ("nowhere", (20, 24, 18), None),
        ("image", (20, 24), np.diag([-0.7, -1.9, 5, 1])),
    ):
        array = rng.normal(0, 100, shape).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / f"{name}.nii.gz")
        same(read_image(str(tmp_path / f"{name}.nii.gz")).pixels, array.T[None])
        seen, mapping = load_images([str(tmp_path / f"{name}.nii.gz")], 16)
        same(seen[0], mapping.to_network(to_square(array.T[None], 16)))
