"""Which folders are known as what the commands write."""

import pytest

from augmentor.data import folders
from augmentor.data.folders import is_ours


@pytest.mark.parametrize(
    "left",
    [
        *({name: ""} for name in ("recipe.toml", "benchmark.toml", "extract.toml")),
        {"dataset_description.json": '{"GeneratedBy": [{"Name": "augmentor"}]}'},
        {"evaluation.json": '{"tstr": null}'},
        {"key.json": '{"orders": {}}'},
        {"report.html": "", "figures/arms.png": ""},
    ],
    ids=" and ".join,
)
def test_a_folder_is_known_by_what_a_command_left_in_it_and_by_no_part_of_that(tmp_path, left):
    assert not is_ours(tmp_path)
    for name, content in left.items():
        assert not is_ours(tmp_path)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert is_ours(tmp_path)


@pytest.mark.parametrize("name", folders._MARKED)
def test_a_file_of_another_program_that_has_such_a_name_marks_nothing(tmp_path, name):
    (tmp_path / name).write_text('{"accuracy": 0.9}')
    assert not is_ours(tmp_path)
