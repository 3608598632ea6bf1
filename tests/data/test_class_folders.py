import shlex

import pytest

from augmentor.data.class_folders import read_class_folders
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError
from tests.data.written import column, touch


def test_a_folder_by_class(tmp_path):
    folder = touch(tmp_path / "set", "cyst/1.png", "cyst/deep/2.nii.gz", "hemangioma/3.jpg", "cyst/notes.txt")
    lesions = read_lesions(folder)
    assert column(lesions, "label") == ["cyst", "cyst", "hemangioma"]
    assert lesions.paths == [str(folder / n) for n in ("cyst/1.png", "cyst/deep/2.nii.gz", "hemangioma/3.jpg")]
    assert set(column(lesions, "split")) == {""}


@pytest.mark.parametrize("beside", [[], ["masks/cyst/1.png"], ["train/masks/1.png"], ["docs/readme.txt"]])
def test_a_folder_by_split_and_class(tmp_path, beside):
    names = ["train/cyst/1.png", "train/nevus/2.png", "validation/cyst/3.png", "Test/nevus/4.png"]
    lesions = read_lesions(touch(tmp_path / "set", *names, *beside))
    rows = zip(column(lesions, "split"), column(lesions, "label"), strict=True)
    assert sorted(rows) == [("test", "nevus"), ("train", "cyst"), ("train", "nevus"), ("val", "cyst")]


def test_a_class_beside_the_splits_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="extra beside the splits test, train"):
        read_lesions(touch(tmp_path / "set", "train/a/1.png", "test/a/2.png", "extra/3.png"))


def test_masks_are_no_class(tmp_path):
    folder = touch(tmp_path / "set", "cyst/1.png", "nevus/2.png", "Masks/cyst/1.png")
    lesions = read_lesions(folder)
    assert lesions.classes == ["cyst", "nevus"]
    (told,) = [note for note in lesions.warnings if "left out" in note]
    assert f"{folder / 'Masks'} (1 image). If it is a class, rename it." in told


def test_masks_among_the_classes_of_a_split_are_told(tmp_path):
    folder = touch(tmp_path, "train/a/1.png", "train/b/2.png", "train/masks/1.png", "train/masks/2.png", "test/a/3.png")
    assert any(f"{folder / 'train' / 'masks'} (2 images)" in note for note in read_lesions(folder).warnings)


def test_masks_beside_lesions_are_none_and_are_told(tmp_path):
    names = [
        "a/1.png",
        "a/1_mask.png",
        "a/masks/1.png",
        "a/p1/masks/1.png",
        "a/alone_mask.png",
        "b/2.png",
        "b/2-MASK.npy",
    ]
    lesions = read_lesions(touch(tmp_path, *names))
    assert [path.rpartition("/")[2] for path in lesions.paths] == ["1.png", "2.png"]
    assert any("3 images are taken for masks" in note for note in lesions.warnings)


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("benign (1).png", ["benign (1)_mask.png", "benign (1)_mask_1.png", "benign (1)_mask_12.png"]),
        ("p1_image.png", ["p1_mask.png"]),
        ("p1-Image.nii.gz", ["p1-label.nii.gz"]),
        ("p1.png", ["p1_label.png", "p1_LABEL.tif", "p1_seg.png", "p1_segmentation.png"]),
        ("images/p1.png", ["mask/p1.png"]),
        ("Images/p1.png", ["Labels/p1.png", "labels/p1/2.png", "segmentations/p1.png"]),
        ("deep/images/p1.png", ["deep/mask/p1.png"]),
    ],
)
def test_masks_are_known_by_the_usual_names(tmp_path, image, masks):
    lesions = read_lesions(touch(tmp_path, f"a/{image}", *(f"a/{mask}" for mask in masks), "b/2.png"))
    assert lesions.paths == [str(tmp_path / f"a/{image}"), str(tmp_path / "b/2.png")]
    assert any(f"{len(masks)} images are taken for masks" in note for note in lesions.warnings)


