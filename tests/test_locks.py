import errno
import subprocess
import sys
from contextlib import nullcontext

import pytest

from augmentor.errors import UsageError
from augmentor.locks import locked

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
