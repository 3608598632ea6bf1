import io
import zipfile

import numpy as np
import pytest

from augmentor.data.readers import read_lesions
from augmentor.errors import DataError, UsageError
from tests.data.written import column, touch, write_csv, write_json
from tests.scan_sets import write_series

# Patients in file names


def test_patients_of_a_folder(lesion_folder):
    lesions = read_lesions(lesion_folder, patient_pattern="<patient>_<anything>")
    assert len(lesions) == 24
    assert lesions.table["patient"].nunique() == 12
    assert not lesions.warnings


@pytest.mark.parametrize("unused", [[], ["who"], ["who", "site", "age"]])
def test_where_no_column_is_of_patients_those_that_are_not_used_are_told(tmp_path, unused):
    touch(tmp_path, "1.png", "2.png")
    more = "".join(f",{name}" for name in unused)
    file = write_csv(
        tmp_path / "t.csv", f"path,label{more}\n1.png,a{',x' * len(unused)}\n2.png,b{',y' * len(unused)}\n"
    )
    (told,) = read_lesions(file).warnings
    names = f" (not used: {', '.join(unused)})" if unused else ""
    assert told.endswith(f"Name the patients with --patient-pattern or with --columns patient=NAME{names}.")
    if unused:
        assert not read_lesions(file, columns={"patient": "who"}).warnings


def test_a_column_of_patients_with_an_empty_cell_is_not_asked_for(tmp_path):
    touch(tmp_path, "1.png", "2.png")
    (told,) = read_lesions(write_csv(tmp_path / "t.csv", "path,label,patient\n1.png,a,\n2.png,b,y\n")).warnings
    assert "--columns" not in told


def test_a_pattern_that_sets_a_tables_patients_aside_is_told(tmp_path):
    touch(tmp_path, "p1_1.png", "p2_1.png")
    file = write_csv(tmp_path / "t.csv", "path,label,patient\np1_1.png,a,x\np2_1.png,b,y\n")
    lesions = read_lesions(file, patient_pattern="<patient>_<anything>")
    assert column(lesions, "patient") == ["p1", "p2"]
    assert any("column of patients is left aside" in line for line in lesions.warnings)
    assert not any("left aside" in line for line in read_lesions(file).warnings)


@pytest.mark.parametrize(
    ("pattern", "doubted"),
    [
        ("<patient>", True),
        ("<class>/<patient>", True),
        ("<patient>_<n>", False),
        ("<class>/<patient>_<n>", False),
        ("", False),
    ],
)
def test_a_pattern_that_gives_each_image_its_own_patient_is_doubted(tmp_path, pattern, doubted):
    folder = touch(tmp_path, *(f"{c}/{c}{p}_{n}.png" for c in "ab" for p in range(4) for n in range(2)))
    lesions = read_lesions(folder, patient_pattern=pattern)
    assert any("is that so?" in note and "a0_0, a0_1" in note for note in lesions.warnings) == doubted


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


def test_patients_of_a_csv_may_come_from_the_file_names(tmp_path):
    file = write_csv(tmp_path / "set.csv", "path,label\nx/p1_1.png,a\nx/p2_1.png,b\n")
    assert column(read_lesions(file, patient_pattern="<patient>_<anything>"), "patient") == ["p1", "p2"]


def test_patients_may_be_folders_of_a_class(tmp_path):
    folder = touch(tmp_path / "set", *(f"{c}/patient{n}/{i}.png" for c in "ab" for n in (1, 2) for i in (1, 2)))
    for pattern in ("<class>/<patient>/<anything>", r".*/(?P<patient>patient\d+)/.*", r"\w+/(?P<patient>[^/]+)/"):
        lesions = read_lesions(folder, patient_pattern=pattern)
        assert column(lesions, "patient") == ["patient1"] * 2 + ["patient2"] * 2 + ["patient1"] * 2 + ["patient2"] * 2


def test_patients_of_a_table_or_datalist_may_be_folders_below_it(tmp_path):
    touch(tmp_path, "in/p1/1.png", "in/p2/1.png")
    write_csv(tmp_path / "in" / "t.csv", "path,label\np1/1.png,a\np2/1.png,b\n")
    write_csv(tmp_path / "t.csv", "path,label\nx/../in/p1/1.png,a\nin/p2/1.png,b\n")
    write_json(tmp_path / "in" / "t.json", {"training": [{"image": f"p{n}/1.png", "label": n} for n in (1, 2)]})
    for table, pattern in (("in/t.csv", ""), ("t.csv", "in/"), ("in/t.json", "")):
        lesions = read_lesions(tmp_path / table, patient_pattern=f"{pattern}<patient>/<anything>")
        assert column(lesions, "patient") == ["p1", "p2"]


def test_a_file_that_does_not_fit_is_told_by_its_path_below_the_data(tmp_path):
    folder = touch(tmp_path / "set", "a/p1/1.png", "a/odd.png", "b/p2/1.png")
    for pattern, told in (("<class>/<patient>/<x>", "a/odd.png"), ("(?P<patient>[a-z]+).png", "a/p1/1.png")):
        with pytest.raises(DataError) as error:
            read_lesions(folder, patient_pattern=pattern)
        assert error.value.problems[0].startswith(f"{told}: has no patient")


@pytest.mark.parametrize("names", [["a/p1/1.png", "b/p2/1.png"], ["train/a/p1/1.png", "test/b/p2/1.png"]])
def test_a_pattern_that_takes_classes_for_patients_is_refused(tmp_path, names):
    with pytest.raises(UsageError, match=r"takes the folder \w+ for a patient.* write <class>/<patient>/<anything>"):
        read_lesions(touch(tmp_path, *names), patient_pattern="<patient>/<anything>")


def test_volumes_in_folders_have_the_patients_of_their_headers(tmp_path):
    pixels = np.zeros((6, 5, 3), np.int16)
    for name, patient in (("1", "Doe"), ("2", "Roe"), ("3", "doe ")):
        write_series(tmp_path / name, pixels, PatientID=patient)
    file = write_csv(tmp_path / "lesions.csv", "path,label\n1,a\n2,a\n3,b\n")
    one, two, again = column(read_lesions(file), "patient")
    assert one == again != two
    assert {one, two} == {f"dicom:{tmp_path / name}" for name in "12"}


# Values


@pytest.mark.parametrize(
    ("column", "value"), [("origin", "Vienna"), ("roi_side_mm", "NA"), ("roi_side_mm", "nan"), ("roi_side_mm", "0")]
)
def test_a_column_that_means_something_else_is_told_with_file_and_value(tmp_path, column, value):
    text = f"path,label,patient,{column}\na.png,a,1,\nb.png,b,2,{value}\n"
    with pytest.raises(DataError, match=rf"t.csv: {column} of .*b.png is '{value}'; it is .*ename"):
        read_lesions(write_csv(tmp_path / "t.csv", text))


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


def test_a_folder_that_holds_lesions_csv_is_read_by_it(tmp_path):
    touch(tmp_path, "cyst/1.png", "cyst/2.png")
    write_csv(tmp_path / "lesions.csv", "path,label,patient\ncyst/1.png,a,p\n")
    assert column(read_lesions(tmp_path), "label") == ["a"]


def test_a_folder_has_no_columns(tmp_path):
    with pytest.raises(UsageError, match="--columns"):
        read_lesions(touch(tmp_path, "a/1.png", "b/2.png"), {"path": "roi"})


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
