"""Files and folders that are there whole or not at all, and never in place of somebody else's."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import pandas as pd

from augmentor.errors import OF_A_FULL_DISK, UsageError
from augmentor.locks import alone_in, hold_folder, release

_OLD = re.compile(r"\.[0-9a-f]{16}\.old$")
_PART = re.compile(rf"\.[0-9a-f]+\.part$|{_OLD.pattern}")


def exists(file: Path) -> bool:
    """False for a name that the system does not take, too, as one of 300 letters."""
    try:
        return file.exists()
    except OSError:
        return False


def write_atomically(file: Path, content: str | bytes) -> None:
    """The file is there whole or not at all, also when the machine stops in the middle. Text is written in UTF-8."""
    part = file.with_name(f"{file.name}.{token_hex(8)}.part")  # no other writer's, of another machine either
    try:
        with part.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        _name_place(error, file)
        raise
    finally:
        part.unlink(missing_ok=True)


def name_of_part(name: str) -> str:
    """What a file or folder was to be called of which a writer left a part, for it was killed; any other name as it
    is. The part of a folder `out` is one of `.out`, and so is what it held while another takes its place."""
    return _PART.sub("", name)


def _name_place(error: OSError, place: Path) -> None:
    """What could not be written, on the error of a full disk: the system does not say it."""
    if error.errno in OF_A_FULL_DISK and error.filename is None:
        error.filename = str(place)


def damaged(file: Path, why: object) -> UsageError:
    """The error of a file of ours that does not hold what we wrote."""
    return UsageError(f"{file}: is damaged ({why}). Restore it, or make it anew.")


def read_json(file: Path, *needed: str) -> dict[str, Any]:
    """What `write_atomically` wrote of a dict, with the keys that are needed. Raises UsageError where it holds less."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no file, no JSON, or bytes that are no UTF-8
        raise damaged(file, error) from error
    if not isinstance(content, dict) or (missing := set(needed) - set(content)):
        raise damaged(file, f"no {', '.join(sorted(missing))} in it" if isinstance(content, dict) else "no object")
    return content


def write_table(file: Path, table: pd.DataFrame | None, **how: Any) -> None:
    """As CSV, as `write_atomically` does; None or no rows: the file of an earlier time is removed.

    how: for `DataFrame.to_csv`.
    """
    if table is None or table.empty:
        file.unlink(missing_ok=True)
    else:
        write_atomically(file, table.to_csv(index=False, lineterminator="\n", **how))


def read_table(file: Path, *needed: str, **how: Any) -> pd.DataFrame:
    """What `write_table` wrote, with the columns that are needed. Raises UsageError where it holds less.

    how: for `pandas.read_csv`.
    """
    try:
        table = pd.read_csv(file, **how)
    except ValueError as error:  # pandas' errors, and bytes that are no UTF-8
        raise damaged(file, error) from error
    if missing := set(needed) - set(table):
        raise damaged(file, f"no column {', '.join(sorted(missing))}")
    return table


@contextmanager
def whole_folder(out: Path, replace: bool = False) -> Iterator[Path]:
    """A folder beside `out` that takes its name when everything is written in it.

    `out` may be there, empty: then all of it is moved in, since a folder that was prepared can be a disk of its own, or
    the one that a shell stands in. What it holds is replaced where the caller says so, else OSError is raised; it stays
    where the writer fails, at whichever point.
    """
    there = out.exists() and not replace
    try:
        with part_in(out if there else out.absolute().parent, out.absolute().name) as part:
            yield part
            if there:
                _move_into(out, part)
            elif out.exists() and replace:
                _exchange(out, part)
            else:
                part.rename(out)
    except OSError as error:
        _name_place(error, out)
        raise


def _exchange(out: Path, part: Path) -> None:
    """Let two folders change names; where that fails half-way, or Ctrl-C comes, `out` is what it was, or is whole.

    Of a process that is killed half-way, `_remove_dead_parts` knows the name that `out` had meanwhile.
    """
    old = out.absolute().with_name(f".{out.absolute().name}.{token_hex(8)}.old")
    with alone_in(out):  # or another writer would take us for killed
        try:
            out.rename(old)
            part.rename(out)
        finally:
            if old.exists():
                old.rename(part if out.exists() else out)


