"""One scan's lesions, through `extract`."""

import re
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

from augmentor.data.images import read_image
from augmentor.data.masks import read_mask
from augmentor.errors import DataError
from augmentor.extraction.extract import extract
from augmentor.extraction.scans import Scan
from augmentor.recipe import ExtractSection
from tests.scan_sets import (
    CT_AFFINE,
    ball,
    scan_array,
    scans_in,
    table_of,
    write_case,
    write_nifti,
    write_segmentation,
    write_series,
)

# Geometry


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("axes", ["LPS", "RAS", "ASL"])
def test_the_lesions_centre_lies_where_it_lay_within_half_a_voxel(tmp_path, dims, axes):
    shape, centre = (40, 36, 12), (17, 20, 5)
    stored = nibabel.Nifti1Image(ball(shape, centre, 7.0).astype(np.uint8), CT_AFFINE)
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(CT_AFFINE), nibabel.orientations.axcodes2ornt(axes)
    )
    turned = stored.as_reoriented(turn)
    mask = np.asarray(turned.dataobj)
    write_nifti(tmp_path / "in" / "a_image.nii.gz", scan_array(mask > 0), turned.affine)
    write_nifti(tmp_path / "in" / "a_mask.nii.gz", mask, turned.affine)
    section = ExtractSection(dims=dims, size=48, format="nifti")
    extract(scans_in(tmp_path / "in"), tmp_path / "out", section)
    world = (CT_AFFINE @ [*centre, 1])[:3]
    for name, inside in (("masks/", lambda v: v > 0), ("", lambda v: v > 130)):
        image = nibabel.load(tmp_path / "out" / f"{name}cyst/0001-01.nii.gz")
        index = np.argwhere(inside(np.asarray(image.dataobj))).mean(axis=0)
        moved = nibabel.affines.apply_affine(image.affine, index) - world
        assert (np.abs(moved) < np.array([0.8, 0.8, 2.5]) / 2).all()
        np.testing.assert_allclose(image.header.get_zooms()[:2], image.header.get_zooms()[0], rtol=1e-5)
        assert image.header.get_xyzt_units()[0] == "mm"


def test_a_cube_has_one_spacing_and_the_ball_its_size(tmp_path):
    *_, mask = write_case(tmp_path / "in")
    extract(scans_in(tmp_path / "in"), tmp_path / "out", ExtractSection(dims=3, size=32))
    image = nibabel.load(tmp_path / "out/cyst/0001-01.nii.gz")
    assert image.shape == (32, 32, 32)
    (row,) = table_of(tmp_path / "out").itertuples()
    np.testing.assert_allclose(image.header.get_zooms(), float(row.spacing_mm), rtol=1e-4)
    assert float(row.roi_side_mm) == pytest.approx(32 * float(row.spacing_mm), rel=1e-3)
    inside = np.asarray(nibabel.load(tmp_path / "out" / row.mask).dataobj).sum() * float(row.spacing_mm) ** 3
    assert inside == pytest.approx(mask.sum() * 0.8 * 0.8 * 2.5, rel=0.12)


def test_what_is_cut_is_read_as_it_is_stored(tmp_path):
    """So that lesions of earlier extractions keep their pixels, and the hashes of them."""
    write_case(tmp_path / "in")
    turned = CT_AFFINE.copy()
    turned[:2, :2] = [[-0.75, 0.3], [-0.28, -0.75]]
    write_case(tmp_path / "in", "oblique", affine=turned)
    for dims in (2, 3):
        cut = extract(scans_in(tmp_path / "in"), tmp_path / f"{dims}", ExtractSection(dims=dims, size=20)).lesions
        assert len(cut) == 2
        for path, mask in zip(cut.paths, cut.table["mask"], strict=True):
            stored = np.asarray(nibabel.load(path).dataobj)
            np.testing.assert_array_equal(read_image(path).pixels[0], stored.squeeze().T)
            drawn = np.asarray(nibabel.load(mask).dataobj).squeeze().T
            np.testing.assert_array_equal(read_mask(mask, path, 20), drawn)


@pytest.mark.parametrize(("centre", "told"), [((20, 17, 6), ""), ((2, 17, 6), "a lesion reaches the scan's border")])
def test_a_lesion_at_the_scans_border_is_told(tmp_path, centre, told):
    write_case(tmp_path / "in", centre=centre)
    doubts = extract(scans_in(tmp_path / "in"), tmp_path / "out", ExtractSection(window="liver")).doubts
    assert any("case_image.nii.gz: a lesion reaches the scan's border" in d for d in doubts) is bool(told)


