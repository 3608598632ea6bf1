"""The page that a reader opens: one file with all that it needs, and no network."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from augmentor.data.intensity import Intensity
from augmentor.errors import DataError
from augmentor.files import write_atomically

_CONTENT = re.compile(r'<script type="application/json" id="reading">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Page:
    """What a page holds of a reading.

    size: pixels a side. bits: 8 or 16, of a pixel value. levels: their number. low, high: what the first and last level
    are in the files. window: the first and last level that are told apart at first. lesions: `id` and `pixels`, in the
    order of the reader.
    """

    reading: str
    reader: str
    classes: list[str]
    channels: int
    size: int
    bits: int
    levels: int
    low: float
    high: float
    window: tuple[int, int]
    lesions: list[dict[str, str]]


def make_page(
    reading: str, reader: str, classes: list[str], lesions: dict[str, np.ndarray], levels: int, intensity: Intensity
) -> Page:
    """lesions: id -> (C, S, S) uint16, 0 to levels - 1, in the order of the reader."""
    channels, size, _ = next(iter(lesions.values())).shape
    bits = 8 if levels <= 256 else 16
    shown = [{"id": name, "pixels": _packed(pixels, bits)} for name, pixels in lesions.items()]
    window = _window(list(lesions.values()), levels)
    return Page(reading, reader, classes, channels, size, bits, levels, intensity.low, intensity.high, window, shown)


def _window(lesions: list[np.ndarray], levels: int) -> tuple[int, int]:
    """8-bit lesions are shown as they are; the range of others, which a few bright pixels stretch, is trimmed."""
    if levels <= 256:
        return 0, levels - 1
    low, high = np.percentile(np.stack(lesions), [0.5, 99.5])
    return int(low), max(int(high), int(low) + 1)


def _packed(pixels: np.ndarray, bits: int) -> str:
    """Row by row, the channels of a pixel together, little-endian, as base64: as long for every lesion."""
    return base64.b64encode(np.moveaxis(pixels, 0, -1).astype(f"<u{bits // 8}").tobytes()).decode()


def page_templates(package: str) -> Environment:
    """The templates of a package's pages: all text is escaped, and a name that is not given is an error."""
    return Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def write_page(page: Page, file: Path) -> None:
    text = page_templates("augmentor.reading").get_template("page.html").render(page=page, content=asdict(page))
    write_atomically(file, text)


def read_page(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A page's content, and its lesions as a reader's browser unpacks them: id -> (C, S, S) uint16.

    Raises DataError where the file is none of our pages.
    """
    found = _CONTENT.search(file.read_text(encoding="utf-8")) if file.exists() else None
    if not found:
        raise DataError(f"{file}: is no page of a reading. Restore it, or make the reading again.")
    content = json.loads(found[1])
    shape = content["size"], content["size"], content["channels"]
    lesions = {}
    for lesion in content["lesions"]:
        flat = np.frombuffer(base64.b64decode(lesion["pixels"]), f"<u{content['bits'] // 8}")
        lesions[lesion["id"]] = np.moveaxis(flat.reshape(shape), -1, 0).astype(np.uint16)
    return content, lesions
