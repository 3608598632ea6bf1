"""One image or volume file <-> one array with its geometry, and the way of its intensities to the network and back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from augmentor.data.dicom import is_dicom, read_dicom
from augmentor.data.geometry import LPS_TO_RAS, Grid, is_somewhere, mm_of, nifti_grid
from augmentor.errors import DataError, UsageError
from augmentor.files import exists

FileFormat = Literal["png", "npy", "nifti", "dicom"]
SUFFIX: dict[FileFormat, str] = {"png": ".png", "npy": ".npy", "nifti": ".nii.gz", "dicom": ".dcm"}
_NIFTI_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
DICOM_SUFFIXES = (".dcm", ".dicom")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy", ".nii", ".nii.gz", *DICOM_SUFFIXES)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF's orientation
_UNEVEN = 1.01  # the longest edge of a voxel over its shortest
_MOST_CUBES = 512  # along a side that is made of cubes, unless the file has more
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.(csv|json)", re.IGNORECASE)  # by Windows; by tables
_LONGEST = 60  # bytes of a file name: systems take 255 and paths of 260, into which others' folders go too
_NPZ_ROW = re.compile(r"^(?P<file>.*\.npz)#(?P<array>\w+)/(?P<index>\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class LesionImage:
    """`pixels` (C, H, W) or (C, D, H, W), C 1 or 3, in the file's own dtype, in this machine's byte order.

    `spacing_mm` of a pixel is (rows, columns), of a voxel (slices, rows, columns); None where the file does not say.
    `notes` are doubts, not errors. `grid` (columns, rows, sections) is where the file says that its pixels lie: only as
    they are stored.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    grid: Grid | None = None

    @property
    def dims(self) -> int:
        return self.pixels.ndim - 1


def file_name(text: str) -> str:
    """A class or fold as a file or folder name that every system takes; equal texts give equal names."""
    safe = re.sub(r"[^\w .+-]", "_", text).encode()[:_LONGEST].decode(errors="ignore").strip(". ")
    if safe and safe == text and not _TAKEN.fullmatch(safe):
        return safe
    return f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:6]}".lstrip("-")


def is_image(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def names_dicom(path: Path) -> bool:
    """Whether the name says DICOM; `is_dicom` looks into the file."""
    return path.name.lower().endswith(DICOM_SUFFIXES)


def stem(name: str) -> str:
    """The name without its image suffix (`.nii.gz` is one)."""
    ending = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(s)), "")
    return name[: len(name) - len(ending)]


def file_format(path: str, dims: int = 2) -> FileFormat:
    """The format in which images (dims 2) or volumes (3) like this one are written back."""
    lower = path.lower()
    if lower.endswith((".nii", ".nii.gz")):
        return "nifti"
    if names_dicom(Path(path)):
        return "dicom"
    if lower.endswith(".npy"):
        return "npy"
    return "png" if dims == 2 else "nifti"  # volumes of an npz


def read_image(path: str) -> LesionImage:
    """Read one lesion image or volume, a volume as `set_upright` turns it. Raises DataError, as `read_stored` does."""
    return set_upright(read_stored(path))


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


def set_upright(image: LesionImage, nearest: bool = False) -> LesionImage:
    """A volume that says where it lies towards R, A, S, as `extract` cuts lesions and as they are written; then, where
    it tells a spacing, on voxels that are cubes. An image stays as it is.

    nearest: no value is interpolated, as in a mask.
    """
    if image.dims == 3:
        image = _of_cubes(_towards_ras(image), nearest)
    return replace(image, grid=None)


def _towards_ras(image: LesionImage) -> LesionImage:
    if image.grid is None:
        return image
    turn = nibabel.io_orientation(image.grid.affine)
    pixels = np.stack([nibabel.apply_orientation(channel.T, turn).T for channel in image.pixels])
    ours = np.argsort(turn[:, 0])  # which of the file's axes leads to R, to A, to S
    spacing = image.spacing_mm and tuple(image.spacing_mm[::-1][axis] for axis in reversed(ours))
    return replace(image, pixels=pixels, spacing_mm=spacing)


def _of_cubes(image: LesionImage, nearest: bool) -> LesionImage:
    """Each voxel's edges as long as the shortest was (linear along each axis, the extent kept to half a voxel): a
    network's cube is then one in mm, too. The longest side stays as it is in mm."""
    steps, shape = image.spacing_mm, image.pixels.shape[1:]
    if steps is None or not 0 < _UNEVEN * min(steps) < max(steps) < np.inf:
        return image
    extents = [count * step for count, step in zip(shape, steps, strict=True)]
    edge = max(min(steps), max(extents) / max(_MOST_CUBES, *shape))
    pixels = image.pixels
    for axis, extent in enumerate(extents, 1):
        pixels = _with_length(pixels, axis, max(1, round(extent / edge)), nearest)
    return replace(image, pixels=pixels, spacing_mm=(max(extents) / max(pixels.shape[1:]),) * 3)


