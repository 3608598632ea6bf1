"""The pieces of a page. A section holds blocks; how each looks is in templates/parts.html."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Text(NamedTuple):
    """A paragraph; `lead` stands before it in bold. kind: "", "verdict" or "alarm"."""

    text: str
    kind: str = ""
    lead: str = ""


class Picture(NamedTuple):
    """What an <img> needs; `source` is a data URI, `narrow` one for a phone where that differs.

    A page shows it at most `inches` wide, so that the letters of all charts have one size.
    """

    source: str
    alt: str
    caption: str
    inches: float
    narrow: str = ""


class Tile(NamedTuple):
    """One lesion as it is, `width` pixels across; `source` is a data URI."""

    source: str
    alt: str
    width: int


class Tiles(NamedTuple):
    """Lesions that belong together, and what they are."""

    title: str
    tiles: list[Tile]


class LesionGroups(NamedTuple):
    """Groups of lesions beside each other, at true pixel size times the zoom that the reader chose."""

    groups: list[Tiles]
    caption: str


class TextTable(NamedTuple):
    """Rows of text under `heads`, by group; the first cell of a row names it. The group "" has no heading."""

    caption: str
    heads: list[str]
    groups: dict[str, list[list[str]]]


class Code(NamedTuple):
    text: str


class Notes(NamedTuple):
    """A list of warnings."""

    lines: list[str]


class Terms(NamedTuple):
    """Words and what they mean."""

    meanings: dict[str, str]


class Beside(NamedTuple):
    """Pictures side by side where the page is wide enough."""

    pictures: list[Picture]


class Part(NamedTuple):
    """Blocks under a heading of the third level; holds no other part."""

    title: str
    blocks: list[Block]


class Folded(NamedTuple):
    """Blocks that a reader may open; holds no part."""

    title: str
    blocks: list[Block]


Block = Text | Picture | LesionGroups | TextTable | Code | Notes | Terms | Beside | Part | Folded


def named(name: str, blocks: Sequence[Block]) -> list[Block]:
    """What is told of a source as a part under its name; as it is where the source has none, or nothing is told."""
    return [Part(name, [*blocks])] if name and blocks else [*blocks]


class Section(NamedTuple):
    """Blocks under a heading of the second level; the one without a title opens the page."""

    title: str
    blocks: list[Block]

    @property
    def anchor(self) -> str:
        return "-".join(self.title.lower().split())

    @property
    def zooms(self) -> bool:
        """Whether it shows lesions, so that it needs a zoom."""
        parts = (block.blocks if isinstance(block, Part | Folded) else [block] for block in self.blocks)
        return any(isinstance(block, LesionGroups) for blocks in parts for block in blocks)
