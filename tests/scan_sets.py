"""Small scans for tests: a ball that is bright on a dark slope, as NIfTI, as DICOM series, with its mask."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from augmentor.data.grids import Grid
from augmentor.extraction.sources import read_scans

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SPACING = (0.8, 0.8, 2.5)
CT_AFFINE = np.array([[-0.8, 0, 0, 90], [0, -0.8, 0, 120], [0, 0, 2.5, -300], [0, 0, 0, 1.0]])  # LPS, as scanners count


def ball(shape, centre, radius_mm, spacing=SPACING):
    """(I, J, K) bool: voxels whose centres lie within `radius_mm` of the voxel index `centre`."""
    index = np.indices(shape).reshape(3, -1).T
    apart = np.linalg.norm((index - centre) * spacing, axis=1)
    return (apart <= radius_mm).reshape(shape)


def tilted(degrees, axes, centre=(30, 30, 20), radius_mm=12.0):
    """A grid of 60x60x40 voxels of 1x1x2 mm whose sections are shifted against each other, as by a gantry that is
    tilted by so many degrees, counted towards `axes`; and a sphere on it, bool."""
    affine = CT_AFFINE.copy()
    affine[:3, :3] = [[-1, 0, 0], [0, -1, 2 * np.tan(np.deg2rad(degrees))], [0, 0, 2]]
    grid = Grid((60, 60, 40), affine)
    apart = grid.world(np.indices(grid.shape).reshape(3, -1).T) - grid.world(np.array(centre))
    sphere = (np.linalg.norm(apart, axis=1) <= radius_mm).reshape(grid.shape)
    turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(affine), nibabel.orientations.axcodes2ornt(axes))
    turned = nibabel.apply_orientation(sphere, turn)
    return Grid(turned.shape, affine @ nibabel.orientations.inv_ornt_aff(turn, grid.shape)), turned


def scan_array(mask, dtype=np.int16):
    """Air to tissue along the first axis, plus texture, and +200 in the ball."""
    rng = np.random.default_rng(int(mask.sum()))
    slope = np.linspace(-100, 60, mask.shape[0])[:, None, None]
    return (slope + rng.normal(0, 4, mask.shape) + 200 * mask).astype(dtype)


def write_nifti(file: Path, array, affine=CT_AFFINE, units="mm"):
    file.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units(units)
    nibabel.save(image, file)
    return file


def write_case(folder: Path, name="case", shape=(40, 36, 12), centre=(20, 17, 6), radius_mm=7.0, affine=CT_AFFINE):
    """name_image.nii.gz and name_label.nii.gz; gives the two files and the ball's mask."""
    mask = ball(shape, centre, radius_mm, np.linalg.norm(affine[:3, :3], axis=0))
    image = write_nifti(folder / f"{name}_image.nii.gz", scan_array(mask), affine)
    return image, write_nifti(folder / f"{name}_label.nii.gz", mask.astype(np.uint8), affine), mask


def dicom_image(pixels, **tags):
    """A CT image of (rows, columns) pixels that does not say where it lies; `tags` by keyword, None takes one away."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID, data.PatientName = "CT", "pat-7", "Doe^Jane"
    for name in ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"):
        setattr(data, name, "")
    data.ReferringPhysicianName = ""
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.9"
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    data.PixelData = np.ascontiguousarray(pixels).tobytes()
    for name, value in tags.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)
    return data


def save_dicom(data: Dataset, file: Path):
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)
    return file


def place_tags(affine, section=0):
    """Where a section lies, for an affine (4, 4) from (column, row, section) to LPS mm."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    turn = affine[:3, :2] / spacing[:2]
    place = affine @ [0, 0, section, 1]
    return {
        "ImageOrientationPatient": [float(f"{v:.10g}") for v in (*turn[:, 0], *turn[:, 1])],
        "ImagePositionPatient": [float(f"{v:.10g}") for v in place[:3]],
        "PixelSpacing": [float(spacing[1]), float(spacing[0])],
        "SliceThickness": float(spacing[2]),
    }


def write_series(folder: Path, array, affine=LPS_TO_RAS @ CT_AFFINE, slope=1, intercept=0, **tags):
    """One CT file a section of (I, J, K) stored values; the files' names say nothing about their order."""
    order = np.random.default_rng(3).permutation(array.shape[2])
    files = []
    for name, k in enumerate(order):
        said = place_tags(affine, int(k)) | {"RescaleSlope": slope, "RescaleIntercept": intercept, "InstanceNumber": 1}
        files.append(save_dicom(dicom_image(array[:, :, k].T, **(said | tags)), folder / f"IM{name:03d}"))
    return files


def write_segmentation(file: Path, series: list[Path], masks: list[np.ndarray], **options):
    """A DICOM SEG of one segment a mask (I, J, K), drawn on the series (its files in any order); `options` of
    highdicom, for one that is fractional."""
    import highdicom
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    sources = sorted((dcmread(f) for f in series), key=lambda d: d.ImagePositionPatient[2])
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=n,
            segment_label=f"segment {n}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type="MANUAL",
        )
        for n in range(1, len(masks) + 1)
    ]
    pixels = np.stack([m.transpose(2, 1, 0) for m in masks], axis=-1)
    made = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels if options else pixels.astype(np.uint8),
        **({"segmentation_type": "BINARY"} | options),
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(file)
    return file


def enhanced(array, affine=LPS_TO_RAS @ CT_AFFINE, slopes=None, intercept=0):
    """An Enhanced CT dataset of (I, J, K) stored values whose frames lie in the file from top to bottom."""
    frames = array.transpose(2, 1, 0)[::-1]
    said = [place_tags(affine, k) for k in reversed(range(array.shape[2]))]
    data = dicom_image(np.ascontiguousarray(frames[0]))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    data.NumberOfFrames = len(frames)
    data.PixelData = np.ascontiguousarray(frames).tobytes()
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = said[0]["PixelSpacing"], said[0]["SliceThickness"]
    shared = Dataset()
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number, tags in enumerate(said):
        place, turn, scale, group = Dataset(), Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient, turn.ImageOrientationPatient = (
            tags["ImagePositionPatient"],
            tags["ImageOrientationPatient"],
        )
        scale.RescaleSlope, scale.RescaleIntercept = (slopes[number] if slopes else 1), intercept
        scale.RescaleType = "HU"
        group.PlanePositionSequence, group.PlaneOrientationSequence = [place], [turn]
        group.PixelValueTransformationSequence = [scale]
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    return data


def voxels_of(volume):
    return volume.sections(0, volume.grid.shape[2])


def scans_in(folder, **options):
    """The scans of a folder, of class cyst."""
    return read_scans(folder, **({"label": "cyst"} | options))[0]


def table_of(folder):
    """What `extract` wrote, all of it as text."""
    return pd.read_csv(folder / "lesions.csv", dtype=str, keep_default_na=False)
