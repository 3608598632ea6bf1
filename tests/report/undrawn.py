"""Reports whose figures are plotted but not drawn: for tests that look at no pixel of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pytest
from matplotlib.figure import Figure
from PIL import Image


@contextmanager
def undrawn_figures() -> Iterator[None]:
    """Every figure becomes the same PNG of one pixel: numbers, captions and what a screen reader says are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("augmentor.report.drawing.figures.png", _one_pixel)
        yield


def _one_pixel(figure: Figure) -> bytes:
    assert isinstance(figure, Figure)
    drawn = BytesIO()
    Image.new("L", (1, 1)).save(drawn, format="png")
    return drawn.getvalue()
