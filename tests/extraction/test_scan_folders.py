import numpy as np
import pytest

from augmentor.errors import DataError, UsageError
from augmentor.extraction.scan_folders import read_scan_folder
from tests.scan_sets import ball, write_segmentation, write_series


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def pairs(folder, images=None, masks=None):
    scans, _ = read_scan_folder(folder, images, masks)
    return [(str(s.image[0].relative_to(folder)), str(s.mask[0].relative_to(folder))) for s in scans]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a_image.nii", "a_label.nii", "b_image.nrrd", "b_label.nii"), 2),
        (("p1/x_image.nii.gz", "p1/x_mask.nii.gz", "p2/x_image.nii.gz", "p2/x_mask.nii.gz"), 2),
        (("imagesTr/l_01_0000.nii.gz", "labelsTr/l_01.nii.gz", "imagesTr/l_02_0000.nii.gz", "labelsTr/l_02.nii.gz"), 2),
        (("imagesTr/l_01.nii.gz", "labelsTr/l_01.nii.gz"), 1),
        (("imagesTr/1.2.7_0000.nii.gz", "labelsTr/1.2.7.nii.gz", "labelsTr/1.2.8.nii.gz"), 1),
        (("images/1.png", "masks/1.png", "images/2.png", "masks/2.png"), 2),
        (("a/images/1.png", "a/labels/1.png"), 1),
    ],
)
def test_usual_names_are_paired(tmp_path, names, expected):
    found = pairs(touch(tmp_path, *names))
    assert len(found) == expected
    for image, mask in found:
        stem = image.split("/")[-1].split("_image")[0].split("_0000")[0].split(".n")[0].split(".p")[0]
        assert mask.split("/")[-1].startswith(stem)
        assert len(image.split("/")) == len(mask.split("/"))


def test_named_patterns_pair_what_their_stars_share(tmp_path):
    names = [f"0{p}/{t}_{k}.nii.gz" for p in (1, 2) for t in ("Pre", "Post") for k in ("Scan_T1", "Mask")]
    found = pairs(touch(tmp_path, *names), "*_Scan_T1.nii.gz", "*_Mask.nii.gz")
    assert sorted(found) == [
        (f"0{p}/{t}_Scan_T1.nii.gz", f"0{p}/{t}_Mask.nii.gz") for p in (1, 2) for t in ("Post", "Pre")
    ]


def test_one_mask_may_belong_to_all_images_of_its_folder(tmp_path):
    names = ("p1/study1_FLAIR.nii", "p1/study2_FLAIR.nii", "p1/gt.nii", "p2/study1_FLAIR.nii", "p2/gt.nii")
    found = pairs(touch(tmp_path, *names), "*/study*_FLAIR.nii", "*/gt.nii")
    assert found == [(n, f"{n[:2]}/gt.nii") for n in names if "FLAIR" in n]


def test_folders_of_dicom_series_are_paired_too(tmp_path):
    found = pairs(touch(tmp_path, "p1/CT/1", "p1/RT/1", "p2/CT/1", "p2/RT/1"), "*/CT", "*/RT")
    assert found == [("p1/CT", "p1/RT"), ("p2/CT", "p2/RT")]


def test_hidden_files_are_passed_over(tmp_path):
    assert len(pairs(touch(tmp_path, "a_image.nii", "a_label.nii", "._b_image.nii", ".x/c_image.nii"))) == 1


def test_images_without_a_mask_are_told(tmp_path):
    folder = touch(tmp_path, "a_image.nii", "a_label.nii", "b_image.nii")
    with pytest.raises(DataError, match=r"b_image\.nii: no masks by .* belong to it; it needs one"):
        pairs(folder, "*_image.nii", "*_label.nii")


def test_a_pattern_that_nothing_fits_is_told(tmp_path):
    with pytest.raises(DataError, match=r"nothing below is called '\*_T2\.nii'"):
        pairs(touch(tmp_path, "a_image.nii"), "*_T2.nii", "*_label.nii")


@pytest.mark.parametrize("home", ["images/{}.png masks/{}.png", "images/{}.png mask/{}.png", "{}_image.nii {}_seg.nii"])
@pytest.mark.parametrize("named", [False, True])
def test_masks_without_an_image_are_told(tmp_path, home, named):
    image, mask = home.split()
    touch(tmp_path, *(name.format(case) for case in "ab" for name in (image, mask)), mask.format("c"))
    touch((tmp_path / mask).parent, "notes.txt")
    scans, notes = read_scan_folder(tmp_path, *([image.format("*"), mask.format("*")] if named else [None, None]))
    assert len(scans) == 2
    (told,) = notes
    assert told.startswith(f"{tmp_path / mask.format('c')}: is the mask of no image")