@contextmanager
def part_in(folder: Path, name: str) -> Iterator[Path]:
    """A folder in `folder` to be filled, called as no other one, and gone afterwards if it is still there.

    Those of the same name whose writers were killed are removed; one whose writer lives is left. A folder of that name
    that was being replaced then is put back.
    """
    _remove_dead_parts(folder, name)
    part = folder / f".{name}.{token_hex(8)}.part"
    held = _make_held(part)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        release(held)


def _make_held(part: Path) -> int | None:
    """Make a folder and lock it; make it again where one who removes dead parts came between the two."""
    while True:
        part.mkdir(parents=True, exist_ok=True)
        held = hold_folder(part, wait=True)
        if held is not None or part.exists():
            return held


def _remove_dead_parts(folder: Path, name: str) -> None:
    """Remove what killed writers of `part_in` left: a writer holds its part's lock for as long as it lives.

    What was being replaced goes back to its name where nothing has taken that (see `_exchange`).
    """
    out = folder / name
    for part in list(folder.iterdir()) if folder.is_dir() else ():
        if name_of_part(part.name) != f".{name}" or part.name == f".{name}" or not part.is_dir():
            continue
        if (held := hold_folder(part, wait=False)) is not None:
            if _OLD.search(part.name) and not out.exists():
                part.rename(out)
            else:
                shutil.rmtree(part, ignore_errors=True)
            release(held)


def _move_into(out: Path, part: Path) -> None:
    """Everything in `part`, a folder in `out`, one up: folders first, so that a table names what is there.

    Raises OSError where another process has written into `out` meanwhile.
    """
    own = f".{out.absolute().name}"
    if found := [f for f in out.iterdir() if f.name == own or name_of_part(f.name) != own]:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(found[0]))
    for child in sorted(part.iterdir(), key=Path.is_file):
        child.rename(out / child.name)


def clear(folder: Path, but: str = "") -> None:
    """Remove what a folder holds, as far as that goes, `but` for a file of that name."""
    for child in folder.iterdir():
        if child.name == but:
            continue
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)


def require_empty(folder: Path, also: str = "Empty it", but: Collection[str] = ()) -> None:
    """Raise UsageError if `folder` or one above it is a file, or it holds anything: nothing on disk is overwritten.

    What `whole_folder` left there when it was killed is removed. but: names that may be there, or parts of such files.
    """
    require_folder(folder)
    _remove_dead_parts(folder, folder.absolute().name)
    found = sorted(f.name for f in folder.iterdir() if name_of_part(f.name) not in but) if folder.exists() else []
    if found:
        raise UsageError(
            f"{folder}: already holds files, and nothing is overwritten ({found[0]} is there). {also}, or give "
            "another --out."
        )


def require_folder(out: Path) -> None:
    """Raise UsageError where `out`, or what stands above it, is a file."""
    there = next((f for f in (out, *out.parents) if f.exists()), out)
    if there.exists() and not there.is_dir():
        raise UsageError(f"{out}: can't be a folder, for {there} is a file. Give another --out.")


def require_own(out: Path, names: Collection[str]) -> None:
    """Raise UsageError where `out` is no folder, or holds anything but `names`, which an earlier start has left there,
    or their parts: these are replaced, and nothing else is touched."""
    require_folder(out)
    others = sorted(f.name for f in out.iterdir() if name_of_part(f.name) not in names) if out.is_dir() else []
    if others:
        told = f"{out}: holds other files ({others[0]}), and nothing of yours is overwritten."
        raise UsageError(f"{told} Give another --out.")


def to_json(content: Any) -> str:
    """Indented JSON; numbers that are not finite become null, which JSON has no other word for."""
    return json.dumps(_finite(content), indent=1)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    return float(value) if math.isfinite(value) else None
