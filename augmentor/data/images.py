"""One image or volume file -> one array with its geometry."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import ExifTags, Image

from augmentor.data.dicom import is_dicom, read_dicom
from augmentor.data.formats import NIFTI_SUFFIXES, names_dicom
from augmentor.data.grids import Grid, is_somewhere, mm_of, nifti_doubts, nifti_grid
from augmentor.data.lesion_image import LesionImage
from augmentor.data.upright import set_upright
from augmentor.errors import DataError
from augmentor.files import exists

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF's orientation
_NPZ_ROW = re.compile(r"^(?P<file>.*\.npz)#(?P<array>\w+)/(?P<index>\d+)$", re.IGNORECASE)


def read_image(path: str) -> LesionImage:
    """Read one lesion image or volume, a volume as `set_upright` turns it. Raises DataError, as `read_stored` does."""
    return set_upright(read_stored(path))


def file_of(path: str) -> Path:
    """The file, or the folder with a DICOM series, that holds a lesion's image."""
    row = _NPZ_ROW.match(path)
    return Path(row["file"] if row else path)


def read_stored(path: str) -> LesionImage:
    """Read one lesion image or volume, its axes and voxels as the file has them.

    Raises DataError, naming the file, if it is missing, is no image, is truncated, has more than three spatial
    dimensions, no pixels, values that are no plain numbers, or NaN or infinite ones.
    """
    row = _NPZ_ROW.match(path)
    if not row and not exists(Path(path)):
        raise DataError(f"{path}: no such file. Correct the path in the table, or leave the row out.")
    if not row and not Path(path).is_file() and not Path(path).is_dir():  # a pipe, which is waited for without end
        raise DataError(f"{path}: is no file. Correct the path in the table, or leave the row out.")
    try:
        image = _read_npz_row(row) if row else _read_file(path)
    except DataError as error:
        raise error.about(path) from error
    except Exception as error:  # every decoder has its own exceptions
        raise DataError(
            f"{path}: can't be read as an image ({type(error).__name__}: {error}). "
            "Replace the file or leave it out; `augmentor check` lists all such files."
        ) from error
    return replace(image, pixels=_plain_numbers(image.pixels, path))


def _plain_numbers(pixels: np.ndarray, path: str) -> np.ndarray:
    """The pixels in native byte order, booleans as a picture of one bit: 0 and 255.

    Raises DataError where they can't be intensities.
    """
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    if pixels.dtype.kind not in "iuf" or not pixels.size:
        raise DataError(
            f"{path}: holds {pixels.dtype} values of shape {pixels.shape}; intensities are integers or real numbers, "
            "at least one. Convert it or leave it out."
        )
    bad = pixels.size - int(np.isfinite(pixels).sum())
    if bad:
        raise DataError(
            f"{path}: {bad} pixels are NaN or infinite; intensities must be finite. Repair or leave it out."
        )
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _read_file(path: str) -> LesionImage:
    lower = path.lower()
    if lower.endswith(NIFTI_SUFFIXES):
        return _read_nifti(path)
    if lower.endswith(".npy"):
        return LesionImage(_channels_first(np.load(path, allow_pickle=False), path))
    if names_dicom(Path(path)) or Path(path).is_dir():
        return _read_dicom(path)
    with Image.open(path) as picture:
        picture.filename = ""  # by which Pillow maps a TIFF into memory, its rows wrong where it lies on its side
        frames = getattr(picture, "n_frames", 1)
        if picture.format == "TIFF" and frames > 1:
            raise DataError(f"{path}: holds {frames} pictures; a lesion image is one. Write each to a file of its own.")
        _require_full_depth(picture, path)
        return LesionImage(_channels_first(_of_its_type(_plain_mode(_upright(picture)), picture), path))


def _require_full_depth(picture: Image.Image, path: str) -> None:
    """Raise DataError for colours of 16 bits, of which Pillow reads 8; to be asked before it has read them."""
    stored = [str(tile[3]) for tile in getattr(picture, "tile", [])]
    if picture.mode in {"RGB", "RGBA", "LA"} and any(";16" in mode for mode in stored):
        raise DataError(
            f"{path}: holds several channels of 16 bits, of which 8 would be read. Save it as npy, or as 8 bits."
        )