def test_further_channels_of_a_case_are_told(tmp_path):
    names = [f"imagesTr/c{case}_000{channel}.nii.gz" for case in (1, 2) for channel in (0, 1, 2)]
    touch(tmp_path, *names, "labelsTr/c1.nii.gz", "labelsTr/c2.nii.gz")
    scans, notes = read_scan_folder(tmp_path, None, None)
    assert [s.image[0].name for s in scans] == ["c1_0000.nii.gz", "c2_0000.nii.gz"]
    (told,) = notes
    assert told.startswith("4 images are further channels of a case and were left out")
    assert "c1_0001.nii.gz" in told
    again, notes = read_scan_folder(tmp_path, "imagesTr/*_0001.*", "labelsTr/*.*")
    assert [s.image[0].name for s in again] == ["c1_0001.nii.gz", "c2_0001.nii.gz"]
    assert not notes


def test_images_without_masks_asked_for_are_half_a_question(tmp_path):
    with pytest.raises(UsageError, match="Give both --images and --masks"):
        pairs(tmp_path, "*_image.nii")


def test_a_folder_of_something_else_is_refused_with_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no image with its mask was found by the usual names \(\*_image\.\*"):
        pairs(touch(tmp_path, "a.txt", "b.nii"))


def test_dicom_segmentations_are_the_last_resort(tmp_path):
    pytest.importorskip("highdicom")
    shape = (16, 14, 6)
    series = write_series(tmp_path / "ct", np.zeros(shape, np.int16))
    write_segmentation(tmp_path / "seg.dcm", series, [ball(shape, (5, 5, 2), 3.0)])
    (scan,), notes = read_scan_folder(tmp_path, None, None)
    assert sorted(scan.image) == sorted(series)
    assert scan.mask == (tmp_path / "seg.dcm",)
    assert not notes


@pytest.mark.parametrize("home", ["", "images"])
def test_a_folder_of_something_else_is_refused_with_the_table_in_it_or_beside_it(tmp_path, home):
    touch(tmp_path, "images/a.nii", "index.csv")
    with pytest.raises(DataError, match=f"give it as --data: {tmp_path / 'index.csv'}"):
        read_scan_folder(tmp_path / home, None, None)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("p1_image.nii.gz", "p1_label.nii.gz"),
        ("imagesTr/p1_0000.nii.gz", "labelsTr/p1.nii.gz"),
        ("imagesTr/p1.nii.gz", "labelsTr/p1.nii.gz"),
        ("images/p1.nii.gz", "masks/p1.nii.gz"),
    ],
)
@pytest.mark.parametrize("beside", ["image", "mask", "both"])
@pytest.mark.parametrize("ending", ["json", "bval", "txt"])
def test_sidecars_are_no_scans(tmp_path, image, mask, beside, ending):
    touch(tmp_path, image, mask)
    for name in {"image": [image], "mask": [mask], "both": [image, mask]}[beside]:
        (tmp_path / name.replace("nii.gz", ending)).write_text('{"Modality": "MR"}' * 20)
    scans, notes = read_scan_folder(tmp_path, None, None)
    assert [(s.image, s.mask) for s in scans] == [((tmp_path / image,), (tmp_path / mask,))]
    assert not notes


def test_sidecars_are_no_further_channels(tmp_path):
    touch(tmp_path, "imagesTr/c_0000.nii", "imagesTr/c_0001.nii", "imagesTr/c_0001.json", "labelsTr/c.nii")
    _, (told,) = read_scan_folder(tmp_path, None, None)
    assert told.startswith("1 images are further channels")


def test_a_broken_dicom_file_is_no_sidecar(tmp_path):
    assert pairs(touch(tmp_path, "a_image.dcm", "a_label.nii")) == [("a_image.dcm", "a_label.nii")]


def test_a_pattern_for_sidecars_alone_is_told(tmp_path):
    with pytest.raises(DataError, match=r"nothing below is called '\*\.json' and can be a scan"):
        pairs(touch(tmp_path, "a.json", "a_label.nii"), "*.json", "*_label.nii")
