import io
import re

import pytest
from rich.console import Console

from augmentor.progress import Progress, TerminalProgress


def test_without_a_terminal_there_are_plain_whole_lines():
    told = io.StringIO()
    progress = TerminalProgress(Console(file=told, width=40))
    progress.say("a line that is longer than forty columns and must not be broken [in two]")
    with progress.task("Fitting", 1.0) as update:
        update(1.0, "done")
    assert told.getvalue() == "a line that is longer than forty columns and must not be broken [in two]\n"


def test_the_time_left_is_told_once_enough_is_done_to_tell_it(monkeypatch):
    told, clock = io.StringIO(), iter([0.0, 20.0, 40.0, 60.0])
    monkeypatch.setattr("augmentor.progress.time.monotonic", lambda: next(clock))
    with TerminalProgress(Console(file=told, width=80)).task("Benchmark", 1000.0) as update:
        for done in (0.0, 1.0, 250.0):
            update(done, "")
    first, second, third = told.getvalue().splitlines()
    assert "left" not in first + second
    assert "180 s left" in third


def test_a_bar_fits_eighty_columns_and_shows_rate_time_left_and_losses():
    told = io.StringIO()
    progress = TerminalProgress(Console(file=told, width=80, force_terminal=True, color_system=None))
    with progress.task("Fitting cgan (10 min)", 1.0) as update, progress.task("[inner]", 1.0) as inner:
        inner(0.5, "")
        update(0.3, "176 images/s, d 1.44 g 0.88, held-out mmd 0.027")
    last = [line for line in told.getvalue().splitlines() if "Fitting" in line][-1]
    assert "Fitting cgan (10 min)" in last
    assert "left" in last
    assert "176 images/s, d 1.44" in last
    assert "[inner]" in told.getvalue()


@pytest.mark.parametrize("width", [40, 50, 60, 80])
@pytest.mark.parametrize("name", ["Fitting cgan (10 min)", "Drawing and screening 30 synthetic lesions"])
@pytest.mark.parametrize("note", ["", "176 images/s, d 1.44 g 0.88, held-out mmd 0.027"])
def test_a_narrow_terminal_cuts_the_note_and_keeps_how_much_is_done_and_left(width, name, note):
    told = io.StringIO()
    progress = TerminalProgress(Console(file=told, width=width, force_terminal=True, color_system=None))
    with progress.task(name, 1.0) as update:
        update(0.3, note)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.getvalue()).split("\r")[-1].splitlines()[-1]
    assert re.search(r" 30% (-:)?--:-- left", last)
    assert last.startswith(name[:20])
    assert len(last) <= width
    assert (note[:8] in last) or width < 80


def test_the_silent_one_says_nothing(capsys):
    progress = Progress()
    progress.say("nothing")
    with progress.task("nothing", 1.0) as update:
        update(1.0, "nothing")
    assert capsys.readouterr().out == ""