def test_what_is_called_like_a_mask_is_a_lesion_where_its_class_has_no_other(tmp_path):
    names = ["a/labels/1.png", "a/p3_image_2.png", "labels/p4.png", "mask/p5_mask_1.png", "seg/p6/1_seg.png"]
    lesions = read_lesions(touch(tmp_path, *names))
    assert lesions.paths == [str(tmp_path / name) for name in names]
    assert lesions.classes == ["a", "labels", "mask", "seg"]


@pytest.mark.parametrize("mask", ["Pre_Mask.nii.gz", "tumour-seg.nii.gz", "deep/x_label_1.nii.gz"])
def test_masks_under_another_stem_than_their_images_are_none(tmp_path, mask):
    lesions = read_lesions(touch(tmp_path, "a/Pre_Scan_T1.nii.gz", f"a/{mask}", "b/2.nii.gz"))
    assert [path.rpartition("/")[2] for path in lesions.paths] == ["Pre_Scan_T1.nii.gz", "2.nii.gz"]
    assert any(f"left out, for example {tmp_path / 'a' / mask}" in note for note in lesions.warnings)


_KINDS = [f"{kind}/{name}/{n}.png" for kind in ("roi64", "slices256") for name in ("glioma", "grade 2") for n in (1, 2)]


def test_kinds_of_images_with_the_classes_in_each_are_no_classes(tmp_path):
    folder = touch(tmp_path / "my set", *_KINDS, "index.csv", "docs/notes.txt")
    with pytest.raises(DataError, match=r"roi64/, slices256/ hold the same folders \(glioma, grade 2\)") as told:
        read_lesions(folder)
    assert f"Give --data '{folder / 'roi64'}'." in str(told.value)
    assert f"give it as --data: '{folder / 'index.csv'}'." in str(told.value)
    assert read_lesions(folder / "roi64").classes == ["glioma", "grade 2"]


def test_a_pattern_that_says_where_the_class_stands_makes_them_classes(tmp_path):
    lesions = read_lesions(touch(tmp_path, *_KINDS), patient_pattern="<class>/<view>/<patient>")
    assert lesions.classes == ["roi64", "slices256"]


@pytest.mark.parametrize(
    "names",
    [
        ["a/p1/1.png", "a/p2/1.png", "b/p1/1.png", "b/p2/1.png"],
        ["a/train/1.png", "a/test/2.png", "b/train/3.png", "b/test/4.png"],
        ["a/left/1.png", "a/right/2.png", "a/3.png", "b/left/1.png", "b/right/2.png"],
        ["a/left/1.png", "a/right/2.png", "b/left/1.png"],
        ["a/images/1.png", "b/images/2.png"],
        ["a/images/1.png", "a/labels/1.png", "b/images/2.png", "b/labels/2.png"],
        ["train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png"],
    ],
)
def test_folders_within_classes_that_may_be_patients_views_or_splits_stay_in_them(tmp_path, names):
    assert read_lesions(touch(tmp_path, *names)).classes == ["a", "b"]


@pytest.mark.parametrize("name", ["index.csv", "datalist.JSON", "set.npz"])
def test_a_data_file_beside_the_classes_is_told_as_not_read(tmp_path, name):
    lesions = read_lesions(touch(tmp_path, "a/1.png", "b/2.png", name, ".hidden.csv"))
    assert any(f"Not read, since the folders are the classes: {name}. If" in note for note in lesions.warnings)


@pytest.mark.parametrize("home", ["", "images/"])
@pytest.mark.parametrize("name", ["index.csv", "datalist.json", "set.npz"])
def test_a_folder_without_classes_is_refused_with_the_data_file_in_it_or_beside_it(tmp_path, name, home):
    folder = touch(tmp_path / "set", name, f"{home}1.txt") / home
    with pytest.raises(DataError, match=f"give it as --data: {tmp_path / 'set' / name}"):
        read_lesions(folder)


@pytest.mark.parametrize("home", ["", "train/"])
@pytest.mark.parametrize("masks", ["masks", "mask", "labels", "segmentations"])
def test_folders_of_images_and_of_their_masks_are_no_classes(tmp_path, home, masks):
    folder = touch(tmp_path / "my scans", f"{home}images/a/1.png", f"{home}{masks}/a/1.png")
    with pytest.raises(DataError, match=f"images and {masks} are no classes, but scans with their masks") as told:
        read_lesions(folder)
    advice = str(told.value).partition("lesions out first: ")[2]
    assert shlex.split(advice) == ["augmentor", "extract", "--data", str(folder / home)]


