from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augmentor.data.check import inspect
from augmentor.data.dicom_lesions import patients_of, read_headers
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError
from tests.scan_sets import dicom_image, save_dicom

PIXELS = np.arange(60, dtype=np.int16).reshape(6, 10)


def lesion(file, patient, **tags):
    own = {"SeriesInstanceUID": f"1.2.{sum(file.name.encode())}", "PatientID": patient}
    return save_dicom(dicom_image(PIXELS, **(own | tags)), file)


def test_a_folder_of_dicom_lesions_has_the_patients_of_the_headers_and_not_their_names(tmp_path):
    for name, patient in (("a/1.dcm", "Doe-1"), ("a/2.dcm", "Roe-2"), ("b/3.dcm", "Doe-1"), ("b/4.dcm", "")):
        lesion(tmp_path / name, patient)
    found = read_lesions(tmp_path)
    assert found.classes == ["a", "b"]
    one, two, again, unknown = found.table["patient"]
    assert one == again
    assert len({one, two, unknown}) == 3
    assert not any(name in f"{found.table.to_csv()} {found.warnings}" for name in ("Doe", "Roe"))
    assert any("2 patients are told apart by PatientID" in note for note in found.warnings)
    assert any("No patient is known for 1 of 4 images" in note for note in found.warnings)


def test_a_pattern_goes_before_the_headers(tmp_path):
    for name in ("a/p1_1.dcm", "a/p2_1.dcm", "b/p1_2.dcm"):
        lesion(tmp_path / name, name)
    found = read_lesions(tmp_path, patient_pattern="<patient>_<anything>")
    assert found.table["patient"].tolist() == ["p1", "p2", "p1"]


def test_one_id_for_all_is_no_patient(tmp_path):
    files = [lesion(tmp_path / f"{i}.dcm", "ANONYMOUS") for i in range(3)]
    assert patients_of(read_headers(files)) == (dict.fromkeys(files, ""), [])


def test_one_id_beside_unknown_ones_is_a_patient_however_it_is_written(tmp_path):
    files = [lesion(tmp_path / f"{i}.dcm", who) for i, who in enumerate(("Doe 1", "", "doe  1 ", ""))]
    one = f"dicom:{files[0]}"
    assert patients_of(read_headers(files))[0] == dict(zip(files, (one, "", one, ""), strict=True))


def test_a_table_without_patients_has_those_of_the_headers(tmp_path):
    rows = ["path,label", "1.dcm,a", "2.dcm,a", "3.dcm,b"]
    for name, patient in (("1.dcm", "x"), ("2.dcm", "y"), ("3.dcm", "x")):
        lesion(tmp_path / name, patient)
    (tmp_path / "set.csv").write_text("\n".join(rows))
    one, two, again = read_lesions(tmp_path / "set.csv").table["patient"]
    assert one == again != two
    (tmp_path / "twice.csv").write_text("\n".join([*rows, "1.dcm,b"]))
    assert read_lesions(tmp_path / "twice.csv").table["patient"].tolist() == [one, two, one, one]
    (tmp_path / "own.csv").write_text("\n".join([f"{rows[0]},patient", *(f"{row},p" for row in rows[1:])]))
    assert set(read_lesions(tmp_path / "own.csv").table["patient"]) == {"p"}


def test_a_dicom_file_beside_a_picture_of_its_name_is_left_out(tmp_path):
    for name in ("a/1", "a/2", "b/3"):
        lesion(tmp_path / f"{name}.dcm", "p")
        Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / f"{name}.png")
    found = read_lesions(tmp_path)
    assert {Path(path).suffix for path in found.paths} == {".png"}
    assert any("3 DICOM files are left out" in note for note in found.warnings)


@pytest.mark.parametrize("pattern", [None, "<patient>_<anything>"])
def test_sections_of_a_scan_are_no_lesions(tmp_path, pattern):
    for i in range(2):
        lesion(tmp_path / f"a/p_{i}.dcm", "p", SeriesInstanceUID="1.2", ImagePositionPatient=[0, 0, i])
    Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / "a" / "q_1.png")
    with pytest.raises(DataError, match=r"0\.dcm and .*1\.dcm are sections of one series.*augmentor extract"):
        read_lesions(tmp_path, patient_pattern=pattern)


@pytest.mark.parametrize("pattern", [None, "<patient>_<anything>"])
def test_burnt_in_text_is_told(tmp_path, pattern):
    files = [lesion(tmp_path / f"a/p_{i}.dcm", f"p{i}", BurnedInAnnotation="YES" if i else "NO") for i in range(2)]
    told = inspect(read_lesions(tmp_path, patient_pattern=pattern)).warnings
    assert any(f"{files[1]}: says that text is burnt into its pixels" in warning for warning in told)


def test_what_is_no_dicom_is_left_for_its_reading_to_tell(tmp_path):
    files = [lesion(tmp_path / f"{i}.dcm", f"p{i}") for i in range(2)]
    for name, content in (("3.dcm", b"text"), ("4.dcm", b"\0" * 128 + b"DICM" + b"\xff" * 40)):
        (tmp_path / name).write_bytes(content)
        files.append(tmp_path / name)
    (tmp_path / "5.dcm").symlink_to(tmp_path / "gone.dcm")
    assert [bool(p) for p in patients_of(read_headers([*files, tmp_path / "5.dcm"]))[0].values()] == [
        True,
        True,
        False,
        False,
        False,
    ]
