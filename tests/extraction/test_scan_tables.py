import json

import numpy as np
import pytest

from augmentor.errors import DataError
from augmentor.extraction.scan_tables import read_scan_csv, read_scan_datalist
from augmentor.extraction.sources import is_scan_table, open_lesions
from tests.scan_sets import write_series


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return file


def scans_of(tmp_path, text, **columns):
    return read_scan_csv(write(tmp_path / "scans.csv", text), columns)


# CSV


def test_a_table_of_images_and_masks(tmp_path):
    text = "image,mask,label,patient,split,fold\nct/1.nii,m/1.nii,cyst,p1,Training,2\n/abs/2,/abs/3,mass,p2,test,1\n"
    first, second = scans_of(tmp_path, text)
    assert (first.image, first.mask) == ((tmp_path / "ct/1.nii",), (tmp_path / "m/1.nii",))
    assert (first.label, first.patient, first.split, first.fold) == ("cyst", "p1", "train", "2")
    assert (str(second.image[0]), str(second.mask[0]), second.split) == ("/abs/2", "/abs/3", "test")


@pytest.mark.parametrize(
    ("header", "row", "box"),
    [
        ("image,box", '1.png,"1, 2, 3, 4"', (1, 2, 3, 4)),
        ("image,bounding_boxes", '1.png,"[1 2 0 3 4 5]"', (1, 2, 0, 3, 4, 5)),
        ("file,ymin,xmin,ymax,xmax", "1.png,2,1,4,3", (1, 2, 3, 4)),
        ("File_name,x1,y1,x2,y2", "1.png,1,2,3,4", (1, 2, 3, 4)),
        ("scan,xmin,ymin,zmin,xmax,ymax,zmax", "1.nii,1,2,3,4,5,6", (1, 2, 3, 4, 5, 6)),
    ],
)
def test_boxes_are_found_by_their_usual_columns(tmp_path, header, row, box):
    (scan,) = scans_of(tmp_path, f"{header}\n{row}\n")
    assert scan.boxes == (box,)


def test_columns_can_be_named_and_a_box_put_together(tmp_path):
    text = "ct,l,t,r,b,kind,who\n1.png,1,2,3,4,cyst,7\n"
    (scan,) = scans_of(tmp_path, text, image="ct", box="l+t+r+b", label="kind", patient="who")
    assert (scan.image[0].name, scan.boxes, scan.label, scan.patient) == ("1.png", ((1, 2, 3, 4),), "cyst", "7")


def test_deeplesions_own_table_is_read(tmp_path):
    write(tmp_path / "Images_png" / "000001_01_01" / "109.png", "")
    write(tmp_path / "Images_png" / "000002_01_01" / "109.png", "")
    text = (
        "File_name,Patient_index,Bounding_boxes,Coarse_lesion_type,Spacing_mm_px_\n"
        '000001_01_01_109.png,1,"226.169, 90.0204, 241.252, 111.977",3,"0.488281, 0.488281, 5"\n'
    )
    (scan,) = scans_of(tmp_path, text)
    assert scan.image == (tmp_path / "Images_png" / "000001_01_01" / "109.png",)
    assert scan.boxes == ((226.169, 90.0204, 241.252, 111.977),)
    assert (scan.patient, scan.label, scan.spacing) == ("1", "3", (0.488281, 0.488281))


@pytest.mark.parametrize("given", [0.5, "0.5", [0.5, 0.5], [0.5, 0.5, 5], "0.5, 0.5"])
def test_one_spacing_is_that_of_both_directions(tmp_path, given):
    (scan,) = read_scan_datalist(
        write(tmp_path / "s.json", {"training": [{"image": "1.png", "box": "1,2,3,4", "spacing": given}]}), {}
    )
    assert (scan.spacing, scan.boxes) == ((0.5, 0.5), ((1, 2, 3, 4),))
    cell = str(given).strip("[]")
    (scan,) = scans_of(tmp_path, f'image,box,spacing_mm\n1.png,"1,2,3,4","{cell}"\n')
    assert scan.spacing == (0.5, 0.5)


