"""One name in several spellings that a reader can't tell apart, or that a file system takes for one."""

from __future__ import annotations

import re
import unicodedata

_WHOLE = re.compile(r"(?<=\d)\.0+$")


def seen(name: str) -> str:
    """Without the characters that can't be seen (Unicode's category Cf, as a zero-width space)."""
    return "".join(letter for letter in name if unicodedata.category(letter) != "Cf")


def spelling_key(name: str) -> str:
    """What the spellings of a name have in common: unseen characters, the encoding of letters (an umlaut in one
    character or in two) and case tell none apart."""
    return unicodedata.normalize("NFC", seen(unicodedata.normalize("NFC", name)).casefold())


def without_point(name: str) -> str:
    """A whole number as it is written where nothing is behind its point: 1 for 1.0, as spreadsheets leave it."""
    return _WHOLE.sub("", name)
