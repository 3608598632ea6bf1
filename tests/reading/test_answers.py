import unicodedata
from dataclasses import replace

import pandas as pd
import pytest

from augmentor.errors import DataError, UsageError
from augmentor.reading.answers import load_answers
from tests.reading.kits import plain_key, save, true_answers


def test_answers_meet_the_truth(tmp_path):
    key = plain_key(folder=tmp_path)
    save(tmp_path, "anna", true_answers(key, "anna"))
    table = load_answers(tmp_path, key)
    assert len(table) == len(key.lesions)
    assert (table["kind"] == table["true_kind"]).all()
    assert table["seconds"].iloc[0] == 2.5


def test_a_byte_order_mark_and_further_columns_do_not_disturb(tmp_path):
    key = plain_key()
    file = save(tmp_path, "anna", true_answers(key, "anna"))
    file.write_text(file.read_text(encoding="utf-8").replace('"seconds"', '"seconds","note"'), encoding="utf-8-sig")
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    file.write_text("\n".join([lines[0], *(line + ',""' for line in lines[1:])]), encoding="utf-8-sig")
    assert len(load_answers(tmp_path, key)) == len(key.lesions)


@pytest.mark.parametrize("comma", [";", "\t"])
def test_answers_that_a_spreadsheet_saved_again_are_read(tmp_path, comma):
    key = plain_key(folder=tmp_path)
    file = save(tmp_path, "anna", true_answers(key, "anna"))
    plain = load_answers(tmp_path, key)
    text = file.read_text(encoding="utf-8").replace('","', f'"{comma}"').replace("2.5", "2,5").replace('"', "")
    file.write_text(text, encoding="utf-8-sig")
    pd.testing.assert_frame_equal(load_answers(tmp_path, key), plain)


def test_no_answers_say_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"holds no answers-\*\.csv.*anna, ben.*--model"):
        load_answers(tmp_path, plain_key())


def changed(column, value, row=3):
    def change(table):
        table.loc[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(index=[2, 5]), "has no row for lesion L02, L05"),
        (lambda t: t.drop(index=range(2, 20)), r"L02, L03, L04, L05, L06, \.\.\."),
        (lambda t: t.iloc[[*range(20), 4]], "has more than one row for lesion L04"),
        (changed("lesion", "L99"), "does not have, L99"),
        (changed("kind", ""), "kind of lesion L03 is ''; it must be real or synthetic"),
        (changed("label", "wart"), "label of lesion L03 is 'wart'; it must be cyst or metastasis"),
        (changed("confidence", "6"), "confidence of lesion L03 is '6'; it must be 1 to 5"),
        (changed("seconds", "-1"), "seconds of lesion L03 is '-1'"),
        (changed("seconds", "nan"), "seconds of lesion L03 is 'nan'"),
        (lambda t: t.assign(reading="fff"), "is of reading fff, the key is of abc123abc123"),
        (changed("reading", "fff"), "is of reading abc123abc123, fff"),
        (lambda t: t.iloc[:0], r"is of reading \(empty\)"),
        (changed("reader", "ben"), "holds answers of anna, ben; a file holds one reader's"),
        (lambda t: t.assign(reader="cleo"), "reader 'cleo' is not one of this reading, which has anna, ben"),
    ],
)
def test_bad_answers_are_told_with_file_value_and_rule(tmp_path, change, told):
    key = plain_key()
    save(tmp_path, "anna", change(true_answers(key, "anna")))
    with pytest.raises(DataError, match=told) as error:
        load_answers(tmp_path, key)
    assert "answers-anna.csv" in str(error.value)


def test_all_problems_are_told_at_once(tmp_path):
    key = plain_key()
    save(tmp_path, "anna", changed("kind", "?")(true_answers(key, "anna").drop(index=[7])))
    save(tmp_path, "ben", true_answers(key, "ben").assign(reading="other"))
    with pytest.raises(DataError) as error:
        load_answers(tmp_path, key)
    assert len(error.value.problems) == 3


def test_two_files_of_one_reader_are_told(tmp_path):
    key = plain_key()
    save(tmp_path, "anna", true_answers(key, "anna"))
    save(tmp_path, "anna (1)", true_answers(key, "anna"))
    with pytest.raises(DataError, match="both hold answers of reader 'anna'"):
        load_answers(tmp_path, key)


@pytest.mark.parametrize("text", ["", "kind;label\n1;2\n", '"a\n1', "reading,reader\n1,2,3,4\n"])
def test_other_tables_are_told(tmp_path, text):
    (tmp_path / "answers-anna.csv").write_text(text)
    with pytest.raises(DataError, match=r"answers-anna\.csv: (lacks the column|can't be read as CSV)"):
        load_answers(tmp_path, plain_key())


