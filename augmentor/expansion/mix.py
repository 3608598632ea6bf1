"""How many synthetic lesions of each class a training set gets."""

from __future__ import annotations

import math

from augmentor.errors import UsageError


def wanted_counts(real: dict[str, int], factor: float, balance: bool = False) -> dict[str, int]:
    """Synthetic lesions a class, so that it ends `factor` times its real size.

    balance: every class ends at `factor` times the largest class instead. Raises UsageError for a factor under 1.
    """
    if not (math.isfinite(factor) and factor >= 1):
        raise UsageError(
            f"--factor is {factor:g}; it must be 1 or more: 3 makes each class three times its real size, "
            "1 adds nothing."
        )
    largest = max(real.values())
    return {name: round(factor * (largest if balance else count)) - count for name, count in real.items()}