@pytest.mark.parametrize("between", [";", "\t"])
@pytest.mark.parametrize(
    ("cell", "spacing"),
    [
        *[("1,25", (1.25, 1.25)), ("1.25", (1.25, 1.25)), ("2", (2, 2)), ("0,5 0,7", (0.5, 0.7))],
        *[
            ('"0,5;0,7"', (0.5, 0.7)),
            ("0,5 x 0,7 x 5", (0.5, 0.7)),
            ("0.5, 0.7, 5", (0.5, 0.7)),
            ("0.5,0.7", (0.5, 0.7)),
        ],
        *[("[0,5, 0,7]", (0.5, 0.7)), ("", None)],
    ],
)
def test_a_comma_is_a_decimal_one_where_none_separates_the_columns(tmp_path, between, cell, spacing):
    text = f"image{between}mask{between}spacing\n1.png{between}2.png{between}{cell}\n"
    (scan,) = scans_of(tmp_path, text)
    assert scan.spacing == spacing


@pytest.mark.parametrize(
    ("header", "row", "box"),
    [
        ("xmin;ymin;xmax;ymax", "10,5;12,5;40;44", (10.5, 12.5, 40, 44)),
        ("xmin;ymin;xmax;ymax", "10.5;12.5;40;44", (10.5, 12.5, 40, 44)),
        ("box", '"10,5;12,5;40;44"', (10.5, 12.5, 40, 44)),
        ("box", "10,5 12,5 40 44", (10.5, 12.5, 40, 44)),
        ("box", "10, 12, 40, 44", (10, 12, 40, 44)),
        ("box", "10,12,40,44", (10, 12, 40, 44)),
        ("box", "10.5,12.5,40,44", (10.5, 12.5, 40, 44)),
        ("box", "10,12,1,40,44,2", (10, 12, 1, 40, 44, 2)),
    ],
)
def test_boxes_with_decimal_commas(tmp_path, header, row, box):
    (scan,) = scans_of(tmp_path, f"image;{header}\n1.png;{row}\n")
    assert scan.boxes == (box,)


def test_a_comma_in_a_comma_separated_table_separates_numbers(tmp_path):
    (scan,) = scans_of(tmp_path, 'image,mask,spacing\n1.png,2.png,"1,25"\n')
    assert scan.spacing == (1, 25)


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("mask;spacing", "2.png;1,25,1,25", "row 2: '1,25,1,25' can be read in several ways.* Put spaces between"),
        ("mask;spacing", "2.png;1,2,5", "row 2: '1,2,5' can be read in several ways"),
        ("xmin;ymin;xmax;ymax", "1,024,5;12;40;44", "row 2: '1,024,5' can be read in several ways"),
        ("box", "10,5,12,5,40,5,44,5", "row 2: '10,5,12,5,40,5,44,5' can be read in several ways"),
        ("box", "10,20 30,40", "row 2: its box needs 4 numbers"),
    ],
)
def test_commas_that_can_be_read_in_several_ways_are_refused(tmp_path, header, row, told):
    with pytest.raises(DataError, match=told):
        scans_of(tmp_path, f"image;{header}\n1.png;{row}\n")


@pytest.mark.parametrize("box", [5, {"xmin": 1}, "1,2", [["a", 1, 2, 3]]])
def test_a_box_of_another_kind_is_refused_with_its_place(tmp_path, box):
    file = write(tmp_path / "s.json", {"training": [{"image": "1.png", "box": box}]})
    with pytest.raises(DataError, match=r"training\[0\]: .*(4 numbers|no numbers)"):
        read_scan_datalist(file, {})


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "d/" * 2500 + "1.nii"])
def test_a_name_that_no_file_can_have_is_refused_with_its_row(tmp_path, name):
    with pytest.raises(DataError, match=r"row 2: .* is no file's name \(File name too long\)\. Correct the path"):
        scans_of(tmp_path, f"image,mask\n{name},m.nii\n")
    with pytest.raises(DataError, match=r"training\[0\]: .* is no file's name"):
        read_scan_datalist(write(tmp_path / "s.json", {"training": [{"image": "1.nii", "mask": name}]}), {})


def test_a_long_label_is_a_class(tmp_path):
    item = {"image": "1.nii", "mask": "m.nii", "label": "x" * 300}
    (scan,) = read_scan_datalist(write(tmp_path / "s.json", {"training": [item]}), {})
    assert scan.label == "x" * 300


