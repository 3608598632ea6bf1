import pytest

from augmentor.data.check import inspect
from augmentor.data.readers import read_lesions
from augmentor.errors import DataError
from tests.data.written import column, write_csv


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
    "header",
    [
        "image,dx,subject",
        "Filename,Diagnosis,Patient_ID",
        " image_path , class , patient ",
        "pa\u200bth,\u200blabel,patient \u200b",
    ],
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


# Columns


@pytest.mark.parametrize(
    ("header", "told", "advice"),
    [
        ("path,label,label,patient", "label", "Delete all but one, or rename them"),
        ("path,Label,label,patient", "label", "Say which: --columns label=NAME"),
        ("path,class,dx,patient", "label", "Say which: --columns label=NAME"),
        ("path,image,label,patient", "path", "Say which: --columns path=NAME"),
        ("path,patient,Patient_ID,label", "patient", "Say which: --columns patient=NAME"),
    ],
)
def test_columns_of_one_meaning_that_differ_are_refused_with_a_row(tmp_path, header, told, advice):
    file = write_csv(tmp_path / "t.csv", f"{header}\n1.png,1.png,1.png,1.png\n1.png,2.png,3.png,4.png\n")
    with pytest.raises(DataError, match=rf"t\.csv: row 3: several columns can be {told}.*'[23]\.png'.*{advice}"):
        read_lesions(file)


def test_a_column_that_is_named_is_told_from_others_of_its_meaning(tmp_path):
    text = "path,Label,label,subject,patient\n1.png,a,0,s1,p1\n2.png,b,1,s2,p2\n"
    lesions = read_lesions(write_csv(tmp_path / "t.csv", text), {"label": "Label", "patient": "subject"})
    assert (column(lesions, "label"), column(lesions, "patient")) == (["a", "b"], ["s1", "s2"])


def test_a_column_that_is_named_means_nothing_else(tmp_path):
    file = write_csv(tmp_path / "t.csv", "path,class,dx\n1.png,c1,a\n2.png,c2,b\n")
    lesions = read_lesions(file, {"patient": "class"})
    assert (column(lesions, "label"), column(lesions, "patient")) == (["a", "b"], ["c1", "c2"])


def test_columns_that_say_the_same_or_nothing_are_no_doubt(tmp_path):
    text = "path,file,label,label,patient,patient_id\n1.png,1.png,a,a,,p1\n2.png,2.png,b,b,,p2\n"
    lesions = read_lesions(write_csv(tmp_path / "t.csv", text))
    assert (column(lesions, "label"), column(lesions, "patient")) == (["a", "b"], ["p1", "p2"])


def test_the_columns_that_were_taken_are_told(tmp_path):
    file = write_csv(tmp_path / "t.csv", "roi,DX,case,patient_id\n1.png,a,c1,p1\n2.png,b,c2,p2\n")
    assert read_lesions(file).columns == {"path": "roi", "label": "DX", "patient": "patient_id"}
    assert read_lesions(file, {"patient": "case"}).columns["patient"] == "case"
    content = inspect(read_lesions(file)).as_dict()
    assert content["columns"] == {"path": "roi", "label": "DX", "patient": "patient_id"}


def test_check_prints_the_columns_that_were_taken(tmp_path, augmentor):
    file = write_csv(tmp_path / "t.csv", "roi,DX,patient_id\n1.png,a,p1\n2.png,b,p2\n")
    assert augmentor("check", "--data", file).says("columns: path=roi, label=DX, patient=patient_id")


# Rows


@pytest.mark.parametrize("empty", ["", ",,", " , , "])
def test_rows_are_told_by_their_numbers_in_the_file_and_empty_ones_are_none(tmp_path, empty):
    text = f"path,label,patient\n1.png,a,p1\n{empty}\n{empty}\n2.png,,p2\n{empty}\n"
    with pytest.raises(DataError, match=r"t\.csv: row 5: path and label must not be empty"):
        read_lesions(write_csv(tmp_path / "t.csv", text))
    file = write_csv(tmp_path / "t.csv", text.replace("2.png,,", "2.png,b,"))
    assert column(read_lesions(file), "patient") == ["p1", "p2"]


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\n', "SEP=;;;\n", "\n", "\n \n", ";;\n"])
def test_a_first_line_that_names_the_separator_or_nothing_is_no_header(tmp_path, first):
    text = f"{first}path;label;patient\n1.png;a, b;p1\n2.png;b;p2\n"
    assert column(read_lesions(write_csv(tmp_path / "t.csv", text)), "label") == ["a, b", "b"]


def test_a_first_line_may_name_another_separator(tmp_path):
    file = write_csv(tmp_path / "t.csv", "sep=|\npath|label\n1.png|a;b,c\n2.png|b\n")
    assert column(read_lesions(file), "label") == ["a;b,c", "b"]
