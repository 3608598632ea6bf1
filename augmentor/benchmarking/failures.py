"""Errors in one part of a benchmark: those that are recorded, and those that end it."""

from __future__ import annotations

import traceback

from augmentor.errors import OF_THE_DISK, DataError, InterruptedFitError, LeakageError


class ChangedImageError(DataError):
    """An image holds other pixels than those that the results' keys are of."""


ENDING = (LeakageError, InterruptedFitError, ChangedImageError)  # no matter of one part


def require_disk(error: Exception) -> None:
    """Raise an error of the disk, a full one as a rule: the next cells would meet it too, and no arm is to blame."""
    if isinstance(error, OSError) and error.errno in OF_THE_DISK:
        raise error


def tell_failure(error: Exception) -> str:
    """What failed, and where: one line, then the last frames."""
    frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return f"{type(error).__name__}: {error}\n{frames}"