def test_dicom_and_nifti_of_one_scan_give_the_same_lesion(tmp_path):
    pytest.importorskip("highdicom")
    *_, mask = write_case(tmp_path / "nifti")
    voxels = scan_array(mask)
    series = write_series(tmp_path / "dicom" / "ct", (voxels + 1000).astype(np.int16), intercept=-1000)
    write_segmentation(tmp_path / "dicom" / "seg.dcm", series, [mask])
    write_nifti(tmp_path / "nifti" / "case_image.nii.gz", voxels)
    for name in ("nifti", "dicom"):
        extract(scans_in(tmp_path / name), tmp_path / f"out-{name}", ExtractSection(format="npy"))
    made = [np.load(tmp_path / f"out-{name}/cyst/0001-01.npy") for name in ("nifti", "dicom")]
    np.testing.assert_allclose(*made, atol=1e-3)


def test_a_mask_of_a_dicom_series_may_be_nifti(tmp_path):
    *_, mask = write_case(tmp_path / "nifti")
    series = write_series(tmp_path / "ct", scan_array(mask))
    scan = Scan(tuple(series), (tmp_path / "nifti" / "case_label.nii.gz",), label="cyst")
    cut = extract([scan], tmp_path / "out")
    assert len(cut.lesions) == 1
    assert not any("another grid" in d for d in cut.doubts)


def test_a_mask_on_another_grid_is_a_warning_and_by_strict_an_error(cases, tmp_path):
    other = CT_AFFINE @ np.diag([1.25, 1.25, 1, 1])
    mask = ball((32, 29, 12), (16, 13.6, 6), 7.0, (1.0, 1.0, 2.5))
    write_nifti(cases / "a_label.nii.gz", mask.astype(np.uint8), other)
    cut = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver"))
    assert any(
        "a_label.nii.gz: lies on another grid (32x29x12, LPS) than its image (40x36x12, LPS)" in d for d in cut.doubts
    )
    with pytest.raises(DataError, match="lies on another grid"):
        extract(scans_in(cases), tmp_path / "strict", ExtractSection(window="liver", strict=True))
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize(("spacing", "told"), [(9.0, "11 times longer than wide"), (2.5, None)])
def test_anisotropy_over_ten_is_a_doubt(tmp_path, spacing, told):
    write_case(tmp_path / "in", affine=np.diag([0.8, 0.8, spacing, 1]))
    cut = extract(
        scans_in(tmp_path / "in", patient_pattern="<patient>_<rest>"), tmp_path / "out", ExtractSection(window="liver")
    )
    assert any(told in d for d in cut.doubts) if told else not cut.doubts


# Which lesions


def test_every_component_and_every_second_section(tmp_path):
    mask = ball((40, 36, 12), (10, 10, 4), 6.0) | ball((40, 36, 12), (30, 26, 8), 6.0)
    write_nifti(tmp_path / "in/a_image.nii", scan_array(mask))
    write_nifti(tmp_path / "in/a_mask.nii", mask.astype(np.uint8))
    extract(scans_in(tmp_path / "in"), tmp_path / "out", ExtractSection(every=2, window="liver"))
    table = table_of(tmp_path / "out")
    assert table["lesion"].tolist() == ["0001-01"] * 3 + ["0001-02"] * 3
    assert table["path"].tolist()[-1] == "cyst/0001-02-03.png"


def test_classes_come_from_the_masks_numbers(tmp_path):
    mask = (
        ball((40, 36, 12), (10, 10, 4), 6.0)
        + 2 * ball((40, 36, 12), (30, 26, 8), 6.0)
        + 3 * ball((40, 36, 12), (30, 6, 8), 3.0)
    )
    write_nifti(tmp_path / "in/a_image.nii", scan_array(mask > 0))
    write_nifti(tmp_path / "in/a_mask.nii", mask.astype(np.uint8))
    extract(
        scans_in(tmp_path / "in", label=None),
        tmp_path / "out",
        ExtractSection(values={1: "cyst", 2: "mass/b"}, window="liver"),
    )
    table = table_of(tmp_path / "out")
    assert table["label"].tolist() == ["cyst", "mass/b"]
    assert re.fullmatch(r"mass_b-[0-9a-f]{6}/0001-02\.png", table["path"][1])
    with pytest.raises(DataError, match=r"no class is known for a lesion \(its mask says 2\).*--label-pattern"):
        extract(scans_in(tmp_path / "in", label=None), tmp_path / "two", ExtractSection(values={1: "cyst", 2: ""}))


