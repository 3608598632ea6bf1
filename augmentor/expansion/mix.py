"""How many synthetic lesions of each class a training set gets."""

from __future__ import annotations

from augmentor.errors import UsageError
from augmentor.recipe import wrong_factor

_MOST = 1_000_000  # synthetic lesions of a set: days of drawing, and as many files in a folder a class


def wanted_counts(real: dict[str, int], factor: float, balance: bool = False) -> dict[str, int]:
    """Synthetic lesions a class, so that it ends `factor` times its real size.

    balance: every class ends at `factor` times the largest class instead. Raises UsageError for a factor under 1, and
    for one that asks for more lesions than a set may hold.
    """
    if told := wrong_factor(factor):
        raise UsageError(f"--factor: {told}.")
    largest = max(real.values())
    ends = {name: factor * (largest if balance else count) for name, count in real.items()}
    added = sum(ends.values()) - sum(real.values())
    if added > _MOST:
        raise UsageError(
            f"--factor is {factor:g}; it would write the files of {added:,.10g} synthetic lesions beside "
            f"{sum(real.values())} real ones, and {_MOST:,} are the most. Lower --factor."
        )
    return {name: round(ends[name]) - count for name, count in real.items()}
