"""Words in a picture of tiles: rows' names to their left, columns' above them, which reading it back leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

WHITE, BLACK = 255, 0
_PAD, _LARGEST, _SMALLEST, _LONGEST = 3, 12, 8, 24
_LEFT, _TOP = "left", "top"  # how wide the words are, in the file

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font_of(size: int) -> Font:
    """DejaVu Sans, which comes with matplotlib and has more letters than Pillow's own, or that one."""
    found = find_spec("matplotlib")  # which is not imported
    file = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else None
    return ImageFont.truetype(str(file), size) if file and file.exists() else ImageFont.load_default(size)


def fitting(text: str, width: float, font: Font) -> str:
    """As much of a text as is so wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def framed(pixels: np.ndarray, rows: Sequence[str], columns: Sequence[str] = ()) -> bytes:
    """PNG of (H, W) or (H, W, 3) uint8 tiles with the names of rows, all of one height, and columns, of one width."""
    high, wide = pixels.shape[0] // len(rows), pixels.shape[1] // max(len(columns), 1)
    font = font_of(max(_SMALLEST, min(_LARGEST, high - 2)))
    named = [fitting(name, _LARGEST * _LONGEST, font) for name in rows]
    left = 2 * _PAD + round(max(map(font.getlength, named)))
    heads = [_line(name, font) for name in columns]
    if any(head.width > wide for head in heads):
        heads = [head.transpose(Image.Transpose.ROTATE_90) for head in heads]
    top = _PAD + max(head.height for head in heads) if heads else 0
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    sheet = Image.new(picture.mode, (left + picture.width, top + picture.height), "white")
    sheet.paste(picture, (left, top))
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(named):
        draw.text((left - _PAD, top + (number + 0.5) * high), name, "black", font, anchor="rm")
    for number, head in enumerate(heads):
        sheet.paste(head, (left + number * wide + (wide - head.width) // 2, top - head.height))
    words, stream = PngInfo(), BytesIO()
    words.add_text(_LEFT, str(left))
    words.add_text(_TOP, str(top))
    sheet.save(stream, "PNG", pnginfo=words, optimize=True)
    return stream.getvalue()


def unframed(file: Path) -> np.ndarray:
    """The tiles of a picture that `framed` made, or all of one without words."""
    with Image.open(file) as picture:
        left, top = (int(picture.info.get(side, 0)) for side in (_LEFT, _TOP))
        return np.asarray(picture)[top:, left:]


def _line(text: str, font: Font) -> Image.Image:
    """A text on white, as high as the font is."""
    line = Image.new("L", (round(font.getlength(text)) + 2, _LARGEST + _PAD), WHITE)
    ImageDraw.Draw(line).text((1, (_LARGEST + _PAD) / 2), text, BLACK, font, anchor="lm")
    return line
