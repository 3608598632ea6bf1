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
        (lambda t: t.drop(index=range(2, 20)), "L02, L03, L04, L05, L06 and 13 more"),
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
