"""What all test processes share is made by one of them."""

import pytest


def test_a_folder_is_filled_once_and_anew_after_a_failure(made_once, tmp_path):
    name, asked = f"shared by {tmp_path.name}", []

    def fill(folder):
        asked.append([*folder.iterdir()])
        (folder / "file").write_text("whole" if asked[1:] else "half")
        if not asked[1:]:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        made_once(name, fill)
    folders = {made_once(name, fill) for _ in range(2)}
    assert asked == [[], []]
    assert [(folder / "file").read_text() for folder in folders] == ["whole"]
