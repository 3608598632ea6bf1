"""Lesion sets of a few small pictures, row by row."""

import nibabel
import numpy as np
from PIL import Image

from augmentor.data.lesions import make_lesions


def picture(seed=0, size=16):
    return np.random.default_rng(seed).integers(0, 256, (size, size)).astype(np.uint8)


def write(folder, *rows):
    """A lesion set from rows of (label, patient, array or None for a broken file, further columns)."""
    columns = {name: [] for name in ("path", "label", "patient", "split", "fold")}
    for number, (label, patient, array, *more) in enumerate(rows):
        file = folder / f"{number}.{'nii' if array is not None and array.dtype.kind == 'f' else 'png'}"
        if array is None:
            file.write_text("no image")
        elif file.suffix == ".nii":
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), file)
        else:
            Image.fromarray(array).save(file)
        values = {"path": str(file), "label": label, "patient": patient} | (more[0] if more else {})
        for name, column in columns.items():
            column.append(values.get(name, ""))
    return make_lesions(columns, folder)


def sound(label):
    """Rows of two patients, which a class needs at least."""
    return [(label, f"{label}{p}", picture(ord(label) * 10 + p)) for p in range(2)]