def test_a_bare_name_that_several_files_have_is_refused(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder / "1.png", "")
    with pytest.raises(DataError, match=r"row 2: 1\.png: several files have this name below the table"):
        scans_of(tmp_path, 'image,box\n1.png,"1,2,3,4"\n')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image,label\n1.nii,a\n", "has no column for mask or box. Its columns are image, label.*--columns box="),
        ("slide,mask\n1.nii,a\n", "has no column for image .*--columns image=NAME"),
        ("image,mask\n,m.nii\n", "row 2: has no image"),
        ("image,mask\n1.nii,\n", "row 2: has neither mask nor box"),
        ('image,mask,box\n1.nii,m.nii,"1,2,3,4"\n', "row 2: has both a mask and a box"),
        ('image,box\n1.png,"1,2,3"\n', r"row 2: its box needs 4 numbers \(x0, y0, x1, y1\) or 6"),
        ('image,box\n1.png,"1,2,3,four"\n', "row 2: '1,2,3,four' are no numbers"),
        ('image,box,spacing\n1.png,"1,2,3,4",0\n', r"row 2: its spacing is \(0\.0, 0\.0\); it is in mm, above 0"),
        ("image,mask,split\n1.nii,m.nii,later\n", "split 'later' is none of"),
        ("image,mask\n1.nii,m.nii,more\n", "more fields than the header"),
        ("", "is empty"),
    ],
)
def test_what_a_table_lacks_is_told_with_its_row(tmp_path, text, told):
    with pytest.raises(DataError, match=rf"(?s)scans\.csv.*{told}"):
        scans_of(tmp_path, text)


def test_many_bad_rows_are_counted(tmp_path):
    with pytest.raises(DataError, match=r"\.\.\. and 4 more such rows"):
        scans_of(tmp_path, "image,mask\n" + "1.nii,\n" * 9)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(DataError, match=r"no column 'ct' \(wanted for image\)\. Its columns are image, mask") as told:
        scans_of(tmp_path, "image,mask\n1.nii,2.nii\n", image="ct", colour="mask")
    assert "--columns names 'colour'; it takes image, mask, label" in str(told.value)
    assert len(told.value.problems) == 2


@pytest.mark.parametrize("cell", ["10,8,20,18", "10,8,5,6", "1 2 0 3 4 5"])
def test_a_box_that_may_be_cocos_is_refused_unless_it_is_named(tmp_path, cell):
    text = f'image,BBox,label\n1.png,"{cell}",cyst\n'
    with pytest.raises(DataError, match=r"scans\.csv: .* column bbox, .*x, y, width, height.*--columns box=bbox"):
        scans_of(tmp_path, text)
    (scan,) = scans_of(tmp_path, text, box="BBox")
    assert scan.boxes == (tuple(map(float, cell.replace(",", " ").split())),)
    assert scans_of(tmp_path, "image,mask,bbox\n1.nii,2.nii,\n")


@pytest.mark.parametrize("text", ['image,bbox,label\n1.png,"1,2,3,4",a\n', 'image,box,label\n1.png,"1,2,3",a\n'])
def test_boxes_with_something_wrong_make_no_table_of_lesions(tmp_path, text):
    file = write(tmp_path / "scans.csv", text)
    assert is_scan_table(file)
    with pytest.raises(DataError, match="box"):
        open_lesions(file)


def test_a_table_of_lesions_with_masks_may_tell_their_boxes_too(tmp_path):
    assert not is_scan_table(write(tmp_path / "t.csv", 'path,label,mask,bbox\n1.png,a,m.png,"1,2,3,4"\n'))


@pytest.mark.parametrize(
    ("header", "told"), [("label,label", "Delete all but one"), ("label,class", "Say which: --columns label=NAME")]
)
def test_columns_of_one_meaning_that_differ_are_refused(tmp_path, header, told):
    with pytest.raises(DataError, match=rf"row 2: several columns can be label, .*'a'.*'b'.*{told}"):
        scans_of(tmp_path, f"image,mask,{header}\n1.nii,2.nii,a,b\n")


def test_words_that_often_mean_something_else_count_where_there_are_no_better_ones(tmp_path):
    (scan,) = scans_of(tmp_path, "series,image,mask,type_name,dx\n1.2.840,1.nii,2.nii,3,cyst\n")
    assert (scan.image[0].name, scan.label) == ("1.nii", "cyst")
    (scan,) = scans_of(tmp_path, "series,mask,type_name\nCT,2.nii,cyst\n")
    assert (scan.image[0].name, scan.label) == ("CT", "cyst")


