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
from pydantic import TypeAdapter, ValidationError

from augmentor.data.intensity import Intensity
from augmentor.errors import DataError
from augmentor.files import exists, write_atomically

_NEXT = "Restore it, or make the reading again."
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

    Raises DataError where the file is missing, is none of our pages, or is damaged.
    """
    if not exists(file):
        raise DataError(f"{file}: no such file. {_NEXT}")
    try:
        found = _CONTENT.search(file.read_text(encoding="utf-8"))
        if not found:
            raise ValueError("it holds no lesions")
        lesions = _unpacked(TypeAdapter(Page).validate_json(found[1], strict=True))
    except ValueError as error:  # pydantic's errors, and bytes that are no UTF-8, are ValueErrors
        told = _told(error) if isinstance(error, ValidationError) else error
        raise DataError(f"{file}: is no page of a reading, or damaged ({told}). {_NEXT}") from error
    return json.loads(found[1]), lesions


def _told(error: ValidationError) -> str:
    """The first fault in a few words: pydantic's own text repeats pixels."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([".".join(map(str, first["loc"])), first["msg"]]).removeprefix(": ")


def _unpacked(page: Page) -> dict[str, np.ndarray]:
    """id -> (C, S, S) uint16. Raises ValueError where one is doubled or is not what the page says of all."""
    if page.bits not in (8, 16) or min(page.size, page.channels) < 1:
        raise ValueError(f"{page.bits} bits, {page.channels} channels, {page.size} pixels a side")
    lesions = {}
    for place, lesion in enumerate(page.lesions, 1):
        if missing := {"id", "pixels"} - set(lesion):
            raise ValueError(f"lesion {place} has no {' and no '.join(sorted(missing))}")
        try:
            lesions[lesion["id"]] = _pixels(lesion["pixels"], page)
        except ValueError as error:
            raise ValueError(f"{lesion['id']}: {error}") from error
    if not lesions or len(lesions) < len(page.lesions):
        raise ValueError(f"{len(lesions)} different lesions in {len(page.lesions)} places")
    return lesions


def _pixels(packed: str, page: Page) -> np.ndarray:
    """What `_packed` gave -> (C, S, S) uint16."""
    found = base64.b64decode(packed, validate=True)
    wanted = page.size**2 * page.channels * page.bits // 8
    if len(found) != wanted:
        raise ValueError(f"{len(found)} bytes of pixels, {wanted} are needed")
    pixels = np.frombuffer(found, f"<u{page.bits // 8}").reshape(page.size, page.size, page.channels)
    if pixels.max() >= page.levels:
        raise ValueError(f"a pixel is {pixels.max()}, the last level {page.levels - 1}")
    return np.moveaxis(pixels, -1, 0).astype(np.uint16)
