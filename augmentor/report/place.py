"""Where a report goes: drawn beside the earlier one, whose files it then replaces, and nobody else's."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augmentor.data.folders import FIGURES, PAGE, TABLES
from augmentor.errors import UsageError
from augmentor.files import part_in, require_folder
from augmentor.locks import alone_in

DRAWN = (FIGURES, TABLES)
_PART = "report"
OWN = (PAGE, *DRAWN, f".{_PART}")
# What templates/page.html says of a report, so that the next one knows what this one left.
_OURS = '<meta name="generator" content="augmentor '
_FILE = re.compile(r'<meta name="file" content="((?:figures|tables)/[^"/\\]+\.(?:png|csv))">')


def left_in(out: Path) -> list[str]:
    """The page of ours in `out` and the files that it left beside it, as "figures/arms.png"; none where there is none.

    A page that was cut short or is somebody else's is none of ours.
    """
    page = out / PAGE
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    return [PAGE, *map(html.unescape, _FILE.findall(text))] if _OURS in text else []


def drawn_in(folder: Path) -> list[str]:
    """The pictures and tables in a folder, and whatever else is there under their names, as in `left_in`."""
    found = [file for name in DRAWN for file in (folder / name, *(folder / name).rglob("*")) if file.is_file()]
    return sorted(file.relative_to(folder).as_posix() for file in found)


def require_ours(out: Path) -> None:
    """Raise UsageError where a page, picture or table in `out` is of no report of ours that is there."""
    require_folder(out)
    found = [*([PAGE] if (out / PAGE).exists() else []), *drawn_in(out)]
    left = left_in(out)
    others = [name for name in found if name not in left and not Path(name).name.startswith(".")]
    if others:
        raise UsageError(
            f"{out / others[0]}: was not left by the report that is here, if any is, and nothing of yours is "
            "overwritten. Move it away, or give another --out."
        )


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A folder for a report, which takes the place of the one in `out` when all of it is written, page and files.

    Where several processes do so at once, the report of the one that ends last stays, whole.
    """
    there, place = out.exists(), out.absolute()
    with part_in(place, _PART) if there else part_in(place.parent, place.name) as part:  # on the same disk
        yield part
        if there or not _renamed(part, out):
            with alone_in(out):
                _move(part, out)


def _renamed(part: Path, out: Path) -> bool:
    """Whether `out` was still free."""
    try:
        part.rename(out)
    except OSError:
        if not out.is_dir():
            raise
        return False
    return True


def _move(part: Path, out: Path) -> None:
    """In an order in which no page stands beside pictures of another one, wherever it ends."""
    for name in left_in(out)[1:]:
        (out / name).unlink(missing_ok=True)
    (part / PAGE).replace(out / PAGE)
    for name in drawn_in(part):
        (out / name).parent.mkdir(exist_ok=True)
        (part / name).replace(out / name)
    for folder in (out / name for name in DRAWN):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
