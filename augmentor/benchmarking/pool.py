"""The screened synthetic lesions of a run, drawn once and kept beside it for all cells that ask for the same."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from augmentor.benchmarking.keys import SCREEN_CODE, result_key
from augmentor.expansion.screen import synthesise
from augmentor.files import write_atomically
from augmentor.recipe import ScreenLevel
from augmentor.training.run import Run


def pool(run: Run, wanted: dict[str, int], seed: int, screen: ScreenLevel) -> tuple[np.ndarray, list[str]]:
    """`wanted` lesions a class that pass the screen: (M, C, S, S) float32 in [-1, 1], and M labels.

    Fewer where the screen let no more pass. Two processes, on two machines too, may draw the same set; its file is
    there whole or not at all.
    """
    key = result_key({"wanted": wanted, "seed": seed, "screen": screen}, SCREEN_CODE)
    file = run.folder / "pools" / f"{key}.npz"
    if (kept := _read(file)) is not None:
        return kept
    images, labels = synthesise(run, wanted, seed, screen)
    file.parent.mkdir(exist_ok=True)
    content = BytesIO()
    np.savez(content, images=images, labels=np.array(labels, dtype=str))
    write_atomically(file, content.getvalue())
    return images, labels


def _read(file: Path) -> tuple[np.ndarray, list[str]] | None:
    """None where there is no such file, or a damaged one, which is drawn again."""
    try:
        with np.load(file) as content:
            return content["images"], content["labels"].tolist()
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        return None