def test_as_many_lesions_are_told_as_lack_a_row(tmp_path):
    key = plain_key()
    save(tmp_path, "anna", true_answers(key, "anna").drop(index=range(2, 20)))
    with pytest.raises(DataError, match=r"\(18 such lesions\)"):
        load_answers(tmp_path, key)


@pytest.mark.parametrize("empty", [",,,,,,,", '"","","","","","","",""', ",,", " , ,,,,,,,,,", ""])
def test_empty_rows_of_a_spreadsheet_are_none(tmp_path, empty):
    key = plain_key()
    file = save(tmp_path, "anna", true_answers(key, "anna"))
    plain = load_answers(tmp_path, key)
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([head, *rows[:3], empty, *rows[3:], empty, empty, ""]), encoding="utf-8")
    pd.testing.assert_frame_equal(load_answers(tmp_path, key), plain)


@pytest.mark.parametrize("value", ["0", "21", "-1", "1.5", "1_0", "", "9" * 20, "9" * 5000, "1e1"])
def test_a_position_is_one_of_as_many_as_there_are_lesions(tmp_path, value):
    key = plain_key()
    save(tmp_path, "anna", changed("position", value)(true_answers(key, "anna")))
    rule = r"it must be a whole number from 1 to 20 \(1 such rows\)\. Save"
    with pytest.raises(DataError, match=rf"csv: row 5: position of lesion L03 is '{value}'; {rule}"):
        load_answers(tmp_path, key)


def test_a_position_is_of_one_lesion(tmp_path):
    key = plain_key()
    answers = true_answers(key, "anna")
    save(tmp_path, "anna", answers.assign(position=[*answers["position"][::-1]]))
    assert load_answers(tmp_path, key)["position"].tolist() == list(range(20, 0, -1))
    save(tmp_path, "anna", changed("position", "9", 6)(changed("position", "9")(answers)))
    with pytest.raises(DataError, match=r"csv: rows 5, 8, 10: all have position '9'.*\(3 rows share theirs\)\. Save"):
        load_answers(tmp_path, key)


@pytest.mark.parametrize("value", ["0", "0.0", "7", "12.25", "86400.5"])
def test_a_time_is_a_plain_number(tmp_path, value):
    key = plain_key()
    save(tmp_path, "anna", changed("seconds", value)(true_answers(key, "anna")))
    assert load_answers(tmp_path, key)["seconds"].iloc[3] == float(value)


@pytest.mark.parametrize(
    "value", ["1_0", "1e308", "1e3", "inf", "+1", "31536000.1", "9" * 400, "", ".", "2,5", "\u0663"]
)
def test_another_time_is_told_with_its_row_and_the_rule(tmp_path, value):
    key = plain_key()
    save(tmp_path, "anna", changed("seconds", value)(true_answers(key, "anna")))
    with pytest.raises(DataError) as told:
        load_answers(tmp_path, key)
    assert f"answers-anna.csv: row 5: seconds of lesion L03 is {value!r}; it must be a plain number" in str(told.value)
    assert "Save it from the page again" in str(told.value)


def test_a_row_is_told_by_its_number_in_the_spreadsheet(tmp_path):
    """Empty rows count, and so does the header."""
    key = plain_key()
    file = save(tmp_path, "anna", changed("kind", "fake")(true_answers(key, "anna")))
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([head, ",,", "", *rows]), encoding="utf-8")
    with pytest.raises(DataError, match="row 7: kind of lesion L03 is 'fake'"):
        load_answers(tmp_path, key)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_however_their_letters_are_encoded(tmp_path, form):
    zoe = unicodedata.normalize("NFC", "Zoe\u0308")
    key = plain_key(readers=(zoe, "ben"))
    key = replace(key, classes=[" d\u00e9j\u00e0", "metastasis"])
    for lesion in key.lesions:
        lesion["label"] = lesion["label"].replace("cyst", key.classes[0])
    answers = true_answers(key, zoe).map(lambda text: unicodedata.normalize(form, text))
    save(tmp_path, zoe, answers)
    table = load_answers(tmp_path, key)
    assert set(table["reader"]) == {zoe}
    assert set(table["label"]) == set(key.classes)
    save(tmp_path, "again", true_answers(key, zoe))
    with pytest.raises(DataError, match="both hold answers of reader"):
        load_answers(tmp_path, key)
