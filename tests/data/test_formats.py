import pytest

from augmentor.data.formats import file_format, file_name, is_image, visible_below


def test_what_counts_as_an_image_and_how_it_is_written_back(tmp_path):
    names = ["a.PNG", "a.jpg", "a.jpeg", "a.tif", "a.npy", "a.nii", "a.nii.gz", "a.bmp", "a.dcm", "a.DICOM"]
    assert all(is_image(tmp_path / name) for name in names)
    assert not any(is_image(tmp_path / name) for name in ("a.txt", "a.csv", "png", "a.npz"))
    assert [file_format(n) for n in names] == ["png"] * 4 + ["npy", "nifti", "nifti", "png", "dicom", "dicom"]
    assert [file_format(n, dims=3) for n in ("a.npz#train_images/0", "a.npy", "a.nii")] == ["nifti", "npy", "nifti"]


def test_class_names_become_folder_names_that_stay_apart():
    assert file_name("cyst 1") == "cyst 1"
    assert file_name("grade 1.5") == "grade 1.5"
    names = [file_name(text) for text in ("mal/ign", "mal:ign", "../x", "..", "a\\b", "")]
    assert len(set(names)) == len(names)
    assert len(file_name("\u65e5" * 300).encode()) < 80
    assert file_name("a" * 300) != file_name("a" * 301)
    assert not [n for n in names if not n or "/" in n or "\\" in n or ":" in n or n.startswith(".")]


@pytest.mark.parametrize("name", ["manifest.csv", "Datalist.JSON", "con", "NUL.x", "Lpt1"])
def test_a_class_takes_no_name_of_a_table_and_none_that_windows_keeps_for_itself(name):
    assert file_name(name).startswith(f"{name}-")


def test_what_systems_leave_beside_ones_own_is_hidden(tmp_path):
    for name in ("a/1.png", "a/@eaDir/1.png/THUMB.jpg", "__MACOSX/a/1.png", ".git/2.png", "a/.3.png", "@b/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in visible_below(tmp_path)] == ["@b", "@b/4.png", "a", "a/1.png"]
