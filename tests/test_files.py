"""Files and folders appear whole or not at all."""

import errno
import json
import math
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from augmentor.errors import UsageError
from augmentor.files import (
    name_of_part,
    part_in,
    read_json,
    require_empty,
    require_folder,
    require_own,
    to_json,
    whole_folder,
    write_atomically,
    write_table,
)


def test_a_file_that_can_not_be_written_leaves_the_one_of_before(tmp_path):
    file = tmp_path / "a.txt"
    write_atomically(file, "before")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\ud800")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_two_that_write_one_file_do_not_meet_though_their_processes_have_one_number(tmp_path, monkeypatch):
    """As processes of two machines can."""
    file, sync, seen = tmp_path / "a.txt", os.fsync, []

    def write_another_meanwhile(stream):
        monkeypatch.setattr("augmentor.files.os.fsync", sync)
        write_atomically(file, "the other's")
        seen.append(file.read_text())
        sync(stream)

    monkeypatch.setattr("augmentor.files.os.fsync", write_another_meanwhile)
    write_atomically(file, "mine")
    assert seen == ["the other's"]
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_the_part_of_a_file_tells_its_name(tmp_path, monkeypatch):
    parts = []
    monkeypatch.setattr("augmentor.files.os.fsync", lambda _: parts.extend(f.name for f in tmp_path.iterdir()))
    for name in ("recipe.toml", "a.part", "b.0a.part", "no suffix"):
        write_atomically(tmp_path / name, "text")
        part = next(part for part in parts if part.startswith(name) and part != name)
        assert name_of_part(part) == name
    for name in ("recipe.toml", "thesis.part", "a.draft.part", ".part"):
        assert name_of_part(name) == name


def test_a_full_disk_is_told_with_what_could_not_be_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as told, whole_folder(tmp_path / "out"):
        full()
    assert told.value.filename == str(tmp_path / "out")
    monkeypatch.setattr("augmentor.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        write_atomically(tmp_path / "a.txt", "text")
    assert told.value.filename == str(tmp_path / "a.txt")


@pytest.mark.parametrize("content", [b"", b"null", b"[1]", b'{"a": 1', b"\xff\xfe", b'{"b": 1}'])
def test_a_json_that_does_not_hold_what_was_written_is_named(tmp_path, content):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.json: is damaged .* Restore it, or make it anew"):
        read_json(file, "a")
    file.write_text('{"a": 1, "c": 2}')
    assert read_json(file, "a") == {"a": 1, "c": 2}


def test_a_table_without_rows_removes_that_of_an_earlier_time(tmp_path):
    file = tmp_path / "a.csv"
    for gone in (None, pd.DataFrame()):
        write_table(file, pd.DataFrame({"x": [1.25]}), float_format="%.1f")
        assert file.read_text() == "x\n1.2\n"
        write_table(file, gone)
        assert not file.exists()


def test_a_folder_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with whole_folder(out) as part:
        (part / "a").touch()
        assert not out.exists()
    assert [file.name for file in out.parent.rglob("*")] == ["out", "a"]


def test_a_folder_that_fails_leaves_nothing_and_what_was_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "out", replace=True) as part:
        (part / "a" / "b").write_text("no folder a")
    assert {file.name for file in tmp_path.rglob("*")} == {"out", "mine"}
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "out"):
        pass
    assert {file.name for file in tmp_path.rglob("*")} == {"out", "mine"}
    with whole_folder(tmp_path / "out", replace=True) as part:
        (part / "a").touch()
    assert {file.name for file in tmp_path.rglob("*")} == {"out", "a"}


def write_one(out: Path, name: str) -> None:
    """Fill `out` with one file, in place of all that it holds."""
    with whole_folder(out, replace=True) as part:
        (part / name).touch()


def after_renames(monkeypatch, count, act):
    """`act` when so many folders have taken another name."""
    rename, done = Path.rename, []

    def watched(self, target):
        if len(done) == count:
            done.append("act")
            act()
        done.append(rename(self, target))

    monkeypatch.setattr(Path, "rename", watched)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize(("renames", "left"), [(0, "before"), (1, "before"), (2, "after")])
def test_a_folder_that_is_being_replaced_is_what_it_was_or_whole_wherever_that_fails(
    tmp_path, monkeypatch, renames, left, error
):
    def fail():
        raise error("half-way")

    write_one(tmp_path / "out", "before")
    after_renames(monkeypatch, renames, fail)
    with pytest.raises(error, match="half-way"):
        write_one(tmp_path / "out", "after")
    monkeypatch.undo()
    assert [file.name for file in (tmp_path / "out").iterdir()] == [left]
    write_one(tmp_path / "out", "again")
    assert {file.name for file in tmp_path.rglob("*")} == {"out", "again"}