def _with_length(pixels: np.ndarray, axis: int, length: int, nearest: bool) -> np.ndarray:
    """The same extent along an axis in `length` steps. (In numpy alone, which gives equal pixels, and so an equal
    `content`, on every machine.)"""
    stored = pixels.shape[axis]
    if stored == length:
        return pixels
    place = np.clip((np.arange(length) + 0.5) * stored / length - 0.5, 0, stored - 1)
    if nearest:
        return pixels.take(np.floor(place + 0.5).astype(int), axis)
    before = np.floor(place).astype(int)
    real = np.result_type(pixels.dtype, np.float32)
    share = (place - before).astype(real).reshape(-1, *[1] * (pixels.ndim - 1 - axis))
    lower = pixels.take(before, axis).astype(real)
    between = lower + (pixels.take(np.minimum(before + 1, stored - 1), axis).astype(real) - lower) * share
    return (between.round() if pixels.dtype.kind in "iu" else between).astype(pixels.dtype)


def _plain_numbers(pixels: np.ndarray, path: str) -> np.ndarray:
    """The pixels in native byte order. Raises DataError where they can't be intensities."""
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
    if lower.endswith((".nii", ".nii.gz")):
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
    """Numbers of a TIFF that Pillow takes for others: unsigned ones of 32 bits, and signed ones of 8."""
    kind = getattr(picture, "tag_v2", {}).get(ExifTags.Base.SampleFormat, (1,))[0]
    taken = {(np.dtype(np.int32), 1): np.uint32, (np.dtype(np.uint8), 2): np.int8}
    return pixels.view(taken.get((pixels.dtype, kind), pixels.dtype))


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
    mm = mm_of(file.header)
    zooms = [float(z) * mm for z, n in zip(file.header.get_zooms(), array.shape, strict=True) if n > 1]
    # NIfTI counts x first: transposed, rows run down and columns run across as in a picture.
    return LesionImage(flat.T[None], tuple(reversed(zooms)), grid=_lying(nifti_grid(file), flat.size))


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
def _npz_array(file: str, name: str) -> np.ndarray:
    with np.load(file, allow_pickle=False) as archive:
        return archive[name]


def _read_npz_row(row: re.Match[str]) -> LesionImage:
    array = _npz_array(row["file"], row["array"])[int(row["index"])]
    return LesionImage(_channels_first(array, row.string))


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