def _of_its_type(pixels: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Numbers of a TIFF that Pillow takes for others: unsigned ones of 32 bits, and signed ones of 8; and those of 16
    whose 0 is white, which it inverts in 8 bits alone."""
    tags = getattr(picture, "tag_v2", {})
    kind = tags.get(ExifTags.Base.SampleFormat, (1,))[0]
    taken = {(np.dtype(np.int32), 1): np.uint32, (np.dtype(np.uint8), 2): np.int8}
    pixels = pixels.view(taken.get((pixels.dtype, kind), pixels.dtype))
    white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0 and pixels.dtype == np.uint16
    return np.iinfo(np.uint16).max - pixels if white_is_zero else pixels


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as viewers show it, and so as masks and boxes are drawn. (Pillow's `exif_transpose` writes the EXIF data
    anew, too, and fails where another of them is odd.)"""
    picture.load()
    turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return picture if turn is None else picture.transpose(turn)


def _plain_mode(picture: Image.Image) -> np.ndarray:
    """Grey as it is (8, 16, 32 bit, float), everything with colour as RGB; transparency is dropped."""
    if picture.mode in {"1", "LA"} or _has_grey_palette(picture):
        return np.asarray(picture.convert("L"))
    if picture.mode == "L" or picture.mode.startswith("I") or picture.mode == "F":
        return np.asarray(picture)
    return np.asarray(picture.convert("RGB"))


def _has_grey_palette(picture: Image.Image) -> bool:
    colours = np.reshape(picture.getpalette() or [0, 0, 0], (-1, 3)) if picture.mode == "P" else None
    return colours is not None and bool((np.ptp(colours, axis=1) == 0).all())


def _read_nifti(path: str) -> LesionImage:
    file: Any = nibabel.load(path)
    array = np.asanyarray(file.dataobj)
    if array.dtype == np.float64:  # nibabel scales to float64 where the header has a slope
        array = array.astype(np.float32)
    flat = array.squeeze()
    if flat.ndim not in (2, 3):
        raise DataError(
            f"{path}: has the shape {array.shape}; a lesion is one image or one volume here, without times or "
            "channels. Cut its lesions out first: augmentor extract --data SCANS."
        )
    grid = nifti_grid(file)
    spacing = [step for step, n in zip(_steps(file.header, grid), array.shape, strict=True) if n > 1]
    # NIfTI counts x first: transposed, rows run down and columns run across as in a picture.
    doubts = nifti_doubts(file.header, path)
    return LesionImage(flat.T[None], tuple(reversed(spacing)), doubts, _lying(grid, flat.size))


def _steps(header: Any, grid: Grid) -> list[float]:
    """mm along each axis of a NIfTI file: as it lies in space, if it says where, else by pixdim."""
    steps = [float(zoom) * mm_of(header) for zoom in header.get_zooms()]
    if not (grid.located and is_somewhere(grid)):
        return steps
    lying = grid.spacing.tolist()[: len(steps)]
    return [*lying, *steps[len(lying) :]]


def _lying(grid: Grid, size: int) -> Grid | None:
    """The grid of an image of `size` pixels, if it says where in space."""
    lies = grid.located and grid.in_mm and is_somewhere(grid) and np.prod(grid.shape) == size
    return grid if lies else None


def _read_dicom(path: str) -> LesionImage:
    """A file, or a folder with the sections of one volume, in the modality's values (`read_dicom`)."""
    if not is_dicom(Path(path)):
        raise DataError(f"{path}: holds no file with the mark of DICOM. Convert it, or leave it out.")
    volume = read_dicom([Path(path)])
    sections = volume.grid.shape[2]
    pixels = volume.sections(0, sections)  # columns, rows, sections and, in colour, three channels
    spacing = tuple(reversed(volume.grid.spacing.tolist())) if volume.grid.in_mm else None
    if sections == 1:
        flat = pixels[:, :, 0].T if pixels.ndim == 4 else pixels.T
        return LesionImage(flat, spacing and spacing[1:], volume.notes, _lying(volume.grid, flat[0].size))
    if pixels.ndim == 4:
        raise DataError(f"{path}: is a volume in colour; a volume has one channel here. Leave it out.")
    return LesionImage(pixels.T[None], spacing, volume.notes, _lying(volume.grid, pixels.size))


@lru_cache(maxsize=8)
def _npz_array(file: str, name: str, _state: tuple[int, int, int]) -> np.ndarray:
    """_state: of the file, see `_state_of`; one that was written since is read anew."""
    with np.load(file, allow_pickle=False) as archive:
        return archive[name]


def _read_npz_row(row: re.Match[str]) -> LesionImage:
    array = _npz_array(row["file"], row["array"], _state_of(row["file"]))[int(row["index"])]
    return LesionImage(_channels_first(array, row.string))


def _state_of(file: str) -> tuple[int, int, int]:
    """When it was written (ns), how many bytes it has, and which file of the disk it is. Raises OSError."""
    found = Path(file).stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _channels_first(array: np.ndarray, path: str) -> np.ndarray:
    if array.ndim == 2:
        return array[None]
    if array.ndim == 3 and array.shape[-1] in (1, 3):
        return np.moveaxis(array, -1, 0)
    if array.ndim in (3, 4) and array.shape[0] in (1, 3):
        return array
    if array.ndim == 4 and array.shape[-1] in (1, 3):
        return np.moveaxis(array, -1, 0)
    if array.ndim == 3:
        return array[None]
    raise DataError(
        f"{path}: has shape {array.shape}; an image is (H, W), a volume (D, H, W), with 1 or 3 channels first or last."
    )
