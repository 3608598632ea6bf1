"""The way of intensities to the network and back, and into a file format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augmentor.data.formats import FileFormat


@dataclass(frozen=True)
class Intensity:
    """The linear way from stored values in [low, high] to the network's [-1, 1] and back to `dtype`."""

    low: float
    high: float
    dtype: str

    def to_network(self, pixels: np.ndarray) -> np.ndarray:
        """Any dtype -> float32 in [-1, 1]; values outside [low, high] (none in the training set) are clipped."""
        span = self.high - self.low or 1.0
        scaled = (pixels.astype(np.float32) - self.low) / span * 2 - 1
        return np.clip(scaled, -1, 1).astype(np.float32)

    def to_other(self, images: np.ndarray, other: Intensity) -> np.ndarray:
        """float in [-1, 1] by this mapping -> float32 in [-1, 1] by `other`: the same stored values, not rounded."""
        if (self.low, self.high) == (other.low, other.high):
            return images
        return other.to_network((images.astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low)

    def from_network(self, images: np.ndarray) -> np.ndarray:
        """float in [-1, 1] -> `dtype` in [low, high]."""
        values = (np.clip(images, -1, 1).astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low
        return values.round().astype(self.dtype) if np.issubdtype(self.dtype, np.integer) else values.astype(self.dtype)


def intensity_of(low: float, high: float, dtype: np.dtype) -> Intensity:
    """8-bit images keep their full scale; all others take the smallest and largest value of the set."""
    return Intensity(0.0, 255.0, "uint8") if dtype == np.uint8 else Intensity(float(low), float(high), str(dtype))


def storage(intensity: Intensity, form: FileFormat) -> Intensity:
    """How values are stored in a file format: as they are, but for PNG and DICOM, which hold no negatives and no
    fractions here.

    A PNG of such a set spreads [low, high] over 16 bits, a DICOM file too where whole numbers from `low` on do not fit;
    `slope_intercept` leads back.
    """
    if form not in ("png", "dicom") or intensity.dtype in ("uint8", "uint16"):
        return intensity
    span = intensity.high - intensity.low
    whole = np.issubdtype(intensity.dtype, np.integer) and 0 < span <= 65535
    return Intensity(0.0, span if form == "dicom" and whole else 65535.0, "uint16")


def slope_intercept(intensity: Intensity, stored: Intensity) -> tuple[float, float]:
    """(slope, intercept) with original value = stored value * slope + intercept."""
    slope = (intensity.high - intensity.low) / (stored.high - stored.low or 1.0)
    return slope, intensity.low - stored.low * slope
