"""The run folder: what a fit leaves, and how the stages after it find it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from augmentor.data.folders import METRICS, RECIPE
from augmentor.data.images import file_of, read_image
from augmentor.data.lesion_image import content_hash
from augmentor.data.lesions import Lesions, load_lesions
from augmentor.data.masks import load_masks
from augmentor.errors import DataError, UsageError
from augmentor.files import clear, damaged, exists, name_of_part, read_json, require_empty, write_atomically
from augmentor.locks import locked
from augmentor.recipe import Recipe, load_recipe

RUNS = Path("runs")
_LOCK = ".lock"
_LESIONS, _SPLITS = "lesions.csv", "splits.json"
_BEFORE_THE_FIRST_SNAPSHOT = {_LOCK, "checkpoints", _LESIONS, METRICS, RECIPE, "samples", _SPLITS}


@dataclass(frozen=True)
class Run:
    """A folder with recipe.toml, lesions.csv, splits.json, metrics.jsonl, samples/, checkpoints/ and run.json."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.folder / "samples"

    @property
    def state(self) -> Path:
        """Everything that a resume needs."""
        return self.checkpoints / "resume.safetensors"

    @property
    def lock(self) -> Path:
        """Held by the process that fits."""
        return self.folder / _LOCK

    @property
    def lesions_file(self) -> Path:
        return self.folder / _LESIONS

    @property
    def splits_file(self) -> Path:
        return self.folder / _SPLITS

    @property
    def metrics_file(self) -> Path:
        """A JSON a line; see `metrics`."""
        return self.folder / METRICS

    @property
    def finished(self) -> bool:
        return (self.folder / "run.json").exists()

    @property
    def resumable(self) -> bool:
        return not self.finished and self.state.exists() and self.state.with_suffix(".json").exists()

    @cached_property
    def recipe(self) -> Recipe:
        return load_recipe(self.folder / RECIPE)

    @cached_property
    def lesions(self) -> Lesions:
        """All lesions of the data set; `training` and `held_out` are its two sides."""
        return load_lesions(self.lesions_file)

    @cached_property
    def splits(self) -> dict[str, Any]:
        """Paths under "train" and "held_out", the data's "source", and of a run that makes masks their hashes under
        "masks"."""
        return read_json(self.splits_file, "train", "held_out")

    @cached_property
    def training(self) -> Lesions:
        return self._side("train")

    @cached_property
    def held_out(self) -> Lesions:
        return self._side("held_out")

    def _side(self, name: str) -> Lesions:
        paths, side = self.lesions.table["path"], self.splits[name]
        if gone := sorted(set(side) - set(paths)):  # they would be no training lesions any more, nor anything's copies
            raise damaged(
                self.lesions_file,
                f"{len(gone)} of the {len(side)} lesions that splits.json has under {name} are not in it, for example "
                f"{gone[0]}",
            )
        return self.lesions.rows(paths.isin(side).to_numpy())

    def require_images(self) -> None:
        """Raise DataError where an image of either side, or the mask of one where the run makes masks, is gone."""
        columns = ["path", "mask"] if self.splits.get("masks") else ["path"]
        needed = [name for side in (self.training, self.held_out) for name in side.table[columns].to_numpy().ravel()]
        if gone := [name for name in needed if name and not exists(file_of(name))]:
            raise DataError(
                f"{gone[0]}: no such file ({len(gone)} of {len(needed)} are missing). {self.folder} needs its images "
                "where they were when it was fitted: put them back there, or make links there that lead to them."
            )

    def require_unchanged(self) -> None:
        """Raise DataError where an image of either side, or its mask, is gone or no longer holds the pixels that the
        fit has read: its near-copies would not be known any more, nor whose it is."""
        self.require_images()
        sides = (self.training.table, self.held_out.table)
        fitted = [pair for side in sides for pair in zip(side["path"], side["content"], strict=True)]
        changed = [path for path, content in fitted if content and content_hash(read_image(path).pixels) != content]
        if changed:
            raise DataError(
                f"{changed[0]}: holds other pixels than when {self.folder} was fitted ({len(changed)} of its "
                f"{len(fitted)} images do). Put the images back, or fit again."
            )
        if changed := [path for side in (self.training, self.held_out) for path in self.with_other_masks(side)]:
            raise DataError(
                f"{changed[0]}: its mask shows another lesion than when {self.folder} was fitted ({len(changed)} of "
                f"its {len(fitted)} masks do). Put the masks back, or fit again."
            )

    def with_other_masks(self, lesions: Lesions) -> list[str]:
        """Paths of those whose mask is not what the fit has read; none where the run makes no masks."""
        if not (fitted := self.splits.get("masks")):
            return []
        found = mask_contents(lesions, self.recipe.model.size)
        return [path for path, content in found.items() if fitted.get(path, content) != content]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The records so far; a last line that was cut by a crash is left out."""
        lines = self.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("}\n")]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """run.json: how the fit ended, and `chosen`, the snapshot that `expand` samples. Raises UsageError where it is
        damaged."""
        return read_json(self.folder / "run.json", "chosen", "kimg", "seconds", "discrimination_held_out")

    @property
    def chosen_checkpoint(self) -> Path:
        return self.checkpoints / self.summary["chosen"]


def mask_contents(lesions: Lesions, size: int) -> dict[str, str]:
    """A hash of each lesion's mask at the network's size, by its image's path. Raises DataError where one lacks."""
    masks = load_masks(lesions, size)
    return {path: content_hash(mask) for path, mask in zip(lesions.paths, masks, strict=True)}