def test_what_another_writer_of_the_same_folder_has_begun_is_in_nobodys_way(tmp_path):
    """As one that was killed, whose number the system gives to a process once more."""
    late = whole_folder(tmp_path / "out")
    (late.__enter__() / "a.txt").write_text("late")
    with whole_folder(tmp_path / "out") as early:
        (early / "a.txt").write_text("early")
    with pytest.raises(OSError, match="not empty"):
        late.__exit__(None, None, None)
    assert [f.name for f in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a.txt").read_text() == "early"


def test_a_folder_that_was_prepared_is_filled_and_stays_itself(tmp_path):
    """It may be a disk of its own, or the one that a shell stands in."""
    out = tmp_path / "out"
    out.mkdir(mode=0o750)
    before = out.stat()
    with whole_folder(out) as part:
        (part / "a").mkdir()
        (part / "a" / "b").touch()
        (part / "table.csv").touch()
        assert {file.name for file in out.iterdir()} == {part.name}
    assert {file.relative_to(out).as_posix() for file in out.rglob("*")} == {"a", "a/b", "table.csv"}
    assert (out.stat().st_ino, out.stat().st_mode) == (before.st_ino, before.st_mode)


def test_a_folder_that_was_prepared_stays_empty_where_filling_it_fails(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "out") as part:
        (part / "a" / "b").write_text("no folder a")
    assert [file.name for file in tmp_path.rglob("*")] == ["out"]


@pytest.mark.parametrize("below", ["", "sub", "sub/deeper"])
def test_a_file_where_a_folder_is_wanted_is_named(tmp_path, below):
    (tmp_path / "file").touch()
    for require in (require_empty, require_folder, partial(require_own, names=("file",))):
        with pytest.raises(UsageError, match=r"can't be a folder, for .*file is a file\. Give another --out"):
            require(tmp_path / "file" / below)
        require(tmp_path / "new" / below)


def test_a_folder_may_hold_what_an_earlier_start_left_and_nothing_else(tmp_path):
    require_own(tmp_path / "new", ("page.html",))
    (tmp_path / "page.html").touch()
    require_own(tmp_path, ("page.html", "tables"))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "zoo").mkdir()
    with pytest.raises(UsageError, match=r"holds other files \(notes\.txt\), .* Give another --out"):
        require_own(tmp_path, ("page.html", "tables"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_json_has_null_for_what_is_not_finite():
    assert json.loads(to_json({"a": [math.nan, 1.5, True], "b": (math.inf, "x", None)})) == {
        "a": [None, 1.5, True],
        "b": [None, "x", None],
    }


def _killed_in(out: Path) -> None:
    """A process that is killed while it fills `out`."""
    code = (
        "import os, sys; from pathlib import Path; from augmentor.files import whole_folder\n"
        "filling = whole_folder(Path(sys.argv[1])); (filling.__enter__() / 'a').touch(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, out], check=False).returncode == 9


@pytest.mark.skipif(sys.platform == "win32", reason="no folder can be locked there")
@pytest.mark.parametrize("prepared", [True, False])
def test_what_a_killed_writer_left_is_gone_with_the_next(tmp_path, prepared):
    out = tmp_path / "place" / "out"
    out.parent.mkdir()
    if prepared:
        out.mkdir()
    _killed_in(out)
    assert [f.name for f in tmp_path.rglob("a")] == ["a"]
    require_empty(out)
    with whole_folder(out) as part:
        (part / "b").touch()
    assert {f.name for f in out.parent.rglob("*")} == {"out", "b"}


def test_a_living_writers_part_stays_and_is_named(tmp_path):
    (tmp_path / "out").mkdir()
    with whole_folder(tmp_path / "out") as part:
        (part / "a").touch()
        with pytest.raises(UsageError, match=rf"already holds files.*{re.escape(part.name)} is there"):
            require_empty(tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["a"]


KILLED_AS_IT_REPLACES = """
import os, sys
from pathlib import Path
from augmentor.files import whole_folder
rename, left = Path.rename, int(sys.argv[2])
def watched(self, target):
    global left
    if not left:
        os._exit(9)
    left -= 1
    return rename(self, target)
Path.rename = watched
with whole_folder(Path(sys.argv[1]), replace=True) as part:
    (part / "after").touch()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no folder can be locked there")
@pytest.mark.parametrize(("renames", "found"), [(1, "before"), (2, "after")])
def test_what_a_killed_writer_was_replacing_is_put_back_unless_another_has_its_place(tmp_path, renames, found):
    out = tmp_path / "out"
    write_one(out, "before")
    command = [sys.executable, "-c", KILLED_AS_IT_REPLACES, out, str(renames)]
    assert subprocess.run(command, check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 2
    assert {name_of_part(f.name) for f in tmp_path.iterdir()} <= {"out", ".out"}
    with part_in(tmp_path, "out"):
        assert [f.name for f in out.iterdir()] == [found]
    assert {f.name for f in tmp_path.rglob("*")} == {"out", found}


@pytest.mark.skipif(sys.platform == "win32", reason="no folder can be locked there")
def test_what_a_living_writer_is_replacing_is_left_to_it(tmp_path, monkeypatch):
    def begin_another():
        with part_in(tmp_path, "out"):
            assert not (tmp_path / "out").exists()

    write_one(tmp_path / "out", "before")
    after_renames(monkeypatch, 1, begin_another)
    write_one(tmp_path / "out", "after")
    assert {f.name for f in tmp_path.rglob("*")} == {"out", "after"}
