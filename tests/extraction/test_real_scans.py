"""`extract` on real scans that lie beside the project on its own machines (shared/data): one command each."""

import sys

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from augmentor import cli
from augmentor.data.dicom import read_dicom
from augmentor.errors import DataError
from augmentor.extraction.volumes import read_volume


@pytest.fixture
def extract(tmp_path, monkeypatch, capsys):
    """Gives a function that runs `augmentor extract` and returns its table and what it printed."""

    def call(data, *options):
        arguments = ["augmentor", "extract", "--data", str(data), "--out", str(tmp_path / "out"), *options]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr().err
        assert not end.value.code, told
        return pd.read_csv(tmp_path / "out" / "lesions.csv", dtype=str, keep_default_na=False), told

    return call


def test_brain_tumours_of_eleven_patients(shared_data, extract, tmp_path):
    table, told = extract(
        *(shared_data("nifti-brain-tumor-progression"), "--images", "*_Scan_T1.nii.gz", "--masks", "*_Mask.nii.gz"),
        *("--patient-pattern", "<patient>/<rest>", "--label", "tumour", "--window", "percentile"),
    )
    assert (len(table), table["patient"].nunique()) == (53, 11)
    assert "208 lesions of fewer than 10 voxels were left out" in told
    assert all(np.asarray(Image.open(tmp_path / "out" / p)).any() for p in table["mask"])


def test_three_radiomics_cases_as_cubes(shared_data, extract, tmp_path):
    table, _ = extract(
        *(
            shared_data("nifti-pyradiomics-cases"),
            "--label-pattern",
            "(?P<label>[a-z]+)",
            "--dims",
            "3",
            "--size",
            "32",
        ),
        *("--patient-pattern", "<patient>_<rest>", "--window", "percentile"),
    )
    assert table["label"].tolist() == ["brain", "brain", "brain", "breast"]
    label = nibabel.load(shared_data("nifti-pyradiomics-cases") / "brain2_label.nii.gz")
    world = nibabel.affines.apply_affine(label.affine, np.argwhere(np.asarray(label.dataobj)).mean(axis=0))
    made = nibabel.load(tmp_path / "out" / table["mask"][2])
    assert made.shape == (32, 32, 32)
    moved = nibabel.affines.apply_affine(made.affine, np.argwhere(np.asarray(made.dataobj)).mean(axis=0)) - world
    assert (np.abs(moved) < np.array(label.header.get_zooms()) / 2).all()


def test_a_dicom_segmentation_with_its_series(shared_data, extract):
    pytest.importorskip("highdicom")
    table, told = extract(shared_data("dicom-samples"), "--label", "liver", "--window", "liver")
    assert table["roi_side_mm"].tolist() == ["330.7"]
    assert "sr-example/seg.dcm: segments a series that does not lie below" in told
    assert "series have no segmentation below it" in told


def test_a_segmentation_and_its_nrrd_are_the_same_voxels(shared_data):
    pytest.importorskip("highdicom")
    pytest.importorskip("SimpleITK")
    from augmentor.data.placing import place
    from augmentor.extraction.volumes import read_mask

    home = shared_data("dicom-samples/dcmqi/segmentations")
    image = read_volume([home / "ct-3slice"]).grid
    placed = []
    for name in ("liver.dcm", "liver_seg.nrrd"):
        voxels, grid, _ = read_mask([home / name])
        made = place(voxels, grid, image, name)
        whole = np.zeros(image.shape, bool)
        spans = zip(made.start, made.labels.shape, strict=True)
        whole[tuple(slice(s, s + n) for s, n in spans)] = made.labels > 0
        placed.append(whole)
    np.testing.assert_array_equal(*placed)


def test_boxes_of_ct_slices(shared_data, extract):
    table, _ = extract(
        shared_data("deeplesion-50/index.csv"), "--rescale", "16.0588,-1024", "--window=-1024,1050", "--format", "npy"
    )
    assert (len(table), table["patient"].nunique(), table["label"].nunique()) == (51, 10, 8)
    assert set(table["mask"]) == {""}
    assert (set(table["window_low"]), set(table["window_high"])) == ({"-1024"}, {"1050"})


def test_a_mask_on_another_grid_is_told(shared_data, extract):
    table, told = extract(
        *(shared_data("nifti-ms-ljubljana-long"), "--images", "*/study*_FLAIR.nii.gz", "--masks", "*/gt.nii.gz"),
        *("--patient-pattern", "<patient>/<rest>", "--label", "change", "--window", "percentile"),
    )
    assert table["patient"].nunique() == 1
    assert told.count("gt.nii.gz: lies on another grid (334x352x60, LPS) than its image (320x320x48, LPS)") == 2


@pytest.mark.parametrize(
    ("name", "shape", "low", "high"),
    [
        ("693_UNCR", (512, 512, 1), -3024, 3071),
        ("693_J2KR", (512, 512, 1), -3024, 3071),
        ("MR-SIEMENS-DICOM-WithOverlays", (484, 484, 1), 0, 4095),
        ("eCT_Supplemental", (512, 512, 2), -2048, 4095),
        ("US1_UNCR", (640, 480, 1), 0, 255),
        ("OBXXXX1A", (800, 600, 1), 0, 255),
        ("RG3_J2KR", (1760, 1760, 1), 0, 4095),
        ("explicit_VR-UN", (512, 512, 1), -2048, 4095),
    ],
)
def test_real_files_are_read(shared_data, name, shape, low, high):
    volume = read_dicom([shared_data(f"dicom-samples/pydicom-data/{name}.dcm")])
    voxels = volume.sections(0, volume.grid.shape[2])
    assert volume.grid.shape == shape
    assert low <= voxels.min() < voxels.max() <= high


def test_packed_and_plain_are_one_picture(shared_data):
    pairs = (("693_UNCR", "693_J2KR"), ("OBXXXX1A", "OBXXXX1A_rle"))
    for names in pairs:
        home = shared_data("dicom-samples/pydicom-data")
        plain, packed = (read_dicom([home / f"{n}.dcm"]).sections(0, 1) for n in names)
        np.testing.assert_array_equal(plain, packed)


def test_frames_that_lost_their_places_are_told(shared_data):
    with pytest.raises(DataError, match="holds 10 frames that do not say where they lie"):
        read_dicom([shared_data("dicom-samples/pydicom-data/emri_small.dcm")])


@pytest.mark.parametrize("name", ["sr", "rwvm"])
def test_files_without_pixels_are_told(shared_data, name):
    with pytest.raises(DataError, match="holds no DICOM images"):
        read_dicom([shared_data(f"dicom-samples/dcmqi/sr-example/{name}.dcm")])
