"""`extract`: what it says, and held wrong."""

import shlex

import numpy as np
import pytest

from tests.scan_sets import write_case

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dims", "4"], ["--dims", "2 or 3"]),
        (["--size", "4"], ["--size", "greater than or equal to 8"]),
        (["--fov", "wide"], ["--fov", "wide"]),
        (["--fov", "0.5mm"], ["--fov", "greater than or equal to 1"]),
        (["--margin=-1"], ["--margin", "greater than or equal to 0"]),
        (["--margin", "0,5"], ["--margin", "'0,5' is not a valid number", "Write 0.5."]),
        (["--per", "voxel"], ["--per", "'component' or 'value'"]),
        (["--sections", "all"], ["--sections 'all': give a number"]),
        (["--sections", "3", "--dims", "3"], ["a cube has all sections"]),
        (["--sections", "nan"], ["--sections 'nan': give largest, or a whole number"]),
        (["--sections", "2.7"], ["--sections '2.7': give largest, or a whole number"]),
        (["--values", "one"], ["--values 'one' is not of the form 2 or 1=cyst,2=mass"]),
        (["--values", "0=none,1=cyst"], ["--values: 0 can't", "0 is what a mask holds outside lesions"]),
        (["--values=-1=cyst"], ["--values: -1 can't be a lesion's number"]),
        (["--rescale", "1"], ["--rescale '1': give 2 numbers, as in 1,-1024"]),
        (["--rescale", "0,1"], ["slope 0 must be above 0"]),
        (["--format", "png", "--dims", "3"], ["cubes are written as nifti"]),
        (["--format", "dicom"], ["--format", "dicom"]),
        (["--window", "kidneys"], ["--window 'kidneys' is no window", "--window -160,240"]),
        (["--columns", "image"], ["is not of the form ours=theirs"]),
    ],
)
def test_a_bad_option_is_told_before_any_scan_is_looked_for(augmentor, tmp_path, arguments, told):
    outcome = augmentor("extract", "--data", "nowhere", "--out", tmp_path / "out", *arguments)
    assert outcome.code == 2
    assert outcome.says(*told)


def test_extract_says_what_it_wrote_and_what_it_doubts(augmentor, tmp_path):
    write_case(tmp_path / "in", "p1")
    write_case(tmp_path / "in", "p2", affine=np.diag([0.8, 0.8, 9, 1]))
    outcome = augmentor(
        *("extract", "--data", tmp_path / "in", "--label", "cyst", "--window=-160,240", "--out", tmp_path / "out"),
        *("--patient-pattern", "<patient>_<rest>"),
    )
    assert outcome.code == 0
    assert outcome.says("p2_image.nii.gz: voxels are 0.8 x 0.8 x 9 mm, 11 times longer than wide", "cyst")
    assert outcome.says(f"Next: augmentor check --data {tmp_path / 'out'}", "extracted.png")


def test_the_command_that_comes_next_can_be_copied(augmentor, tmp_path):
    write_case(tmp_path / "in", "p1")
    out = tmp_path / "Meine Läsionen"
    outcome = augmentor("extract", "--data", tmp_path / "in", "--label", "cyst", "--out", out)
    assert shlex.split(outcome.out.partition("Next: ")[2]) == ["augmentor", "check", "--data", str(out)]


def test_extract_by_strict_refuses_its_doubts_and_leaves_nothing(augmentor, tmp_path):
    write_case(tmp_path / "in", "p2", affine=np.diag([0.8, 0.8, 9, 1]))
    outcome = augmentor("extract", "--data", tmp_path / "in", "--label", "cyst", "--strict", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.says("11 times longer than wide", "No patient is known for 1 of 1 scans")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_masks_is_refused_with_how_to_name_them(augmentor, lesion_folder):
    outcome = augmentor("extract", "--data", lesion_folder)
    assert outcome.code == 2
    assert outcome.says("no image with its mask was found", "--images '*_T1.nii.gz' --masks '*_mask.nii.gz'")
