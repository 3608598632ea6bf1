import subprocess
import sys

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
