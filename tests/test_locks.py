import errno
import subprocess
import sys
import threading
from contextlib import nullcontext

import pytest

from augmentor import locks
from augmentor.errors import UsageError
from augmentor.locks import alone_in, hold_folder, locked, release

HOLD = """
import sys
from pathlib import Path
from augmentor.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_one_processs_until_that_ends_however_it_ends(tmp_path):
    file = tmp_path / "new" / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match="in use"), locked(file, "in use"):
            pass
        other.kill()
    with locked(file, "in use"):
        pass


@pytest.mark.parametrize(("number", "goes_on"), [(errno.ENOLCK, True), (errno.EOPNOTSUPP, True), (errno.EIO, False)])
def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch, number, goes_on):
    def refuse(*_arguments, **_named):
        raise OSError(number, "from the file system")

    monkeypatch.setattr("augmentor.locks._lock", refuse)
    told = nullcontext() if goes_on else pytest.raises(OSError, match="from the file system")
    with told, locked(tmp_path / ".lock", "in use"):
        pass


folders_can_be_locked = pytest.mark.skipif(sys.platform == "win32", reason="no folder can be locked there")


@folders_can_be_locked
def test_a_folder_that_was_replaced_meanwhile_is_not_held(tmp_path, monkeypatch):
    folder, lock = tmp_path / "part", locks._lock
    folder.mkdir()

    def replace_it_first(held, wait):
        folder.rename(tmp_path / "gone")
        folder.mkdir()
        lock(held, wait)

    monkeypatch.setattr(locks, "_lock", replace_it_first)
    assert hold_folder(folder, wait=True) is None


@folders_can_be_locked
def test_one_who_is_alone_in_a_folder_keeps_others_out_and_lets_them_in_afterwards(tmp_path):
    with alone_in(tmp_path):
        assert hold_folder(tmp_path, wait=False) is None
    held = hold_folder(tmp_path, wait=False)
    assert held is not None
    release(held)


@folders_can_be_locked
def test_who_wants_to_be_alone_in_a_folder_waits_for_the_other(tmp_path):
    order, begun = [], threading.Event()

    def come_second():
        begun.set()
        with alone_in(tmp_path):
            order.append("second")

    second = threading.Thread(target=come_second)
    with alone_in(tmp_path):
        second.start()
        assert begun.wait(10)
        second.join(0.2)
        order.append("first")
    second.join(10)
    assert order == ["first", "second"]
