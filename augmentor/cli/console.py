"""Where the commands speak: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from rich.console import Console

out = Console()
err = Console(stderr=True)
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}  # for lines with paths and names


def typed_command() -> str:
    """What was typed, for a report that says how it is repeated."""
    return shlex.join(["augmentor", *sys.argv[1:]])
