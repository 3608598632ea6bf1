"""One process at a time in a folder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from augmentor.errors import UsageError

if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[str], wait: bool) -> None:
        while True:
            try:
                msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if not wait:
                    raise BlockingIOError(str(error)) from error
            else:  # LK_LOCK gives up after ten seconds
                return

    def hold_folder(folder: Path, wait: bool) -> int | None:  # noqa: ARG001 - no folder can be locked there
        return None
else:
    import fcntl

    def _lock(stream: IO[str] | int, wait: bool) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def hold_folder(folder: Path, wait: bool) -> int | None:
        """A descriptor that locks a folder until `release`, at the latest until the process ends, however it ends.

        None where another holds it (unless we wait), where it is gone meanwhile, and where folders can't be locked.
        """
        try:
            held = os.open(folder, os.O_RDONLY)
        except OSError:
            return None
        try:
            _lock(held, wait)
            if os.path.samestat(os.fstat(held), folder.stat()):
                return held
        except OSError:
            pass
        os.close(held)
        return None


_WITHOUT = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def locked(file: Path, refuse: str | None = None) -> Iterator[None]:
    """Hold an exclusive lock, which the system releases when the process ends, however it ends.

    A file system that has no locks is used without: two processes in one folder are the user's to avoid there.
    Waits where another process holds it; with `refuse` it raises UsageError with that text instead.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        try:
            _lock(stream, wait=not refuse)
        except BlockingIOError as error:
            raise UsageError(str(refuse)) from error
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
        yield


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in this block for the folder, and keep them out. Nothing is written into it.

    Where the system can't lock folders it is done without.
    """
    held = hold_folder(folder, wait=True)
    try:
        yield
    finally:
        release(held)


def release(held: int | None) -> None:
    if held is not None:
        os.close(held)
