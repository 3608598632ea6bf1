"""One process at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augmentor.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows: without the lock, two processes in one folder are the user's to avoid
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(file: Path, refuse: str | None = None) -> Iterator[None]:
    """Hold an exclusive lock, which the system releases when the process ends, however it ends.

    Waits where another process holds it; with `refuse` it raises UsageError with that text instead.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | (fcntl.LOCK_NB if refuse else 0))
            except BlockingIOError as error:
                raise UsageError(str(refuse)) from error
        yield
