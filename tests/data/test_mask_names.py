from augmentor.data.mask_names import in_mask_folders, masks_among
from augmentor.extraction.scan_folders import read_scan_folder
from tests.data.written import touch


def test_only_folders_below_the_data_are_of_masks(tmp_path):
    home = tmp_path / "masks" / "set"
    files = [
        home / name for name in ("a/1.png", "a/masks/1.png", "b/images/2.png", "b/labels/deep/2.png", "c/labels/3")
    ]
    assert in_mask_folders(files, home) == {files[1], files[3]}


def test_a_number_or_another_case_is_of_a_mask_too(tmp_path):
    names = ("1_Mask.png", "1_mask_2.nii.gz", "1-seg.png", "2_label.png", "3_mask.png", "x/1_mask.png")
    masks = [tmp_path / name for name in names]
    images = [tmp_path / name for name in ("1.png", "2_image.png", "4_masked.png", "4.png", "mask.png")]
    assert masks_among([*images, *masks], tmp_path) == set(masks)


def test_where_all_files_are_called_like_masks_those_beside_their_image_are(tmp_path):
    files = [tmp_path / name for name in ("1_seg.png", "2_seg.png", "2_seg_mask.png")]
    assert masks_among(files, tmp_path) == {files[2]}


def test_pairs_that_extract_knows_are_no_two_lesions(tmp_path):
    """Masks beside images are the same ones for both commands."""
    for ending in ("label", "mask", "seg", "segmentation"):
        names = [f"{ending}/p1_image.png", f"{ending}/p1_{ending}.png"]
        (scan,), _ = read_scan_folder(touch(tmp_path, *names) / ending, None, None)
        assert masks_among([tmp_path / name for name in names], tmp_path) == set(scan.mask)
    for folder in ("masks", "mask", "labels", "segmentations"):
        names = [f"in-{folder}/images/1.png", f"in-{folder}/{folder}/1.png"]
        (scan,), _ = read_scan_folder(touch(tmp_path, *names) / f"in-{folder}", None, None)
        assert masks_among([tmp_path / name for name in names], tmp_path) == set(scan.mask)
