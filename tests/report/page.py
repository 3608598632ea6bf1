"""A page, taken apart."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from augmentor.report.blocks import TextTable


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text by the innermost tag."""

    def __init__(self, path: Path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.in_cell = False
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self.in_cell = True

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.tags[-1][0], data.strip()))
        if self.in_cell:
            self.tables[-1][-1][-1] += data.strip().replace("\N{NO-BREAK SPACE}", " ")

    def handle_endtag(self, tag):
        self.in_cell &= tag not in ("th", "td")

    def attributes(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]

    def headings(self) -> list[int]:
        return [int(tag[1]) for tag, _ in self.tags if re.fullmatch(r"h[1-6]", tag)]

    def rows(self, *heads: str) -> list[list[str]]:
        """The rows of all tables whose heads begin with these; the name of a row's group stands before it."""
        found = []
        for first, *rest in self.tables:
            group = ""
            for row in rest if tuple(first[: len(heads)]) == heads else []:
                if len(row) == 1:
                    group = row[0]
                else:
                    found.append([group, *row])
        return found


def only_row(table: TextTable) -> list[str]:
    """Of a table that has no other."""
    (rows,) = table.groups.values()
    (row,) = rows
    return row
