"""The errors a user can meet: each message holds the value, the rule and the next step."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Sequence

SHOWN = 5
INTERRUPTED = 130  # 128 and the number of the signal, as shells have it
OF_A_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
OF_RIGHTS = (errno.EACCES, errno.EPERM, errno.EROFS)
OF_THE_DISK = (*OF_A_FULL_DISK, *OF_RIGHTS)  # no more can be written


class AugmentorError(Exception):
    """A run that failed for a reason that can be told in words; the command line exits with 1."""

    exit_code = 1


class UsageError(AugmentorError):
    """Bad arguments, bad data or a bad recipe; the command line exits with 2."""

    exit_code = 2


class DataError(UsageError):
    """Lesions that can't be used. `problems` holds every reason that was found, not only the first."""

    def __init__(self, problems: str | list[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def about(self, *files: str) -> DataError:
        """The same problems, each with the first file's name unless it has one of the files' already."""
        return DataError([p if any(file in p for file in files) else f"{files[0]}: {p}" for p in self.problems])


class LeakageError(AugmentorError):
    """A test patient's image was about to reach something that is trained or chosen."""


class InterruptedFitError(AugmentorError):
    """Ctrl-C or SIGTERM during a fit; the state is saved, or the run is complete, and the message says how to go on.
    The command line exits with 130, or with 143."""

    def __init__(self, message: str, by: int = signal.SIGINT):
        """by: the signal."""
        self.by = by
        self.exit_code = 128 + by
        super().__init__(message)


class ShortfallError(AugmentorError):
    """Too few synthetic lesions passed the screen for the factor; what passed is written."""


def with_point(text: object) -> str:
    """Advice on a number that is written with a decimal comma; "" on anything else."""
    found = isinstance(text, str) and re.fullmatch(r"\s*([+-]?\d*),(\d+)\s*", text)
    return f" Write {found[1] or 0}.{found[2]}." if found else ""


def listed(names: Sequence[str]) -> str:
    """The first five names, and three dots where there are more."""
    return ", ".join(names[:SHOWN]) + (", ..." if names[SHOWN:] else "")


def first_of(problems: list[str], what: str) -> list[str]:
    """The first five problems, and how many more such things there are."""
    more = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"... and {more} more such {what}."] if more > 0 else [])
