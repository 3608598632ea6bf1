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

from augmentor.data.images import SUFFIX, FileFormat, Intensity, file_name, slope_intercept, storage, write_image
from augmentor.data.secondary_capture import require_highdicom, write_secondary_capture
from augmentor.data.windows import DESCRIPTION, Scale
from augmentor.errors import UsageError
from augmentor.model.checkpoint import Card

_MEASURED = ("copy_distance", "twin_distance", "label_agreement", "realism", "spread")  # by the screen's rules
_COLUMNS = (
    *("path", "label", "patient", "mask", "roi_side_mm", "origin", "seed"),
    *(*_MEASURED, "checkpoint", "recipe"),
)
_WHOLE_SPAN = 50  # a window narrower than this is none of Hounsfield units
_BEHIND = 16  # files that wait to be written
_MASKS = "masks"  # the top folder that is no class


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
        if self.form == "png" and self.card.model.spatial_dims == 3:
            raise UsageError("--format png: a PNG holds no volume. Choose nifti, npy or dicom.")

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
        return storage(self.card.intensity if self.form == "png" else self.original, self.form)

    def add(
        self,
        image: np.ndarray,
        mask: np.ndarray | None,
        label: str,
        origin: str,
        number: int,
        note: str,
        spacing_mm: tuple[float, ...] | None,
        **columns: Any,
    ) -> None:
        """image: (C, S, ...) in [-1, 1]; mask: (1, S, ...) uint8, 1 in the lesion, where there are masks."""
        files = image.ndim == 3 or self.form != "dicom"  # a volume in DICOM is a folder
        path = f"{file_name(label)}/{origin}_{number:06d}{SUFFIX[self.form] if files else ''}"
        pixels = self.stored.from_network(image)
        synthetic = origin == "synthetic"
        self._queue(pixels, path, synthetic, spacing_mm, note, slope_intercept(self.original, self.stored))
        row = {"path": path, "label": label, "patient": "", "origin": origin}
        if mask is not None:
            row["mask"] = f"{_MASKS}/{path}"
            self._queue(mask, row["mask"], synthetic, spacing_mm, f"{note}, mask: 1 in the lesion", (1.0, 0.0))
        if spacing_mm:
            columns["roi_side_mm"] = round(max(spacing_mm) * image.shape[-1], 4)
        self.rows.append(row | columns)

    def _queue(self, *file: Any) -> None:
        self._unwritten.append(self._thread.submit(self._write, *file))
        self._wait_for_all_but(_BEHIND)

    def _wait_for_all_but(self, count: int) -> None:
        while len(self._unwritten) > count:
            self._unwritten.popleft().result()

    def _write(
        self,
        pixels: np.ndarray,
        path: str,
        synthetic: bool,
        spacing_mm: tuple[float, ...] | None,
        note: str,
        rescale: tuple[float, float],
    ) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if self.form == "dicom":
            write_secondary_capture(pixels, file, spacing_mm, note, rescale, synthetic)
        else:
            write_image(pixels, file, spacing_mm, note)

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