def save_summary(run: Run, content: dict[str, Any]) -> None:
    write_atomically(run.folder / "run.json", json.dumps(content, indent=1))


def new_folder(out: Path | None) -> Path:
    """An empty folder for a run: `out`, or runs/<time>. Raises UsageError where it already holds files."""
    folder = out or RUNS / time.strftime("%Y%m%d-%H%M%S")
    if is_aborted_start(folder):
        with at_work_in(folder):
            raise UsageError(
                f"{folder}: holds a fit that was cut short before its first snapshot. Remove the folder if none is at "
                "work, or give another --out."
            )
    unfinished = Run(folder).resumable
    require_empty(folder, "Add --resume to go on with the run in it" if unfinished else "Empty it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def at_work_in(folder: Path) -> Iterator[None]:
    """Hold a run's folder. Raises UsageError where another process does: two fits would write over each other."""
    with locked(Run(folder).lock, f"{folder}: a fit is at work in this folder. Wait for it, or give another --out."):
        yield


def newest_unfinished() -> Path:
    """The newest folder in runs/ whose fit has not ended. Raises UsageError where there is none."""
    folders = _unfinished()
    if not folders:
        raise UsageError(f"{RUNS}/ holds no unfinished run. Name the run's folder with --out.")
    return folders[-1]


def newer_unfinished() -> Path | None:
    """The newest folder in runs/ whose fit has not ended, if it was written to after runs/latest ended."""
    folders, ended = _unfinished(), RUNS / "latest" / "run.json"
    after = ended.stat().st_mtime if ended.exists() else 0.0
    return folders[-1] if folders and Run(folders[-1]).state.stat().st_mtime > after else None


def _unfinished() -> list[Path]:
    """The oldest first."""
    return sorted((f for f in RUNS.glob("*") if Run(f).resumable), key=lambda f: f.stat().st_mtime)


def is_aborted_start(folder: Path) -> bool:
    """Whether a folder holds what a fit leaves that was killed before its first snapshot, and nothing else."""
    if not folder.is_dir() or Run(folder).finished or Run(folder).resumable:
        return False
    names = {name_of_part(f.name) for f in folder.iterdir()}
    return bool(names) and names <= _BEFORE_THE_FIRST_SNAPSHOT


def remove_aborted_start(folder: Path) -> None:
    """Remove what a fit leaves that was killed before its first snapshot; any other folder stays as it is."""
    if is_aborted_start(folder):
        with at_work_in(folder):
            clear(folder, but=_LOCK)  # which Windows does not give up while it is open
        shutil.rmtree(folder)


def open_run(folder: Path | None) -> Run:
    """A finished run: the folder given, or the latest one. Raises UsageError where there is none."""
    chosen = folder or RUNS / "latest"
    if not (chosen / RECIPE).exists():
        told = f"{chosen}: is no run folder." if folder else f"No run yet: {RUNS}/latest does not exist here."
        raise UsageError(f"{told} Make one with `augmentor fit --data ...`, or name one with --run.")
    if not Run(chosen).finished:
        again = f"augmentor fit --resume --out {shlex.quote(str(chosen))}"
        raise UsageError(f"{chosen}: this fit has not ended. Go on with `{again}`.")
    return Run(chosen.resolve())


def as_run(run: Run | Path) -> Run:
    """A run, or the finished one in a folder. Raises UsageError where there is none."""
    return run if isinstance(run, Run) else open_run(run)


def point_latest_to(run: Run) -> bool:
    """runs/latest -> this run (a link; replaced in one step). False where the system or the folder allows no link that
    leads there."""
    part = RUNS / f".latest-{os.getpid()}"
    try:
        RUNS.mkdir(exist_ok=True)
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(run.folder.resolve(), RUNS.resolve()), target_is_directory=True)
        if not part.samefile(run.folder):
            raise OSError(f"{part} does not lead to {run.folder}")
        if sys.platform == "win32":  # where a link to a folder is not replaced in one step
            (RUNS / "latest").unlink(missing_ok=True)
        part.replace(RUNS / "latest")
    except (OSError, ValueError):
        with suppress(OSError):
            part.unlink(missing_ok=True)
            if (RUNS / "latest").is_symlink():  # to an older run, which would be taken for this one
                (RUNS / "latest").unlink()
        return False
    return True
