import io
import json
import zipfile

import numpy as np
import pytest

from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError


def touch(folder, *names):
    """Files without content: a reader looks at names only."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write_csv(file, text, encoding="utf-8"):
    file.write_text(text, encoding=encoding)
    return file


def write_json(file, content):
    file.write_text(json.dumps(content))
    return file


def column(lesions, name):
    return lesions.table[name].tolist()


# Folders


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
    lesions = read_lesions(touch(tmp_path / "set", "cyst/1.png", "nevus/2.png", "masks/cyst/1.png"))
    assert lesions.classes == ["cyst", "nevus"]


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
    assert [path.rpartition("/")[2] for path in lesions.paths] == ["1.png", "alone_mask.png", "2.png"]
    assert any("2 images are taken for masks" in note for note in lesions.warnings)


def test_hidden_files_and_folders_are_no_lesions(tmp_path):
    hidden = [".git/a/1.png", "cyst/._1.png", "cyst/.ipynb_checkpoints/1-checkpoint.png", ".DS_Store"]
    lesions = read_lesions(touch(tmp_path / "set", "cyst/1.png", "nevus/2.png", *hidden))
    assert len(lesions) == 2


def test_a_class_without_a_readable_image_is_told(tmp_path):
    lesions = read_lesions(touch(tmp_path / "set", "cyst/1.png", "nevus/2.png", "metastasis/3.nrrd"))
    assert lesions.classes == ["cyst", "nevus"]
    assert any("No image is in metastasis" in w for w in lesions.warnings)


_WRITTEN = ["runs/1/recipe.toml", "x3/dataset_description.json", "b2/benchmark.toml", "r/key.json"]


@pytest.mark.parametrize("written", _WRITTEN)
def test_what_the_commands_wrote_among_the_lesions_is_no_class(tmp_path, written):
    touch(tmp_path, "a/1.png", "b/2.png", written, f"{written.rpartition('/')[0]}/samples/1.png")
    (tmp_path / written).write_text('{"GeneratedBy": [{"Name": "augmentor"}]}')
    lesions = read_lesions(tmp_path)
    assert lesions.classes == ["a", "b"]
    assert any(f"left out, is what augmentor wrote: {written.partition('/')[0]}." in told for told in lesions.warnings)


@pytest.mark.parametrize("written", [*_WRITTEN, "deep/runs/1/recipe.toml"])
def test_a_class_into_which_a_command_wrote_keeps_its_own_lesions(tmp_path, written):
    touch(tmp_path, "a/1.png", "b/2.png", f"b/{written}", f"b/{written.rpartition('/')[0]}/samples/1.png")
    (tmp_path / "b" / written).write_text('{"GeneratedBy": [{"Name": "augmentor"}]}')
    lesions = read_lesions(tmp_path)
    assert [path.removeprefix(f"{tmp_path.resolve()}/") for path in lesions.paths] == ["a/1.png", "b/2.png"]


def test_a_class_with_a_description_that_another_program_wrote_is_one(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png", "b/dataset_description.json")
    (tmp_path / "b" / "dataset_description.json").write_text('{"Name": "Lesions", "BIDSVersion": "1.9.0"}')
    assert read_lesions(tmp_path).classes == ["a", "b"]


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


def test_a_folder_that_holds_lesions_csv_is_read_by_it(tmp_path):
    touch(tmp_path, "cyst/1.png", "cyst/2.png")
    write_csv(tmp_path / "lesions.csv", "path,label,patient\ncyst/1.png,a,p\n")
    assert column(read_lesions(tmp_path), "label") == ["a"]


def test_a_folder_has_no_columns(tmp_path):
    with pytest.raises(UsageError, match="--columns"):
        read_lesions(touch(tmp_path, "a/1.png", "b/2.png"), {"path": "roi"})


# Patients in file names


def test_patients_of_a_folder(lesion_folder):
    lesions = read_lesions(lesion_folder, patient_pattern="<patient>_<anything>")
    assert len(lesions) == 24
    assert lesions.table["patient"].nunique() == 12
    assert not lesions.warnings


def test_a_pattern_that_sets_a_tables_patients_aside_is_told(tmp_path):
    touch(tmp_path, "p1_1.png", "p2_1.png")
    file = write_csv(tmp_path / "t.csv", "path,label,patient\np1_1.png,a,x\np2_1.png,b,y\n")
    lesions = read_lesions(file, patient_pattern="<patient>_<anything>")
    assert column(lesions, "patient") == ["p1", "p2"]
    assert any("column of patients is left aside" in line for line in lesions.warnings)
    assert not any("left aside" in line for line in read_lesions(file).warnings)


def test_scans_beside_their_masks_are_no_classes(tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        touch(tmp_path, f"{folder}/p1_1.png", f"{folder}/p2_1.png")
    with pytest.raises(DataError, match=r"imagesTr and labelsTr are no classes.* augmentor extract --data"):
        read_lesions(tmp_path)


def test_every_file_that_does_not_fit_the_pattern_is_named(tmp_path):
    folder = touch(tmp_path / "set", "a/p1_1.png", "a/odd.png", "b/p2_1.png", "b/strange.png")
    with pytest.raises(DataError) as told:
        read_lesions(folder, patient_pattern="<patient>_<anything>")
    assert len(told.value.problems) == 2
    assert "odd.png" in told.value.problems[0]
    assert "strange.png" in told.value.problems[1]


def test_many_files_that_do_not_fit_are_counted(tmp_path):
    folder = touch(tmp_path / "set", *(f"a/{i}.png" for i in range(9)))
    with pytest.raises(DataError, match="4 more such files"):
        read_lesions(folder, patient_pattern="<patient>_<anything>")


# Tables


def test_a_csv_with_our_own_columns(tmp_path):
    text = (
        "path,label,patient,split,fold,mask,roi_side_mm\n"
        "roi/1.png,cyst,p1,Train,1,m/1.png,42.5\n/abs/2.png,nevus,p2,test,2,,\n"
    )
    lesions = read_lesions(write_csv(tmp_path / "set.csv", text))
    assert lesions.paths == [str(tmp_path / "roi/1.png"), "/abs/2.png"]
    assert column(lesions, "patient") == ["p1", "p2"]
    assert column(lesions, "split") == ["train", "test"]
    assert column(lesions, "fold") == ["1", "2"]
    assert column(lesions, "mask") == [str(tmp_path / "m/1.png"), ""]
    assert column(lesions, "roi_side_mm") == ["42.5", ""]


def test_a_csv_with_columns_that_are_named(tmp_path):
    file = write_csv(tmp_path / "set.csv", "roi,run,kind,path\n1.png,r1,cyst,whole.png\n2.png,r2,nevus,whole.png\n")
    lesions = read_lesions(file, {"path": "roi", "patient": "run", "label": "kind"})
    assert lesions.paths == [str(tmp_path / "1.png"), str(tmp_path / "2.png")]
    assert column(lesions, "patient") == ["r1", "r2"]
    assert lesions.classes == ["cyst", "nevus"]


@pytest.mark.parametrize(
    "header", ["image,dx,subject", "Filename,Diagnosis,Patient_ID", " image_path , class , patient "]
)
def test_a_csv_with_columns_that_are_found_by_their_usual_names(tmp_path, header):
    lesions = read_lesions(write_csv(tmp_path / "set.csv", f"{header}\n1.png,cyst,p1\n2.png,nevus,p2\n"))
    assert lesions.classes == ["cyst", "nevus"]
    assert column(lesions, "patient") == ["p1", "p2"]


@pytest.mark.parametrize("comma", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_csv_as_a_spreadsheet_saves_it(tmp_path, comma, encoding, newline):
    rows = (("path", "label", "patient"), ("1.png", "Zyste", "Müller"), ("2.png", "Nävus", ""))
    text = newline.join(comma.join(row) for row in rows) + newline * 2
    lesions = read_lesions(write_csv(tmp_path / "set.csv", text, encoding))
    assert lesions.classes == ["Nävus", "Zyste"]
    assert column(lesions, "patient") == ["Müller", "image:2.png"]


def test_a_table_that_was_written_on_windows_names_the_same_files(tmp_path):
    touch(tmp_path, "img/a/1.png", "img/b/2.png")
    (tmp_path / "l.csv").write_text("path,label\nimg\\a\\1.png,a\nimg\\b\\2.png,b\n")
    items = [{"image": f"img\\{name}", "label": name[0]} for name in ("a\\1.png", "b\\2.png")]
    (tmp_path / "l.json").write_text(json.dumps({"training": items}))
    for table in ("l.csv", "l.json"):
        assert read_lesions(tmp_path / table).paths == [str(tmp_path / "img" / n) for n in ("a/1.png", "b/2.png")]


def test_a_csv_keeps_numbers_and_empty_words_as_they_stand(tmp_path):
    lesions = read_lesions(write_csv(tmp_path / "s.csv", 'path,label,patient\n"a, b.png",NA,007\nc.png,1.0,None\n'))
    assert lesions.classes == ["1.0", "NA"]
    assert column(lesions, "patient") == ["007", "None"]
    assert lesions.paths[0].endswith("/a, b.png")


def test_a_short_row_lacks_its_last_cells(tmp_path):
    lesions = read_lesions(write_csv(tmp_path / "set.csv", "path,label,patient\n1.png,a\n2.png,b,p2\n"))
    assert column(lesions, "patient") == ["image:1.png", "p2"]


def test_empty_cells_at_the_end_of_every_row_shift_nothing(tmp_path):
    lesions = read_lesions(write_csv(tmp_path / "set.csv", "path,label\n1.png,a,\n2.png,b,\n"))
    assert lesions.classes == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("path,label\n", "holds no rows"),
        ("path\n1.png\n", "no column for label"),
        ("slide,label\n1.png,a\n", "no column for path .* Its columns are slide, label"),
        ("path,label\n,a\n2.png,\n3.png,c\n", "row 2, row 3: path and label must not be empty"),
        ("path,label\n1.png,a\n2.png\n", "row 3: path and label must not be empty"),
        ("path,label\n1.png,a,b,c\n", "row 2: more fields than the header"),
        ("path,label,split\n1.png,a,later\n", "split 'later' is none of"),
    ],
)
def test_a_csv_that_lacks_something_is_refused_with_what(tmp_path, text, told):
    with pytest.raises(DataError, match=rf"set\.csv.*{told}"):
        read_lesions(write_csv(tmp_path / "set.csv", text))


def test_a_csv_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "set.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(DataError, match=r"set\.csv: can't be read as a CSV"):
        read_lesions(tmp_path / "set.csv")


def test_all_that_is_wrong_with_the_columns_is_told_at_once(tmp_path):
    file = write_csv(tmp_path / "set.csv", "slide,kind\n1.png,a\n")
    with pytest.raises(DataError) as told:
        read_lesions(file, {"patient": "run", "colour": "kind"})
    assert len(told.value.problems) == 4  # colour, run, path, label
    assert "--columns path=NAME" in str(told.value)


def test_patients_of_a_csv_may_come_from_the_file_names(tmp_path):
    file = write_csv(tmp_path / "set.csv", "path,label\nx/p1_1.png,a\nx/p2_1.png,b\n")
    assert column(read_lesions(file, patient_pattern="<patient>_<anything>"), "patient") == ["p1", "p2"]


# MONAI datalists


def item(path, label, **more):
    return {"image": path, "label": label} | more


def test_a_datalist_with_splits_patients_and_folds(tmp_path):
    content = {
        "training": [item("1.nii", "a", patient="p1", fold=0), item("/abs/2.nii", "b", patient=2, fold=1)],
        "validation": [item("3.nii", "a", patient=None)],
        "test": [item("4.nii", "b", mask="m.nii")],
    }
    lesions = read_lesions(write_json(tmp_path / "set.json", content))
    assert lesions.paths == [str(tmp_path / "1.nii"), "/abs/2.nii", str(tmp_path / "3.nii"), str(tmp_path / "4.nii")]
    assert column(lesions, "split") == ["train", "train", "val", "test"]
    assert column(lesions, "patient") == ["p1", "2", "image:3.nii", "image:4.nii"]
    assert column(lesions, "fold") == ["0", "1", "", ""]
    assert column(lesions, "mask") == ["", "", "", str(tmp_path / "m.nii")]


def test_a_datalist_of_one_part_has_no_split(tmp_path):
    content = {"training": [item("1.nii", 0), item("2.nii", 1)]}
    assert set(column(read_lesions(write_json(tmp_path / "set.json", content)), "split")) == {""}


@pytest.mark.parametrize("labels", [{"0": "cyst", "1": "nevus"}, {"cyst": 0, "nevus": 1}, ["cyst", "nevus"]])
def test_a_datalist_names_its_labels_in_any_of_the_usual_ways(tmp_path, labels):
    content = {"labels": labels, "training": [item("1.nii", 0), item("2.nii", 1), item("3.nii", "1")]}
    assert column(read_lesions(write_json(tmp_path / "s.json", content)), "label") == ["cyst", "nevus", "nevus"]


def test_a_datalist_says_what_is_synthetic(tmp_path):
    content = {"training": [item("1.nii", 0, origin="real"), item("2.nii", 1, origin="synthetic")]}
    assert column(read_lesions(write_json(tmp_path / "set.json", content)), "origin") == ["real", "synthetic"]


def test_the_keys_of_a_datalist_can_be_named(tmp_path):
    file = write_json(tmp_path / "set.json", {"training": [{"roi": "1.nii", "dx": "a", "who": "p"}]})
    lesions = read_lesions(file, {"path": "roi", "label": "dx", "patient": "who"})
    assert lesions.table[["label", "patient"]].values.tolist() == [["a", "p"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([item("1.nii", 0)], "is no MONAI datalist"),
        ({"training": {}}, "is no MONAI datalist"),
        ({"images": [item("1.nii", 0)]}, "is no MONAI datalist"),
        ({"training": []}, "holds no rows"),
        ({"training": [item("1.nii", 0), {"image": "2.nii"}]}, r"training\[1\]: has no 'label'"),
        ({"training": [item("1.nii", 0)], "test": ["2.nii"]}, r"test\[0\]: has no 'image'"),
        ({"training": [item("1.nii", None)]}, r"training\[0\]: has no 'label'"),
        ({"training": [item(["t1.nii", "t2.nii"], 0)]}, r"training\[0\]: 'image' is \['t1.nii', 't2.nii'\]"),
        ({"labels": "cyst", "training": [item("1.nii", 0)]}, "labels is 'cyst'"),
    ],
)
def test_a_datalist_that_is_none_is_refused_with_the_place(tmp_path, content, told):
    with pytest.raises(DataError, match=rf"set\.json.*{told}"):
        read_lesions(write_json(tmp_path / "set.json", content))


@pytest.mark.parametrize(
    ("column", "value"), [("origin", "Vienna"), ("roi_side_mm", "NA"), ("roi_side_mm", "nan"), ("roi_side_mm", "0")]
)
def test_a_column_that_means_something_else_is_told_with_file_and_value(tmp_path, column, value):
    text = f"path,label,patient,{column}\na.png,a,1,\nb.png,b,2,{value}\n"
    with pytest.raises(DataError, match=rf"t.csv: {column} of .*b.png is '{value}'; it is .*ename"):
        read_lesions(write_csv(tmp_path / "t.csv", text))


def test_a_datalist_may_begin_with_a_byte_order_mark(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    items = [{"image": "a.png", "label": "ö"}, {"image": "b.png", "label": "b"}]
    (tmp_path / "d.json").write_text(json.dumps({"training": items}, ensure_ascii=False), encoding="utf-8-sig")
    assert read_lesions(tmp_path / "d.json").classes == ["b", "ö"]


def test_a_datalist_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"set\.json: is no JSON"):
        read_lesions(write_csv(tmp_path / "set.json", "{training"))


def test_a_key_that_a_datalist_does_not_take_is_refused(tmp_path):
    file = write_json(tmp_path / "set.json", {"training": [item("1.nii", 0)]})
    with pytest.raises(UsageError, match="--columns names split"):
        read_lesions(file, {"split": "part"})


# MedMNIST


def medmnist(file, labels=None):
    images = np.zeros((3, 8, 8), np.uint8)
    labels = np.array([[0], [1], [1]]) if labels is None else labels
    np.savez(
        file, **{f"{s}_{k}": v for s in ("train", "val", "test") for k, v in (("images", images), ("labels", labels))}
    )
    return file


def test_a_medmnist_npz(tmp_path):
    lesions = read_lesions(medmnist(tmp_path / "set.npz"))
    assert column(lesions, "label") == ["0", "1", "1"] * 3
    assert column(lesions, "split") == ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    assert lesions.paths[4] == f"{tmp_path / 'set.npz'}#val_images/1"
    assert lesions.table["patient"].nunique() == 9
    assert "9 of 9 images" in lesions.warnings[0]


def test_an_npz_of_several_labels_an_image_is_refused(tmp_path):
    with pytest.raises(DataError, match="train_labels: has 14 labels an image"):
        read_lesions(medmnist(tmp_path / "chest.npz", np.zeros((3, 14), int)))


def test_an_npz_has_no_columns_and_no_file_names(tmp_path):
    medmnist(tmp_path / "set.npz")
    for options in ({"columns": {"path": "roi"}}, {"patient_pattern": "<patient>_<anything>"}):
        with pytest.raises(UsageError, match="leave --columns and --patient-pattern out"):
            read_lesions(tmp_path / "set.npz", **options)


def test_an_npz_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "set.npz", x=np.zeros(3))
    with pytest.raises(DataError, match=r"set\.npz: holds no train_images"):
        read_lesions(tmp_path / "set.npz")


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"PK" + b[8:], lambda _: b"text", lambda _: b""]
)
def test_a_damaged_npz_is_refused_by_name(tmp_path, damage):
    file = medmnist(tmp_path / "set.npz")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"set\.npz: can't be read"):
        read_lesions(file)


@pytest.mark.parametrize("images", [np.array(3), np.zeros((3, 8))])
def test_an_npz_whose_images_are_none_is_refused_with_their_shape(tmp_path, images):
    np.savez(tmp_path / "set.npz", train_images=images, train_labels=np.zeros((3, 1)))
    with pytest.raises(DataError, match=r"set\.npz: can't be read .*train_images has the shape"):
        read_lesions(tmp_path / "set.npz")


def test_an_npz_that_claims_more_than_any_memory_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 1000, 1000)})
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("train_images.npy", header.getvalue())
    with pytest.raises(DataError, match=r"set\.npz: can't be read"):
        read_lesions(tmp_path / "set.npz")


# Anything else


def test_a_link_that_leads_in_a_circle_is_refused(tmp_path):
    (tmp_path / "one").symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(tmp_path / "one")
    with pytest.raises(DataError, match="one: "):
        read_lesions(tmp_path / "one")


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        read_lesions(tmp_path / "nowhere")


def test_another_kind_of_file_is_refused_with_those_that_are_taken(tmp_path):
    with pytest.raises(DataError, match=r"set\.xlsx: is no folder, \.csv, \.json or \.npz"):
        read_lesions(write_csv(tmp_path / "set.xlsx", ""))


def test_paths_are_absolute_wherever_one_stands(tmp_path, monkeypatch):
    touch(tmp_path / "set", "a/1.png", "b/2.png")
    write_csv(tmp_path / "set.csv", "path,label\nset/a/1.png,a\n")
    monkeypatch.chdir(tmp_path)
    for data in ("set", "set.csv"):
        assert read_lesions(data).paths[0] == str(tmp_path / "set/a/1.png")