def test_images_and_masks_are_found_by_their_ids(tmp_path):
    for name in ("images/c1.nii.gz", "masks/c1.nii.gz", "images/c2.nrrd", "labels/c2.nrrd", "images/.c1.nii", "c1.txt"):
        write(tmp_path / name, "")
    scans = scans_of(tmp_path, "image,mask\nc1,c1\nc2,c2\n")
    found = [(s.image[0].relative_to(tmp_path), s.mask[0].relative_to(tmp_path)) for s in scans]
    assert [tuple(map(str, pair)) for pair in found] == [
        ("images/c1.nii.gz", "masks/c1.nii.gz"),
        ("images/c2.nrrd", "labels/c2.nrrd"),
    ]


def test_a_series_is_found_by_the_name_of_its_folder(tmp_path):
    write_series(tmp_path / "p1" / "CT", np.zeros((6, 5, 2), np.int16))
    write(tmp_path / "p2" / "CT" / "notes.txt", "")
    (scan,) = scans_of(tmp_path, 'image,box\nCT,"1,2,3,4"\n')
    assert scan.image == (tmp_path / "p1" / "CT",)


def test_rows_are_told_by_their_numbers_in_the_file(tmp_path):
    with pytest.raises(DataError, match=r"row 5: has neither mask nor box"):
        scans_of(tmp_path, "sep=;\nimage;mask\n1.nii;2.nii\n\n;\n3.nii;\n")


# Datalists


def datalist(tmp_path, content):
    return read_scan_datalist(write(tmp_path / "set.json", content), {})


def test_a_datalist_of_images_masks_and_classes(tmp_path):
    item = {"image": "1.nii", "mask": "m.nii", "label": 1, "patient": 7, "fold": 0}
    content = {"labels": {"1": "cyst"}, "training": [item], "validation": [item | {"label": "mass"}], "test": ["9.nii"]}
    first, second = datalist(tmp_path, content)
    assert (first.image, first.mask) == ((tmp_path / "1.nii",), (tmp_path / "m.nii",))
    assert (first.label, first.patient, first.fold, first.split) == ("cyst", "7", "0", "train")
    assert (second.label, second.split) == ("mass", "val")


def test_a_label_that_is_a_file_is_the_mask_as_in_the_decathlon(tmp_path):
    content = {"training": [{"image": "./imagesTr/1.nii.gz", "label": "./labelsTr/1.nii.gz"}]}
    (scan,) = datalist(tmp_path, content)
    assert scan.mask == (tmp_path / "labelsTr/1.nii.gz",)
    assert (scan.label, scan.split) == ("", "")


def test_boxes_of_one_image_share_its_label_or_have_their_own(tmp_path):
    boxes = [[1, 2, 3, 4], [5, 6, 7, 8]]
    (scan,) = datalist(tmp_path, {"training": [{"image": "1.png", "box": boxes, "label": "a", "spacing": [0.5, 0.7]}]})
    assert (scan.boxes, scan.label, scan.spacing) == (((1, 2, 3, 4), (5, 6, 7, 8)), "a", (0.5, 0.7))
    first, second = datalist(tmp_path, {"training": [{"image": "1.png", "box": boxes, "label": ["a", "b"]}]})
    assert [(s.boxes, s.label) for s in (first, second)] == [(((1, 2, 3, 4),), "a"), (((5, 6, 7, 8),), "b")]


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"image": ["t1.nii", "t2.nii"], "mask": "m.nii"}, r"its image is \['t1.nii', 't2.nii'\]; give one file"),
        ({"mask": "m.nii"}, "its image is None"),
        ({"image": "1.nii", "label": "cyst"}, "has neither mask nor box"),
        ({"image": "1.nii", "box": [[1, 2, 3, 4]], "label": ["a", "b"]}, "it has 1 boxes and 2 labels"),
        ({"image": "1.nii", "box": [1, 2, "x", 4]}, "'1,2,x,4' are no numbers"),
    ],
)
def test_what_an_item_lacks_is_told_with_its_place(tmp_path, item, told):
    with pytest.raises(DataError, match=rf"set\.json: training\[0\]: {told}"):
        datalist(tmp_path, {"training": [item]})


def test_what_is_no_json_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"set\.json: is no JSON"):
        datalist(tmp_path, "{training")
