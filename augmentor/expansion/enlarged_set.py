"""An enlarged training set on disk: its images and masks, its manifest, its datalist, what describes it."""

from __future__ import annotations

import json
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augmentor.data.formats import SUFFIX, FileFormat, file_name
from augmentor.data.intensity import Intensity, slope_intercept, storage
from augmentor.data.secondary_capture import require_highdicom, write_secondary_capture
from augmentor.data.windows import DESCRIPTION, Scale
from augmentor.data.writing import holds, write_image
from augmentor.errors import UsageError
from augmentor.model.checkpoint import Card
from augmentor.sampling import Drawn

# By the screen's rules.
_MEASURED = ("copy_distance", "twin_distance", "label_agreement", "realism", "spectrum", "spread")
_COLUMNS = (
    *("path", "label", "patient", "mask", "roi_side_mm", "origin", "seed"),
    *(*_MEASURED, "checkpoint", "recipe"),
)
_WHOLE_SPAN = 50  # a window narrower than this is none of Hounsfield units
_BEHIND = 16  # files that wait to be written
_MASKS = "masks"  # the top folder that is no class


@dataclass(frozen=True)
class _File:
    """What a file of the set holds; path: in its folder."""

    path: str
    pixels: np.ndarray
    spacing_mm: tuple[float, ...] | None
    note: str
    synthetic: bool
    rescale: tuple[float, float] = (1.0, 0.0)
    bits: int | None = None


@dataclass
class SetWriter:
    """Writes one set into a folder; `rows` becomes the manifest.

    units: (slope, intercept) from what the training files hold to the modality's units. A PNG holds what they hold;
    every other format, which can, the units themselves. scale: what is recorded of the training files' numbers; its
    window goes on record here too.

    Nothing is copied from a source: a file holds pixels, spacing and a note. Files are written in a thread beside the
    caller's, a few behind: use it as a context, which ends when all are written. What a file can't be written for is
    raised by a later `add` or at the end.
    """

    folder: Path
    form: FileFormat
    card: Card
    units: tuple[float, float] = (1.0, 0.0)
    scale: Scale | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1), init=False, compare=False)
    _unwritten: deque[Future[None]] = field(default_factory=deque, init=False, compare=False)

    def __post_init__(self) -> None:
        """Raises UsageError where the format can't hold such lesions, before any is made."""
        if self.form == "dicom":
            require_highdicom()
        if not self._is_held_by(self.form):
            kind = "volumes" if self.card.model.spatial_dims == 3 else "images"
            *others, last = [form for form in SUFFIX if self._is_held_by(form)]
            raise UsageError(
                f"--format {self.form}: such files hold no {kind} of {self.original.dtype} values in "
                f"{self.card.channels} channel{'s' * (self.card.channels > 1)}. "
                f"Choose {', '.join(others)}{' or ' * bool(others)}{last}."
            )

    def __enter__(self) -> SetWriter:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if failed is None:
                self._wait_for_all_but(0)
        finally:
            self._thread.shutdown(cancel_futures=True)

    @property
    def original(self) -> Intensity:
        """In the modality's units: Hounsfield units are whole numbers, shares of a range are not."""
        if self.units == (1.0, 0.0):
            return self.card.intensity
        slope, intercept = self.units
        low, high = (value * slope + intercept for value in (self.card.intensity.low, self.card.intensity.high))
        if high - low < _WHOLE_SPAN:
            return Intensity(low, high, "float32")
        return Intensity(low, high, "int16" if low >= -(2**15) and high < 2**15 else "int32")

    @property
    def stored(self) -> Intensity:
        return self._stored_as(self.form)

    def _stored_as(self, form: FileFormat) -> Intensity:
        return storage(self.card.intensity if form == "png" else self.original, form)

    def _is_held_by(self, form: FileFormat) -> bool:
        return holds(form, self.card.shape, self._stored_as(form).dtype)

    def add(
        self,
        lesion: Drawn,
        label: str,
        origin: str,
        number: int,
        note: str,
        spacing_mm: tuple[float, ...] | None,
        **columns: Any,
    ) -> None:
        """The number-th lesion of its class or, of real ones, of the set; columns: of its row in the manifest."""
        files = lesion.image.ndim == 3 or self.form != "dicom"  # a volume in DICOM is a folder
        path = f"{file_name(label)}/{origin}_{number:06d}{SUFFIX[self.form] if files else ''}"
        rescale, synthetic = slope_intercept(self.original, self.stored), origin == "synthetic"
        bits = int(self.stored.high).bit_length() if self.stored.dtype == "uint16" else None
        self._queue(_File(path, self.stored.from_network(lesion.image), spacing_mm, note, synthetic, rescale, bits))
        row = {"path": path, "label": label, "patient": "", "origin": origin}
        if lesion.mask is not None:
            row["mask"] = f"{_MASKS}/{path}"
            self._queue(_File(row["mask"], lesion.mask, spacing_mm, f"{note}, mask: 1 in the lesion", synthetic))
        if spacing_mm:
            row["roi_side_mm"] = round(max(spacing_mm) * lesion.image.shape[-1], 4)
        self.rows.append(row | columns)

    def _queue(self, file: _File) -> None:
        self._unwritten.append(self._thread.submit(self._write, file))
        self._wait_for_all_but(_BEHIND)

    def _wait_for_all_but(self, count: int) -> None:
        while len(self._unwritten) > count:
            self._unwritten.popleft().result()

    def _write(self, file: _File) -> None:
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.form == "dicom":
            told = file.spacing_mm, file.note, file.rescale, file.synthetic
            write_secondary_capture(file.pixels, path, *told, place=file.path, bits=file.bits)
        else:
            write_image(file.pixels, path, file.spacing_mm, file.note)

    def save_tables(self, name: str, made_by: dict[str, Any], screen: dict[str, Any]) -> None:
        """manifest.csv, MONAI's datalist.json, dataset_description.json."""
        manifest = pd.DataFrame(self.rows, columns=list(_COLUMNS))
        manifest["seed"] = pd.array([row.get("seed") for row in self.rows], dtype="Int64")  # floats would round them
        manifest.to_csv(self.folder / "manifest.csv", index=False)
        (self.folder / "datalist.json").write_text(json.dumps(self._datalist(), indent=1))
        slope, intercept = slope_intercept(self.original, self.stored)
        description = {
            "Name": name,
            "GeneratedBy": [made_by],
            "Warning": "Rows of origin 'synthetic' are no patients. Never test or validate on them.",
            "Counts": manifest.groupby(["label", "origin"]).size().unstack(fill_value=0).to_dict("index"),
            "Intensity": {"slope": slope, "intercept": intercept, "original_dtype": self.original.dtype} | self._kept,
            "Screen": screen,
        }
        (self.folder / DESCRIPTION).write_text(json.dumps(description, indent=1))

    @property
    def _kept(self) -> dict[str, Any]:
        """The window, null for none; nothing where nobody knows."""
        if self.scale is None or not self.scale.recorded:
            return {}
        return {"window": asdict(self.scale.window) if self.scale.window else None}

    def _datalist(self) -> dict[str, Any]:
        """Paths are relative to the file; MONAI's loader joins those of `image`, and of `mask` where it is there."""
        names = {name: i for i, name in enumerate(self.card.classes)}
        items = [
            {"image": r["path"], "label": names[r["label"]], "origin": r["origin"], "patient": r["patient"]}
            | {key: r[key] for key in ("mask",) if key in r}
            for r in self.rows
        ]
        return {"labels": {str(i): n for n, i in names.items()}, "numTraining": len(items), "training": items}
