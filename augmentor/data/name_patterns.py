"""The patient in a file name: by a template such as `<patient>_<anything>`, or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from augmentor.data.images import stem
from augmentor.errors import DataError, UsageError, first_of


@dataclass(frozen=True)
class NamePattern:
    """Where a file name says its patient (or another `group`).

    first, last: regular expressions with that group. They differ where words before the group can end in several
    places: in the one they end as early as they can, in the other as late.
    """

    group: str
    first: re.Pattern[str]
    last: re.Pattern[str]

    def find(self, name: str) -> str:
        """Raises DataError where the name does not fit, or fits in two ways that give different patients."""
        found = _found(name, self.first, self.group)
        if not found:
            raise DataError(
                f"{name}: has no {self.group} by the rule {self.first.pattern!r}; correct --{self.group}-pattern."
            )
        other = _found(name, self.last, self.group)
        if other != found:
            raise DataError(
                f"{name}: --{self.group}-pattern fits in two ways, with the {self.group} {found!r} or {other!r}. Give "
                f"the one that is meant as a regular expression: '{self.first.pattern}' or '{self.last.pattern}'."
            )
        return found

    def find_all(self, names: Iterable[str]) -> list[str]:
        """Raises DataError of all names in which `find` finds none."""
        found, problems = [], []
        for name in names:
            try:
                found.append(self.find(name))
            except DataError as error:
                problems.append(str(error))
        if problems:
            raise DataError(first_of(problems, "files"))
        return found


def _found(name: str, pattern: re.Pattern[str], group: str) -> str:
    short = stem(name)
    match = pattern.fullmatch(short) or pattern.fullmatch(name) or pattern.match(short)
    return (match[group] or "") if match else ""


def name_pattern(template: str, group: str = "patient") -> NamePattern:
    """`<patient>_<anything>`, or a regular expression with the group `patient`.

    group: another word that is looked for in the same way. Raises UsageError.
    """
    try:
        if f"(?P<{group}>" in template:
            given = re.compile(template)
            return NamePattern(group, given, given)
        if template.count(f"<{group}>") == 1:
            return NamePattern(group, _compiled(template, group, ".*?"), _compiled(template, group, ".*"))
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