def _with_a_second_number(cases, number, *names):
    for name in names:
        image = nibabel.load(cases / f"{name}_label.nii.gz")
        labels = np.asarray(image.dataobj).astype(np.int16)
        labels[20:22, 17:20, 5] = number
        write_nifti(cases / f"{name}_label.nii.gz", labels, image.affine)


@pytest.mark.parametrize("number", [2, 255, -1])
def test_numbers_that_are_joined_are_told_once_for_all_masks(cases, tmp_path, number):
    shown = ", ".join(map(str, sorted([1, number])))
    section = ExtractSection(window="liver")
    for names, told in (("b", "holds"), ("ab", "2 masks, for example")):
        _with_a_second_number(cases, number, *names)
        doubts = [d for d in extract(scans_in(cases), tmp_path / names, section).doubts if "--per value" in d]
        assert len(doubts) == 1
        assert told in doubts[0]
        assert f"{names[0]}_label.nii.gz" in doubts[0]
        assert f"the numbers {shown}: all were taken as one kind of lesion, and joined where they touch" in doubts[0]
    with pytest.raises(DataError, match=f"the numbers {shown}: all were taken as one kind of lesion"):
        extract(scans_in(cases), tmp_path / "strict", section.model_copy(update={"strict": True}))


@pytest.mark.parametrize("settings", [{"values": {1: ""}}, {"per": "value", "min_voxels": 1}])
def test_numbers_that_are_told_apart_are_no_doubt(cases, tmp_path, settings):
    _with_a_second_number(cases, 2, "a", "b")
    doubts = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver", **settings)).doubts
    assert not any("one kind of lesion" in d for d in doubts)


@pytest.mark.parametrize(("number", "told"), [(-1, True), (255, True), (2, False)])
def test_a_number_for_what_is_not_looked_at_is_told_where_each_number_is_a_lesion(cases, tmp_path, number, told):
    _with_a_second_number(cases, number, "a")
    section = ExtractSection(window="liver", per="value", min_voxels=1)
    doubts = extract(scans_in(cases), tmp_path / "out", section).doubts
    assert any(f"a_label.nii.gz: {number} counts as a lesion" in d for d in doubts) is told
    named = section.model_copy(update={"values": {1: "", number: ""}})
    assert not any("counts as a lesion" in d for d in extract(scans_in(cases), tmp_path / "named", named).doubts)


def test_one_number_is_no_doubt(cases, tmp_path):
    doubts = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver")).doubts
    assert not any("one kind of lesion" in d for d in doubts)


def test_values_that_no_mask_holds_are_told_with_those_that_it_holds(cases, tmp_path):
    with pytest.raises(DataError, match=r"a_label\.nii\.gz: holds none of --values; it holds 1"):
        extract(scans_in(cases), tmp_path / "out", ExtractSection(values={5: "cyst"}))


def test_specks_are_left_out_and_counted(cases, tmp_path):
    write_nifti(cases / "b_label.nii.gz", ball((40, 36, 12), (10, 10, 4), 0.9).astype(np.uint8))
    cut = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver"))
    assert len(cut.lesions) == 1
    assert "1 lesions of fewer than 10 voxels were left out (--min-voxels)." in cut.doubts
    extract(scans_in(cases), tmp_path / "all", ExtractSection(window="liver", min_voxels=1))
    assert len(table_of(tmp_path / "all")) == 2


def test_a_scan_with_an_empty_mask_gives_none_and_by_strict_is_an_error(cases, tmp_path):
    write_nifti(cases / "b_label.nii.gz", np.zeros((40, 36, 12), np.uint8))
    cut = extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver"))
    assert len(cut.lesions) == 1
    assert any("b_label.nii.gz: is empty" in d for d in cut.doubts)
    with pytest.raises(DataError, match="is empty"):
        extract(scans_in(cases), tmp_path / "strict", ExtractSection(strict=True))


