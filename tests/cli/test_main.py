"""The command line as a whole: its commands, their help, and how it ends."""

import errno
import inspect
import os
import signal
import subprocess
import sys
from typing import Annotated, get_args, get_origin

import pytest

from augmentor import cli
from augmentor.errors import InterruptedFitError

pytestmark = pytest.mark.usefixtures("elsewhere")

COMMANDS = (
    *("extract", "check", "fit", "expand", "evaluate", "benchmark", "calibrate", "screens", "report", "bench", "demo"),
    "run",
)
GROUPED = ("read make", "read score")
OPTIONS = [  # command, name, type, typer's OptionInfo
    (command.__name__, name, *get_args(parameter.annotation))
    for command in [*cli.COMMANDS, *(c.callback for c in cli.read.registered_commands)]
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items()
    if get_origin(parameter.annotation) is Annotated
]
FRACTIONS = [(command, name) for command, name, kind, _ in OPTIONS if float in (kind, *get_args(kind))]


@pytest.fixture
def refused(augmentor, monkeypatch):
    """Gives what a command says of an error of the system."""

    def call(number, file=None):
        def refuse(*_):
            raise OSError(number, "as the system says it", file)

        monkeypatch.setattr("augmentor.cli.data.read_data", refuse)
        outcome = augmentor("check", "--data", "lesions")
        assert outcome.code == 1
        return outcome

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_by_the_folder_that_is_on_it(refused, tmp_path, number):
    outcome = refused(number, str(tmp_path / ".lesions-x3.part-99" / "cyst" / "1.png"))
    assert outcome.says(f"Error: {tmp_path}: as the system says it. Free space on the disk that holds this folder")
    assert ".part-" not in outcome.err
    assert refused(number).says("Error: as the system says it. Free space where the command writes to.")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("name", [".lesions-x3.part-99", "run.json.99.part", "new/deep"])
def test_a_folder_without_rights_is_named_and_no_space_is_asked_for(refused, tmp_path, number, name):
    outcome = refused(number, str(tmp_path / name))
    assert outcome.says(f"Error: {tmp_path}: as the system says it. Make it writable for you, or write to another")
    assert not any(word in outcome.err for word in ("space", "part", "--out"))


def test_a_file_that_can_not_be_read_is_named_itself(refused, tmp_path, monkeypatch):
    (tmp_path / "1.png").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert refused(errno.EACCES, str(tmp_path / "1.png")).says(tmp_path / "1.png", "Make it readable for you, or leave")


def test_what_is_no_matter_of_the_disk_is_not_blamed_on_it(refused):
    outcome = refused(errno.EISDIR, "keys.txt")
    assert outcome.says("Error: keys.txt: as the system says it.")
    assert not any(word in outcome.err for word in ("Free", "Make"))


@pytest.mark.parametrize("command", COMMANDS + GROUPED)
def test_the_help_of_every_command_has_an_example(augmentor, command):
    outcome = augmentor(*command.split(), "--help")
    assert outcome.code == 0
    assert outcome.says("Example", f"augmentor {command}")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("fit", ["[0<=x<=1048575]", "the first of the two to be", "of images 16 to 256 pixels", "at most 0.5"]),
        ("benchmark", ["the first of the two to be", "of volumes 16 to 64 voxels"]),
        ("screens", ["the first of the two to be", "screen.csv", "gans/", "--window", "--fov"]),
        ("expand", ["[0<=x<=1048575]"]),
        ("demo", ["[0<=x<=1048575]"]),
        ("evaluate", ["for the table of --real", "--window", "--fov"]),
        ("calibrate", ["16 to 256, a multiple of 4"]),
        ("report", ["evaluate", "demo"]),
    ],
)
def test_help_tells_ranges_and_what_is_left(augmentor, monkeypatch, command, told):
    monkeypatch.setenv("COLUMNS", "1000")
    printed = augmentor(command, "--help")
    assert printed.says(*told)


@pytest.mark.parametrize(("command", "name"), FRACTIONS)
def test_a_decimal_comma_is_told_by_every_option_that_takes_one(augmentor, command, name):
    option = f"--{name.replace('_', '-')}"
    outcome = augmentor(command, option, "0,5")
    assert outcome.code == 2
    assert outcome.says(option, "'0,5' is not a valid number", "Write 0.5.")


@pytest.mark.parametrize(("command", "name", "kind", "option"), OPTIONS)
def test_every_option_says_what_it_is_for(command, name, kind, option):
    assert option.help, f"{command} --{name} ({kind})"


def test_every_command_is_among_those_that_are_tested():
    assert {c.callback.__name__ for c in cli.app.registered_commands} == set(COMMANDS)
    groups = [group.typer_instance for group in cli.app.registered_groups]
    found = {f"{group.info.name} {c.callback.__name__}" for group in groups for c in group.registered_commands}
    assert found == set(GROUPED)


def test_an_unknown_command_is_named(augmentor):
    outcome = augmentor("augment")
    assert outcome.code == 2
    assert outcome.says("No such command 'augment'")


def test_the_command_line_starts_without_torch():
    program = "import augmentor.cli, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_name_that_the_terminal_cannot_show_is_no_reason_to_fail(lesion_folder):
    (lesion_folder / "a").rename(lesion_folder / "\u03ba\u03cd\u03c3\u03c4\u03b7")
    program = "from augmentor.cli import main; import sys; sys.argv = ['augmentor', *sys.argv[1:]]; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "check", "--data", str(lesion_folder)],
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u03ba" in done.stdout


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (KeyboardInterrupt(), "Interrupted. Nothing was left half-written. Start the same command again"),
        (InterruptedFitError("Interrupted at step 3; go on with ..."), "Interrupted at step 3; go on with ..."),
    ],
)
def test_ctrl_c_ends_in_one_way_and_says_how_to_go_on(augmentor, monkeypatch, raised, told):
    def interrupted(*_arguments, **_names):
        raise raised

    monkeypatch.setattr("augmentor.extraction.sources.open_lesions", interrupted)
    outcome = augmentor("check", "--data", "lesions")
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith(told)


def test_sigterm_ends_in_an_orderly_way_and_says_how_to_go_on(augmentor, monkeypatch):
    monkeypatch.setattr(
        "augmentor.extraction.sources.open_lesions", lambda *_a, **_n: signal.raise_signal(signal.SIGTERM)
    )
    before = signal.getsignal(signal.SIGTERM)
    try:
        outcome = augmentor("check", "--data", "lesions")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert outcome.code == 143
    assert outcome.err.startswith("Interrupted. Nothing was left half-written. Start the same command again")
