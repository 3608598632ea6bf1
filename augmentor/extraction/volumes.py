"""One scan or mask from disk to a `Volume`: NIfTI, DICOM, NRRD and MHA, and flat pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from augmentor.data.dicom import is_dicom, read_dicom
from augmentor.data.dicom_segmentations import read_segmentation
from augmentor.data.extras import need
from augmentor.data.formats import DICOM_SUFFIXES, NIFTI_SUFFIXES, PICTURE_SUFFIXES
from augmentor.data.grids import LPS_TO_RAS, Grid, Volume, check_grid, nifti_doubts, nifti_grid, three, whole
from augmentor.data.images import read_image
from augmentor.errors import DataError
from augmentor.extraction.packed import MOST_PACKING, is_gzip, unpacked, unpacked_size

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_VOXELS_IN = re.compile(r"^[ \t]*(?:data ?file:|ElementDataFile[ \t]*=)[ \t]*(?P<file>[^\r\n]*[^\s])", re.I | re.M)
_LONGEST_HEADER = 2**16  # bytes, of those that are read as text


def is_scan(path: Path) -> bool:
    """Whether `read_volume` knows a file like this (DICOM files often have no suffix, so they are looked into)."""
    return path.name.lower().endswith((*NIFTI_SUFFIXES, *ITK_SUFFIXES, *PICTURE_SUFFIXES)) or is_dicom(path)


def is_volume(image: Path) -> bool:
    """Whether a scan has several sections: by its header where it is a NIfTI file (one that can't be read has, too, so
    that its cutting tells why), else by its name; a folder has."""
    if image.name.lower().endswith(NIFTI_SUFFIXES) and image.is_file():
        try:
            return min(read_volume([image]).grid.shape) > 1
        except DataError:
            return True
    return image.is_dir() or image.name.lower().endswith((*ITK_SUFFIXES, *DICOM_SUFFIXES))


def read_volume(paths: Sequence[Path], spacing: tuple[float, ...] | None = None) -> Volume:
    """A scan from one file, from a folder with one DICOM series, or from the files of a series.

    spacing: the size in mm of the pixels of a picture or a DICOM image, across and down, where a table says it.
    Raises DataError, naming the file, where it can't be read, is no scan, has more than three dimensions, or where
    its header promises more voxels than the file can hold (nothing is allocated for them).
    """
    volume = _opened(paths, spacing)
    doubts = check_grid(volume.grid, str(paths[0]))
    return replace(volume, notes=(*volume.notes, *doubts))


def _opened(paths: Sequence[Path], spacing: tuple[float, ...] | None = None) -> Volume:
    first, lower = paths[0], paths[0].name.lower()
    if not first.exists():
        raise DataError(f"{first}: no such file or folder. Correct the path in the table, or leave the row out.")
    if first.is_file() and lower.endswith(NIFTI_SUFFIXES):
        return _guarded(_read_nifti, first)
    if first.is_file() and lower.endswith(ITK_SUFFIXES):
        return _guarded(_read_itk, first)
    if first.is_file() and lower.endswith(PICTURE_SUFFIXES):
        return _read_picture(first, spacing)
    return _guarded(partial(read_dicom, spacing=spacing), paths, str(first))


def read_mask(paths: Sequence[Path]) -> tuple[np.ndarray, Grid, tuple[str, ...]]:
    """A mask's voxels (I, J, K), whole, its grid, and doubts about it. A DICOM SEG needs the extra `dicom`.

    Raises DataError as `read_volume`, and for values that are NaN or infinite, and colours.
    """
    if len(paths) == 1 and paths[0].is_file() and is_dicom(paths[0]):
        segmentation = _guarded(read_segmentation, paths[0])
        if segmentation is not None:
            return *segmentation, ()
    volume = _opened(paths)
    check_grid(volume.grid, str(paths[0]))  # an odd spacing is told of the image, and once is enough
    voxels = volume.sections(0, volume.grid.shape[2])
    if voxels.ndim == 4:
        raise DataError(f"{paths[0]}: is in colour, and a mask holds one number a pixel. Save it in grey.")
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise DataError(f"{paths[0]}: holds NaN or infinite values; a mask holds whole numbers, 0 outside lesions.")
    return voxels, volume.grid, volume.notes


def _guarded(reader: Callable[..., Any], source: Any, name: str | None = None) -> Any:
    """reader(source); whatever a decoder raises on a broken file becomes a DataError that names it."""
    name = name or str(source)
    try:
        return _guard_sections(reader(source), name)
    except DataError:
        raise
    except Exception as error:
        raise _unreadable(name, error) from error


def _guard_sections(read: Any, name: str) -> Any:
    """A volume whose voxels are read later fails later: by the same rule."""
    if not isinstance(read, Volume):
        return read

    def sections(first: int, last: int) -> np.ndarray:
        try:
            return read.sections(first, last)
        except DataError:
            raise
        except Exception as error:
            raise _unreadable(name, error) from error

    return replace(read, sections=sections)


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(
        f"{name}: can't be read as a scan ({type(error).__name__}: {error}). Replace the file or leave it out."
    )


def _read_nifti(file: Path) -> Volume:
    with nibabel.imageglobals.LoggingOutputSuppressor():
        image: Any = nibabel.load(file)
    header, shape = image.header, tuple(int(n) for n in image.shape)
    if len(shape) > 3 and any(n > 1 for n in shape[3:]):
        raise DataError(
            f"{file}: has {len(shape)} dimensions ({'x'.join(map(str, shape))}): several scans in one file. "
            "Save the one wanted (a time, an echo, a sequence) as a file of its own."
        )
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise DataError(f"{file}: holds {dtype} values; a scan holds integers or real numbers. Convert it first.")
    if not shape or min(shape) < 1:
        raise DataError(f"{file}: has no voxels (shape {shape}). Replace the file or leave it out.")
    promised = int(np.prod(shape, dtype=object)) * dtype.itemsize
    doubts = (*_mended(file, type(header)), *_length_doubts(file, int(image.dataobj.offset), promised))
    grid = nifti_grid(image)
    flat = grid.shape

    def sections(first: int, last: int) -> np.ndarray:
        # The last axis lies outermost on disk: what comes after `last` is not even decompressed.
        section, data = promised // flat[2], image.dataobj
        if is_gzip(file):
            packed = unpacked(file, data.offset + first * section, data.offset + last * section)
            stored = np.frombuffer(packed, dtype).reshape((*flat[:2], last - first), order="F")
            return nibabel.volumeutils.apply_read_scaling(stored, data.slope, data.inter)
        span = (slice(None), slice(None), slice(first, last), *[0] * (len(shape) - 3))[: len(shape)]
        return np.asanyarray(data[span]).reshape(*flat[:2], -1)[:, :, : last - first]

    return Volume(grid, sections, notes=(*doubts, *nifti_doubts(header, str(file))))


def _mended(file: Path, kind: Any) -> tuple[str, ...]:
    """A doubt about a header that nibabel has to mend to read it (it tells a log of it, where nobody looks)."""
    with nibabel.openers.Opener(str(file)) as stream:
        block = stream.read(kind.template_dtype.itemsize)
    told = kind.diagnose_binaryblock(block).splitlines()
    odd = [line for line in told if "qfac" not in line and "not SPM compatible" not in line]  # both do no harm
    return (f"{file}: its header is damaged ({'; '.join(odd)}). Look at what is cut.",) if odd else ()


def _length_doubts(file: Path, offset: int, promised: int) -> tuple[str, ...]:
    """A doubt about a file that is longer than its header says: rows of another length would be read.

    Raises DataError for a header that promises more bytes than the file can hold.
    """
    wanted = offset + promised
    room = unpacked_size(file, wanted) if is_gzip(file) else file.stat().st_size
    if wanted > room:
        raise DataError(
            f"{file}: its header promises {promised:,} bytes of voxels, and the file can hold {room - offset:,} at "
            "most. It is cut off or broken: copy it again or leave it out."
        )
    if wanted == room:
        return ()
    return (f"{file}: is {room - wanted:,} bytes longer than its header says. Is the header another file's?",)


def _read_itk(file: Path) -> Volume:
    itk = need("SimpleITK", "itk", f"{file}: NRRD and MHA are read by SimpleITK")
    files = {file, *_voxel_files(file)}
    reader = itk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    size, spacing = reader.GetSize(), reader.GetSpacing()
    if len(size) > 3 and max(size[3:]) > 1:
        raise DataError(f"{file}: has {len(size)} dimensions; save the one volume wanted as a file of its own.")
    if reader.GetNumberOfComponents() != 1:
        raise DataError(f"{file}: holds {reader.GetNumberOfComponents()} values a voxel; a scan holds one.")
    promised = int(np.prod(size, dtype=object))  # in bytes, at least
    if promised > sum(f.stat().st_size for f in files) * MOST_PACKING:
        raise DataError(f"{file}: its header promises {promised:,} voxels, which the file can't hold. It is broken.")
    shape = three(size)
    array = itk.GetArrayFromImage(reader.Execute()).T  # ITK's arrays count z first
    return Volume(Grid(shape, _itk_affine(reader, spacing)), whole(array.reshape(shape)))


def _voxel_files(header: Path) -> list[Path]:
    """The files that hold the voxels of a detached NRRD or MetaImage header: the one that it names, those that it
    lists, or, by a pattern, all in their folder. Raises DataError where the one is missing."""
    with header.open("rb") as stream:
        text = stream.read(_LONGEST_HEADER).decode(errors="surrogateescape")
    if text.startswith("NRRD"):  # whose voxels follow a blank line
        text = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    named = _VOXELS_IN.search(text)
    if named is None or named["file"].upper() == "LOCAL":
        return []
    file = header.parent / named["file"]
    if file.is_file():
        return [file]
    if named["file"].upper().startswith("LIST"):
        several: Iterable[Path] = [header.parent / line.strip() for line in text[named.end() :].splitlines()]
    elif "%" in named["file"]:
        several = file.parent.glob("*")
    else:
        raise DataError(
            f"{header}: its voxels lie in {named['file']}, which is not there. Put that file beside it, or correct its "
            "name in the header."
        )
    return [one for one in several if one.is_file()]


def _itk_affine(reader: Any, spacing: Sequence[float]) -> np.ndarray:
    count = min(len(spacing), 3)
    direction = np.array(reader.GetDirection()).reshape(len(spacing), len(spacing))[:count, :count]
    affine = np.eye(4)
    affine[:count, :count] = direction * np.array(spacing[:count])
    affine[:count, 3] = reader.GetOrigin()[:count]
    return LPS_TO_RAS @ affine


def _read_picture(file: Path, spacing: tuple[float, ...] | None) -> Volume:
    """Columns count first, as in every other volume; three equal colours are grey."""
    pixels = read_image(str(file)).pixels
    if len(pixels) == 3 and (pixels == pixels[:1]).all():
        pixels = pixels[:1]
    array = pixels[0].T[:, :, None] if len(pixels) == 1 else pixels.transpose(2, 1, 0)[:, :, None]
    across, down = (*(spacing or (1.0, 1.0)), 1.0)[:2]
    affine = LPS_TO_RAS @ np.diag([across, down, 1.0, 1.0])
    return Volume(Grid((*array.shape[:2], 1), affine, spacing is not None, located=False), whole(array), "picture")