@dataclass(frozen=True)
class Intensity:
    """The linear way from stored values in [low, high] to the network's [-1, 1] and back to `dtype`."""

    low: float
    high: float
    dtype: str

    def to_network(self, pixels: np.ndarray) -> np.ndarray:
        """Any dtype -> float32 in [-1, 1]; values outside [low, high] (none in the training set) are clipped."""
        span = self.high - self.low or 1.0
        scaled = (pixels.astype(np.float32) - self.low) / span * 2 - 1
        return np.clip(scaled, -1, 1).astype(np.float32)

    def to_other(self, images: np.ndarray, other: Intensity) -> np.ndarray:
        """float in [-1, 1] by this mapping -> float32 in [-1, 1] by `other`: the same stored values, not rounded."""
        if (self.low, self.high) == (other.low, other.high):
            return images
        return other.to_network((images.astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low)

    def from_network(self, images: np.ndarray) -> np.ndarray:
        """float in [-1, 1] -> `dtype` in [low, high]."""
        values = (np.clip(images, -1, 1).astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low
        return values.round().astype(self.dtype) if np.issubdtype(self.dtype, np.integer) else values.astype(self.dtype)


def intensity_of(low: float, high: float, dtype: np.dtype) -> Intensity:
    """8-bit images keep their full scale; all others take the smallest and largest value of the set."""
    return Intensity(0.0, 255.0, "uint8") if dtype == np.uint8 else Intensity(float(low), float(high), str(dtype))


def to_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """(C, H, W) or (C, D, H, W) -> (C, size, size[, size]) float32: mirrored out to a square or cube (no distortion),
    then resampled if needed."""
    side = max(pixels.shape[1:])
    before = [(side - length) // 2 for length in pixels.shape[1:]]
    padding = [(b, side - length - b) for b, length in zip(before, pixels.shape[1:], strict=True)]
    square = np.pad(pixels, [(0, 0), *padding], mode="symmetric").astype(np.float32)
    if side == size:
        return square
    low, high = square.min(), square.max()
    resized = np.stack([_resize(plane, (size, size)) for plane in square.reshape(-1, side, side)])
    if pixels.ndim == 4:  # the planes are smaller now; then each column through them
        columns = resized.reshape(len(square), side, size * size)
        resized = np.stack([_resize(c, (size * size, size)) for c in columns]).reshape(-1, size, size, size)
    return np.clip(resized, low, high)  # bicubic overshoots at edges


def _resize(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 -> bicubic, `shape` as (columns, rows); an axis that keeps its length is not touched."""
    return np.asarray(Image.fromarray(plane).resize(shape, Image.Resampling.BICUBIC))


def resampled_spacing(image: LesionImage, size: int) -> tuple[float, ...] | None:
    """Spacing in mm after `to_square(image.pixels, size)`, where the image has one."""
    if image.spacing_mm is None:
        return None
    scale = max(image.pixels.shape[1:]) / size
    return tuple(step * scale for step in image.spacing_mm)


def load_images(
    paths: Sequence[str],
    size: int,
    intensity: Intensity | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, Intensity]:
    """Read images for the network: (N, C, size, size[, size]) float32 in [-1, 1], and the intensity mapping used.

    Without `intensity` it is taken from these images, so pass the training set's when reading any others.
    """
    squares, low, high, dtype = [], np.inf, -np.inf, np.dtype(np.uint8)
    for number, path in enumerate(paths, 1):
        pixels = read_image(path).pixels
        low, high, dtype = min(low, float(pixels.min())), max(high, float(pixels.max())), pixels.dtype
        squares.append(to_square(pixels, size))  # at once: the originals may be many times larger
        if progress:
            progress(number, len(paths))
    mapping = intensity or intensity_of(low, high, dtype)
    return np.stack([mapping.to_network(square) for square in squares]), mapping


def storage(intensity: Intensity, form: FileFormat) -> Intensity:
    """How values are stored in a file format: as they are, but for PNG and DICOM, which hold no negatives and no
    fractions here.

    A PNG of such a set spreads [low, high] over 16 bits, a DICOM file too where whole numbers from `low` on do not fit;
    `slope_intercept` leads back.
    """
    if form not in ("png", "dicom") or intensity.dtype in ("uint8", "uint16"):
        return intensity
    span = intensity.high - intensity.low
    whole = np.issubdtype(intensity.dtype, np.integer) and 0 < span <= 65535
    return Intensity(0.0, span if form == "dicom" and whole else 65535.0, "uint16")


def slope_intercept(intensity: Intensity, stored: Intensity) -> tuple[float, float]:
    """(slope, intercept) with original value = stored value * slope + intercept."""
    slope = (intensity.high - intensity.low) / (stored.high - stored.low or 1.0)
    return slope, intensity.low - stored.low * slope


def write_image(pixels: np.ndarray, path: Path, spacing_mm: tuple[float, ...] | None, note: str) -> None:
    """Write (C, H, W) or (C, D, H, W) in its own dtype in the format that `path`'s suffix names, PNG, npy or NIfTI; the
    file says `note` where it can.

    Raises UsageError where the format can't hold the pixels.
    """
    if path.name.endswith(".npy"):
        np.save(path, pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1))
    elif path.name.endswith((".nii", ".nii.gz")):
        _write_nifti(pixels, path, spacing_mm, note)
    elif path.name.endswith(".png"):
        _write_png(pixels, path, note)
    else:
        raise UsageError(f"{path.name}: images are written as {', '.join(SUFFIX.values())}. Choose one with --format.")


def _write_nifti(pixels: np.ndarray, path: Path, spacing_mm: tuple[float, ...] | None, note: str) -> None:
    if pixels.shape[0] != 1:
        raise UsageError("Colour images can't be written as NIfTI; choose --format png or npy.")
    if str(pixels.dtype) not in _NIFTI_DTYPES:
        raise UsageError(f"{path.name}: NIfTI does not hold {pixels.dtype} values here. Choose --format npy.")
    steps = list(reversed(spacing_mm or [1.0] * (pixels.ndim - 1)))
    array = pixels[0].T.reshape(*reversed(pixels.shape[1:]), *[1] * (4 - pixels.ndim))  # a slice is a volume of one
    affine = np.diag([*steps, *[1.0] * (4 - len(steps))])
    if pixels.ndim == 3:  # as `extract` cuts sections: columns to the left, rows to the back
        affine = LPS_TO_RAS @ affine
    image = nibabel.Nifti1Image(array, affine)
    image.set_qform(affine, "scanner")
    image.set_sform(affine, "scanner")
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note.encode()[:79]
    nibabel.save(image, path)


def _write_png(pixels: np.ndarray, path: Path, note: str) -> None:
    if pixels.ndim == 4:
        raise UsageError(f"{path.name}: PNG holds no volume. Choose --format nifti, npy or dicom.")
    if pixels.dtype not in (np.uint8, np.uint16) or (pixels.dtype == np.uint16 and pixels.shape[0] != 1):
        raise UsageError(
            f"{path.name}: PNG holds 8-bit or grey 16-bit values here, not {pixels.shape[0]} channels of "
            f"{pixels.dtype}. Choose --format npy."
        )
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", note)
    plane = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    # Lesions have grain and masks have runs: looking for longer repeats takes twice as long and saves nothing.
    Image.fromarray(np.ascontiguousarray(plane)).save(path, pnginfo=info, compress_level=1, compress_type=Image.RLE)
