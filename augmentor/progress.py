"""How long work tells where it is: a bar in a terminal, plain lines elsewhere, nothing from Python unless asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Task, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

Update = Callable[[float, str], None]
_SECONDS_BETWEEN_LINES = 15.0
_WIDE = 60  # columns of a terminal that has room for a bar
_BAR = 10
_NUMBERS = 18  # columns of the percentage, the time left and what stands between
_TELLING_SHARE = 0.01  # before it, what has been done says nothing about how long the rest takes


def silent(_done: float, _note: str) -> None:
    """Tells nothing."""


class Progress:
    """The silent one. `task` gives a function to call with (how much is done, a short note)."""

    @contextmanager
    def task(self, name: str, total: float) -> Iterator[Update]:  # noqa: ARG002 (the silent one needs neither)
        yield silent

    def say(self, line: str) -> None:
        """A line that stays."""


class _Note(TextColumn):
    """What a terminal has no room for is cut off here, at the least important end: the one column that gives way."""

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "crop"
        return text


class TerminalProgress(Progress):
    """Bars with rate and time left on a terminal; a line every quarter of a minute where there is none."""

    def __init__(self, console: Console):
        self._console = console
        self._bars: Bars | None = None

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def task(self, name: str, total: float) -> Iterator[Update]:
        if not self._console.is_terminal:
            yield self._lines(name, total)
            return
        outermost = self._bars is None
        bars = self._bars or self._new_bars()
        if outermost:
            self._bars = bars
            bars.start()
        number = bars.add_task(name, total=total, note="")
        try:
            yield lambda done, note: _move(bars, number, done, note)
        finally:
            bars.remove_task(number) if not outermost else bars.stop()
            self._bars = None if outermost else self._bars

    def _new_bars(self) -> Bars:
        width = self._console.width
        bar = [BarColumn(bar_width=_BAR)] if width >= _WIDE else []
        room = width - _NUMBERS - (_BAR + 1) * len(bar)
        name = Column(no_wrap=True, min_width=min(22, room), max_width=room)
        columns = (
            TextColumn("{task.description}", markup=False, table_column=name),
            *bar,
            TaskProgressColumn(table_column=Column(no_wrap=True, min_width=4)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
            TextColumn("left", table_column=Column(no_wrap=True, min_width=4)),
            _Note("{task.fields[note]}", style="dim", markup=False, table_column=Column()),
        )
        return Bars(*columns, console=self._console)

    def _lines(self, name: str, total: float) -> Update:
        begun = last = time.monotonic()

        def update(done: float, note: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < _SECONDS_BETWEEN_LINES and done < total:
                return
            if done >= total and now - begun < 1:
                return
            last = now
            share = done / total
            left = f", {max((now - begun) * (1 / share - 1), 0):.0f} s left" if share >= _TELLING_SHARE else ""
            self.say(f"{name}: {share:4.0%}, {now - begun:.0f} s{left}  {note}".rstrip())

        return update


def _move(bars: Bars, number: TaskID, done: float, note: str) -> None:
    bars.update(number, completed=done, note=note)
