"""Images of noise, and files of them, for the tests of the data folder."""

import nibabel
import numpy as np
from PIL import Image

RANGES = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-1024, 3071), "int32": (-(2**31), 2**31 - 1)}


def texture(dtype, channels=1, shape=(12, 20)):
    """(C, H, W) noise over the whole range of an integer dtype (int16: Hounsfield units), or around -3 in floats."""
    rng = np.random.default_rng(0)
    if dtype not in RANGES:
        return rng.normal(-3, 40, (channels, *shape)).astype(dtype)
    low, high = RANGES[dtype]
    pixels = rng.integers(low, high, (channels, *shape), endpoint=True).astype(dtype)
    pixels.flat[:2] = low, high
    return pixels


def save_picture(file, pixels):
    Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(file)


def save_nifti(file, array, zooms=None):
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*(zooms or (1, 1, 1)), 1])), file)


def same(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def save_towards(file, array, spacing, axes):
    """A NIfTI volume of (I, J, K) voxels that lie towards R, A, S, stored with axes that count towards `axes`."""
    image = nibabel.Nifti1Image(array, np.diag([*spacing, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    nibabel.save(image.as_reoriented(turn), file)
    return str(file)