def test_boxes_in_pictures_need_no_mask(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    scan = Scan(
        (tmp_path / "slice.png",), boxes=((20, 10, 52, 42),), label="cyst", patient="p", fold="2", split="train"
    )
    cut = extract([scan], tmp_path / "out", ExtractSection(margin=0, size=32))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/cyst/0001-01.png")), pixels[10:42, 20:52])
    (row,) = table_of(tmp_path / "out").itertuples()
    assert (row.mask, row.roi_side_mm, row.spacing_mm, row.fold, row.split) == ("", "", "", "2", "train")
    assert not cut.doubts
    with pytest.raises(DataError, match="does not say how large its pixels are, which --fov needs"):
        extract([scan], tmp_path / "fov", ExtractSection(fov=60))
    extract([replace(scan, spacing=(0.5, 0.5))], tmp_path / "mm", ExtractSection(fov=16, size=32))
    assert table_of(tmp_path / "mm")["roi_side_mm"].tolist() == ["16"]


def test_a_box_that_leaves_the_scan_is_told(tmp_path):
    Image.fromarray(np.arange(1600).reshape(40, 40).astype(np.uint8)).save(tmp_path / "slice.png")
    for box in ((-3, 8, 30, 30), (8, 8, 41, 30), (0.5, 0.5, 1, 1)):
        scan = Scan((tmp_path / "slice.png",), boxes=(box,), label="cyst", patient="p")
        doubts = extract([scan], tmp_path / f"out{box[2]}").doubts
        assert any("leaves the scan; it was cut at the border" in d for d in doubts) is (box[2] != 1)


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ((0, 8, 20, 30), "a lesion reaches the scan's border, beyond which the image was mirrored."),
        ((8, 8, 20, 40), "a lesion reaches the scan's border, beyond which the image was mirrored."),
        ((8, 8, 41, 30), "the box 8, 8, 41, 30 leaves the scan; it was cut at the border."),
        ((8, 8, 20.4, 8.7), "the box 8, 8, 20.4, 8.7 holds less than a voxel along an axis. Are its numbers voxels?"),
        ((1, 1, 39, 39), None),
    ],
)
def test_what_is_doubtful_of_a_box_is_told_once(tmp_path, box, told):
    Image.fromarray(np.arange(1600).reshape(40, 40).astype(np.uint8)).save(tmp_path / "slice.png")
    scan = Scan((tmp_path / "slice.png",), boxes=(box,), label="cyst", patient="p")
    doubts = extract([scan], tmp_path / "out").doubts
    assert doubts == ((f"{tmp_path / 'slice.png'}: {told}",) if told else ())


def test_stored_values_are_rescaled_to_units_before_the_window(tmp_path):
    Image.fromarray(np.full((40, 40), 32768 + 50, np.uint16)).save(tmp_path / "slice.png")
    scan = Scan((tmp_path / "slice.png",), boxes=((8, 8, 30, 30),), label="cyst")
    extract([scan], tmp_path / "out", ExtractSection(rescale=(1, -32768), window="0,100", format="npy"))
    np.testing.assert_allclose(np.load(tmp_path / "out/cyst/0001-01.npy"), 50, atol=0.02)


# What can't be used


@pytest.mark.parametrize("bad", [np.nan, -np.inf, 1e200])
def test_values_that_are_no_numbers_are_told_where_they_matter(cases, tmp_path, bad):
    voxels = np.asarray(nibabel.load(cases / "a_image.nii.gz").dataobj).astype(np.float64)
    voxels[20, 17, 6] = bad
    write_nifti(cases / "a_image.nii.gz", voxels)
    with pytest.raises(DataError, match=r"a_image\.nii\.gz: 1 voxels around a lesion are NaN, infinite"):
        extract(scans_in(cases), tmp_path / "out", ExtractSection(window="liver"))


def test_one_section_is_no_cube(tmp_path):
    write_case(tmp_path / "in", shape=(40, 36, 1), centre=(20, 17, 0))
    with pytest.raises(DataError, match=r"is one section \(40x36x1\); cut it with --dims 2"):
        extract(scans_in(tmp_path / "in"), tmp_path / "out", ExtractSection(dims=3))


def test_colours_have_no_window(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "skin.png")
    scan = Scan((tmp_path / "skin.png",), boxes=((8, 8, 30, 30),), label="nevus")
    extract([scan], tmp_path / "out")
    assert np.asarray(Image.open(tmp_path / "out/nevus/0001-01.png")).shape == (64, 64, 3)
    with pytest.raises(DataError, match=r"skin\.png: is in colour; windows and --dims 3 are for grey scans"):
        extract([scan], tmp_path / "w", ExtractSection(window="0,100"))
    with pytest.raises(DataError, match="Colour can't be written as NIfTI"):
        extract([scan], tmp_path / "n", ExtractSection(format="nifti"))
