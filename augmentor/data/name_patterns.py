"""The patient in a file's name or path: by a template such as `<patient>_<anything>`, or a regular expression."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from augmentor.data.formats import stem
from augmentor.errors import DataError, UsageError, first_of


@dataclass(frozen=True)
class NamePattern:
    """Where a file says its patient (or another `group`): in its name, or in its path.

    first, last: regular expressions with that group. They differ where words before the group can end in several
    places: in the one they end as early as they can, in the other as late. in_path: whether the path is meant, since
    the pattern has a slash. given: as it was written.
    """

    group: str
    given: str
    first: re.Pattern[str]
    last: re.Pattern[str]
    in_path: bool = False

    def find(self, text: str, file: str = "") -> str:
        """In a name or path. Raises DataError, by the name of `file`, where it does not fit, or fits in two ways that
        give different patients."""
        found, file = _found(text, self.first, self.group), file or text
        if not found:
            raise DataError(
                f"{file}: has no {self.group} by {self.given!r}{self._why(text)}; correct --{self.group}-pattern."
            )
        other = _found(text, self.last, self.group)
        if other != found:
            raise DataError(
                f"{file}: --{self.group}-pattern fits in two ways, with the {self.group} {found!r} or {other!r}. Give "
                f"the one that is meant as a regular expression: '{self.first.pattern}' or '{self.last.pattern}'."
            )
        return found

    def _why(self, text: str) -> str:
        """Why a template does not fit, where that is easily said."""
        if f"(?P<{self.group}>" in self.given:
            return ""
        if "*" in self.given:
            return " (for any text write <anything>, not *)"
        missing = [part for part in re.split(r"<\w+>", self.given) if part not in text]
        return f" (it has no {missing[0]!r})" if missing else ""

    def find_all(self, files: Iterable[Path], home: Path) -> list[str]:
        """Of each file, in its name or in its path below `home`. Raises DataError of all in which `find` finds none."""
        found, problems = [], []
        for file in files:
            plain = Path(os.path.normpath(file))
            below = (plain.relative_to(home) if plain.is_relative_to(home) else plain).as_posix()
            try:
                found.append(self.find(below if self.in_path else file.name, below))
            except DataError as error:
                problems.append(str(error))
        if problems:
            raise DataError(first_of(problems, "files"))
        return found


def _found(text: str, pattern: re.Pattern[str], group: str) -> str:
    short = stem(text)
    match = pattern.fullmatch(short) or pattern.fullmatch(text) or pattern.match(short)
    return (match[group] or "") if match else ""


def name_pattern(template: str, group: str = "patient") -> NamePattern:
    """`<patient>_<anything>`, or a regular expression with the group `patient`; with a slash, of the path.

    group: another word that is looked for in the same way. Raises UsageError.
    """
    in_path = "/" in re.sub(r"\[\^\]?[^]]*\]", "", template)  # in `[^/]` it stands for what a name has none of
    try:
        if f"(?P<{group}>" in template:
            given = re.compile(template)
            return NamePattern(group, template, given, given, in_path)
        if template.count(f"<{group}>") == 1:
            first, last = (_compiled(template, group, before) for before in (".*?", ".*"))
            return NamePattern(group, template, first, last, in_path)
    except re.error as error:
        raise UsageError(f"--{group}-pattern {template!r} is no regular expression: {error}.") from error
    raise UsageError(
        f"--{group}-pattern {template!r} does not say where the {group} stands. "
        f"Write `<{group}>_<anything>` or a regular expression with (?P<{group}>...)."
    )


def _compiled(template: str, group: str, before: str) -> re.Pattern[str]:
    """before: what stands for a word before the group."""
    head, tail = template.split(f"<{group}>")
    return re.compile(f"{_filled(head, before)}(?P<{group}>[^/]+?){_filled(tail, '.*')}")


def _filled(part: str, filler: str) -> str:
    """A part of a template as an expression, with the filler for each word."""
    return filler.join(map(re.escape, re.split(r"<\w+>", part)))
