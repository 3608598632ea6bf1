"""Windows: which intensities are kept, by name, by numbers, or by percentiles of the scan."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augmentor.errors import DataError, UsageError

# Level and width in Hounsfield units, as readers set them.
NAMED = {
    "abdomen": (50, 400),
    "angiography": (300, 600),
    "bone": (400, 1800),
    "brain": (40, 80),
    "liver": (30, 150),
    "lung": (-600, 1500),
    "mediastinum": (50, 350),
    "soft-tissue": (40, 400),
    "stroke": (40, 40),
    "subdural": (75, 215),
}
RECORD = "extract.toml"  # what `extract` leaves beside its lesions
DESCRIPTION = "dataset_description.json"  # and `expand` beside its own
DEEPEST = 65535  # of a 16-bit picture, over which a window is spread
_MOST_SAMPLES = 100_000
_GREYS = ("uint8", "uint16")  # of pictures, in no units


@dataclass(frozen=True)
class Window:
    """Intensities from `low` to `high` are kept; with `percentile` the two are percentiles of a scan, not its units.

    A fixed window clips and keeps the units. Percentiles also bring each scan to 0..1, since the numbers of two
    magnetic resonance scans mean nothing beside each other.
    """

    low: float
    high: float
    percentile: bool = False

    def limits(self, values: np.ndarray) -> tuple[float, float]:
        """What is kept of a scan with these values, in its units.

        Percentiles are of the finite values above the smallest one, so that padding and air that was set to zero do
        not count; in a scan of more than a hundred thousand values every n-th is looked at.
        """
        if not self.percentile:
            return self.low, self.high
        step = 1 + values.size // _MOST_SAMPLES
        # An odd step, and none that divides the side of a scan: samples shall not all lie in one column.
        sample = values.ravel(order="K")[:: step | 1]
        sample = sample if sample.dtype.kind in "iu" else sample[np.isfinite(sample)]
        inside = sample[sample > sample.min()] if sample.size else sample
        if not inside.size:
            return (float(sample[0]), float(sample[0])) if sample.size else (0.0, 0.0)
        low, high = np.percentile(inside, [self.low, self.high])
        return float(low), float(high)

    def apply(self, values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
        """float32 within the limits: in the scan's units, or for percentiles 0..1."""
        clipped = np.clip(values, *limits).astype(np.float32)
        if not self.percentile:
            return clipped
        return np.minimum((clipped - np.float32(limits[0])) / np.float32(limits[1] - limits[0] or 1.0), 1)

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and largest value that `apply` gives."""
        return (0.0, 1.0) if self.percentile else (self.low, self.high)

    def __str__(self) -> str:
        """As a reader says it: `lung (-1350 to 150)`, `percentiles 1 to 99`."""
        if self.percentile:
            return f"percentiles {self.low:g} to {self.high:g}"
        limits = f"{self.low:g} to {self.high:g}"
        names = [name for name in NAMED if parse_window(name) == self]
        return f"{names[0]} ({limits})" if names else limits


@dataclass(frozen=True)
class Scale:
    """What the numbers of a lesion image mean: value = stored x slope + intercept, in the scan's units or, for
    percentiles, 0..1.

    window: what of the values was kept; None: all of them, or where `recorded` is False nobody knows. dtype: how a file
    that holds the values themselves has them, "" where none does.
    """

    slope: float = 1.0
    intercept: float = 0.0
    window: Window | None = None
    recorded: bool = True
    dtype: str = ""


def parse_window(text: str | None) -> Window | None:
    """`liver`, `-160,240` (lowest and highest value), `percentile` (1 to 99), `p0.5,p99.5`; `none` and None give None.

    Raises UsageError for anything else.
    """
    name = (text or "none").strip().lower().replace("_", "-").replace(" ", "-")
    if name == "none":
        return None
    if name == "percentile":
        return Window(1.0, 99.0, percentile=True)
    if name in NAMED:
        level, width = NAMED[name]
        return Window(level - width / 2, level + width / 2)
    return _by_numbers((text or "").lower().replace(" ", ""))


def _by_numbers(text: str) -> Window:
    parts = text.split(",")
    percentile = all(p.startswith("p") for p in parts)
    try:
        low, high = (float(p.removeprefix("p") if percentile else p) for p in parts)
    except ValueError as error:
        raise UsageError(
            f"--window {text!r} is no window. Give a name ({', '.join(NAMED)}), the lowest and highest value as in "
            "--window -160,240, `percentile`, percentiles as in --window p1,p99, or none."
        ) from error
    if not (np.isfinite([low, high]).all() and low < high):
        raise UsageError(f"--window {text}: the first value must be below the second.")
    if percentile and not 0 <= low < high <= 100:
        raise UsageError(f"--window {text}: percentiles lie in 0..100.")
    return Window(low, high, percentile)


def units_of(image: str, dtype: str | None = None) -> tuple[float, float]:
    """(slope, intercept) from what a lesion image holds to the modality's units, which `extract` kept beside its set.

    (1, 0) for images that hold units themselves: all but the 16-bit pictures over which a window was spread. dtype: of
    the image's values; None stands for those that were written.
    """
    record = Path(image).parent.parent / RECORD
    if not _is_png(image) or _is_resaved(image, dtype) or not record.is_file():
        return 1.0, 0.0
    return _extracted(record)[:2]


def _is_resaved(image: str, dtype: str | None) -> bool:
    """Whether an image can't be as `extract` or `expand` wrote it with units: of 8 bits, or a PNG of other than 16.

    What they left beside it says nothing of its numbers, which are greys."""
    return dtype is not None and (dtype == "uint8" or (_is_png(image) and dtype != "uint16"))


def scale_of(image: str, dtype: str | None = None) -> Scale | None:
    """What a lesion image's numbers mean, by what `extract` or `expand` left beside its set; None where nothing says
    it, or where they are greys. dtype: as in `units_of`."""
    home = Path(image).parent.parent
    if ".npz#" in image.lower() or _is_resaved(image, dtype):
        return None
    if (home / RECORD).is_file():
        slope, intercept, window = _extracted(home / RECORD)
        if not _is_png(image):
            return Scale(1.0, 0.0, window, dtype="float32")
        return Scale(slope, intercept, window, window is not None) if window or slope != 1 else None
    return _expanded(image, home / DESCRIPTION) if (home / DESCRIPTION).is_file() else None


def _is_png(image: str) -> bool:
    return image.lower().endswith(".png")


def _extracted(record: Path) -> tuple[float, float, Window | None]:
    """Slope and intercept of a PNG, and the window. Raises DataError where they can't be read."""
    try:
        content = tomllib.loads(record.read_text(encoding="utf-8"))
        spread, kept = content.get("png", {"slope": 1.0, "intercept": 0.0}), content.get("window")
        window = _window(kept)
        slope, intercept = float(spread["slope"]), float(spread["intercept"])
        if not slope > 0:
            raise ValueError(f"slope {slope:g} must be above 0")
        return slope, intercept, window
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{record}: can't be read ({error}). Restore it, or extract the lesions again.") from error


def _expanded(image: str, description: Path) -> Scale | None:
    """By `Intensity` of an enlarged set, with its window where one was on record beside the real lesions. (A DICOM
    file's own slope is applied as it is read.)"""
    try:
        content: Any = json.loads(description.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "Intensity" not in content:  # of a data set of others
            return None
        told = content["Intensity"]
        slope, intercept, dtype = float(told["slope"]), float(told["intercept"]), str(told["original_dtype"])
        window, recorded = _window(told.get("window")), "window" in told
    except (UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{description}: can't be read ({error}). Restore it, or expand the lesions again.") from error
    if dtype in _GREYS or not slope > 0:  # of images of one value
        return None
    return Scale(*((slope, intercept) if _is_png(image) else (1.0, 0.0)), window, recorded, dtype)


def _window(told: Any) -> Window | None:
    return Window(float(told["low"]), float(told["high"]), bool(told["percentile"])) if told else None
