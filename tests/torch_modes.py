"""Ways in which a caller may have set up torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def odd_torch() -> Iterator[None]:
    """Computes in float64 by default, and keeps nothing for gradients."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_default_dtype(torch.float32)