def test_hidden_files_and_folders_are_no_lesions(tmp_path):
    hidden = [".git/a/1.png", "cyst/._1.png", "cyst/.ipynb_checkpoints/1-checkpoint.png", ".DS_Store"]
    hidden += ["cyst/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/cyst/1.png", "#recycle/cyst/3.png"]
    lesions = read_lesions(touch(tmp_path / "set", "cyst/1.png", "nevus/2.png", *hidden))
    assert len(lesions) == 2


def test_a_class_without_a_readable_image_is_told(tmp_path):
    lesions = read_lesions(touch(tmp_path / "set", "cyst/1.png", "nevus/2.png", "metastasis/3.nrrd"))
    assert lesions.classes == ["cyst", "nevus"]
    assert any("No image is in metastasis" in w for w in lesions.warnings)


_WRITTEN = {
    "runs/1/recipe.toml": "",
    "x3/dataset_description.json": '{"GeneratedBy": [{"Name": "augmentor"}]}',
    "b2/benchmark.toml": "",
    "r/key.json": '{"reading": "0", "orders": {"anna": []}}',
    "e/evaluation.json": '{"tstr": null}',
}


@pytest.mark.parametrize("written", _WRITTEN)
def test_what_the_commands_wrote_among_the_lesions_is_no_class(tmp_path, written):
    touch(tmp_path, "a/1.png", "b/2.png", written, f"{written.rpartition('/')[0]}/samples/1.png")
    (tmp_path / written).write_text(_WRITTEN[written])
    lesions = read_lesions(tmp_path)
    assert lesions.classes == ["a", "b"]
    assert any(f"left out, is what augmentor wrote: {written.partition('/')[0]}." in told for told in lesions.warnings)


@pytest.mark.parametrize("written", [*_WRITTEN, "deep/runs/1/recipe.toml"])
def test_a_class_into_which_a_command_wrote_keeps_its_own_lesions(tmp_path, written):
    touch(tmp_path, "a/1.png", "b/2.png", f"b/{written}", f"b/{written.rpartition('/')[0]}/samples/1.png")
    (tmp_path / "b" / written).write_text(_WRITTEN[written.removeprefix("deep/")])
    lesions = read_lesions(tmp_path)
    assert [path.removeprefix(f"{tmp_path.resolve()}/") for path in lesions.paths] == ["a/1.png", "b/2.png"]


@pytest.mark.parametrize("home", ["b", "b/deep"])
@pytest.mark.parametrize("name", ["dataset_description.json", "key.json", "evaluation.json"])
def test_a_class_with_a_file_of_such_a_name_that_another_program_wrote_is_one(tmp_path, name, home):
    touch(tmp_path, "a/1.png", f"{home}/2.png")
    (tmp_path / home / name).write_text('{"Name": "Lesions", "BIDSVersion": "1.9.0"}')
    lesions = read_lesions(tmp_path)
    assert lesions.classes == ["a", "b"]
    assert not any("what augmentor wrote" in told for told in lesions.warnings)


@pytest.mark.parametrize("home", ["report", "reports/1"])
def test_a_report_among_the_lesions_is_no_class(tmp_path, home):
    lesions = read_lesions(touch(tmp_path, "a/1.png", "b/2.png", f"{home}/report.html", f"{home}/figures/1.png"))
    assert lesions.classes == ["a", "b"]
    assert any(f"what augmentor wrote: {home.partition('/')[0]}." in told for told in lesions.warnings)


def test_a_class_with_somebodys_own_report_stays_one(tmp_path):
    names = ["a/p1/1.png", "a/p1/report.html", "b/2.png", "b/report.html"]
    assert read_lesions(touch(tmp_path, *names)).classes == ["a", "b"]


@pytest.mark.parametrize("home", ["", "train/"])
def test_images_in_no_classs_folder_are_told(tmp_path, home):
    touch(tmp_path, f"{home}a/1.png", f"{home}b/2.png", f"{home}3.png", f"{home}.4.png", f"{home}notes.txt")
    lesions = read_lesions(tmp_path)
    assert len(lesions) == 2
    told = f"left out: 1, for example {tmp_path / home / '3.png'}"
    assert any(told in warning for warning in lesions.warnings)


