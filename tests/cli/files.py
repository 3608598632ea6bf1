"""Files that commands are given, and what lies in a folder."""

import nibabel
import numpy as np
from PIL import Image


def save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".nii":
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), file)
    else:
        Image.fromarray(array).save(file)


def noise(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


def contents(folder):
    return {f.relative_to(folder): f.read_bytes() if f.is_file() else None for f in folder.rglob("*")}