def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "3.png").symlink_to(tmp_path / "not-fetched" / "3.png")
    assert str(tmp_path / "a" / "3.png") in read_lesions(tmp_path).paths


def test_linked_folders_are_read_in_the_order_of_their_names(tmp_path):
    touch(tmp_path / "elsewhere", "p2/2.png", "p2/deep/3.png", "p2/.hidden/4.png", "p2/masks/2.png")
    folder = touch(tmp_path / "set", "a/p1/1.png", "a/p3/5.png", "b/6.png")
    (folder / "a" / "p2").symlink_to(tmp_path / "elsewhere" / "p2")
    names = ("a/p1/1.png", "a/p2/2.png", "a/p2/deep/3.png", "a/p3/5.png", "b/6.png")
    assert read_lesions(folder).paths == [str(folder / name) for name in names]


@pytest.mark.parametrize("target", [".", "..", "../..", "p1", "../../elsewhere"])
def test_a_link_to_a_folder_that_is_read_already_adds_nothing(tmp_path, target):
    touch(tmp_path, "elsewhere/notes.txt")
    folder = touch(tmp_path / "set", "a/p1/1.png", "b/2.png")
    (folder / "a" / "again").symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to(folder / "a")
    assert read_lesions(folder).paths == [str(folder / "a/p1/1.png"), str(folder / "b/2.png")]


def test_files_of_other_kinds_in_a_class_are_counted(tmp_path):
    others = [f"a/{n}.webp" for n in range(8)] + ["b/deep/1.HEIC", "b/IM0001", "b/notes.txt", "b/.DS_Store"]
    lesions = read_lesions(touch(tmp_path, "a/1.png", "b/2.png", *others, "c/3.nrrd"))
    assert len(lesions) == 2
    (told,) = (note for note in lesions.warnings if "beside the images are left out" in note)
    assert f": 8 .webp, 1 .heic, 1 without a suffix (for example {tmp_path / 'a/0.webp'}). Convert" in told


def test_texts_beside_the_images_are_not_told(tmp_path):
    lesions = read_lesions(touch(tmp_path, "a/1.png", "a/1.json", "b/2.png", "b/notes.txt", "b/.DS_Store"))
    assert not any("left out" in note for note in lesions.warnings)


@pytest.mark.parametrize("names", [[], ["flat.png"], ["cyst/notes.txt"]])
def test_a_folder_without_images_by_class_is_refused(tmp_path, names):
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match=r"set/<class>/<image>"):
        read_lesions(touch(tmp_path / "set", *names))


def test_scans_beside_their_masks_are_no_classes(tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        touch(tmp_path, f"{folder}/p1_1.png", f"{folder}/p2_1.png")
    with pytest.raises(DataError, match=r"imagesTr and labelsTr are no classes.* augmentor extract --data"):
        read_lesions(tmp_path)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["T1.nii.gz", "FLAIR.nii.gz"], True),
        (["scan.nii.gz"], True),
        (["day0/scan.nii", "day9/mri.nii"], True),
        (["0.png", "1.png", "12.png"], False),
        (["img_1.png", "img_2.png"], False),
    ],
)
@pytest.mark.parametrize("folders", [2, 3, 11])
def test_folders_that_hold_the_same_names_are_told_to_look_like_patients(tmp_path, names, folders, told):
    touch(tmp_path, *[f"{n:02}/{name}" for n in range(folders) for name in names])
    _, notes = read_class_folders(tmp_path)
    if not told or folders < 3:
        assert not any("look like" in note for note in notes)
        return
    assert notes[0].startswith(f"The {folders} folders of {tmp_path.name} (00, 01, 02")
    assert "look like patients" in notes[0]
    assert f"augmentor extract --data {tmp_path}" in notes[0]
    assert not read_class_folders(tmp_path, sure=True)[1]
    touch(tmp_path, "00/another.png")
    assert not any("look like" in note for note in read_class_folders(tmp_path)[1])
