"""On which scale of intensities two sets are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augmentor.data.inspection import Inspection
from augmentor.data.intensity import Intensity, intensity_of
from augmentor.data.windows import DEEPEST, DESCRIPTION, RECORD, Scale, scale_of
from augmentor.errors import DataError, UsageError

_BESIDE = f"{RECORD} (of `extract`) or {DESCRIPTION} (of `expand`)"
_LEAST = 0.5  # of the narrower of two windows: what both must show
_BEYOND = 0.1  # of a set's range: if another set reaches as far beyond it, a window has cut it off there
_ALIKE = 1e-3  # of what both show: windows that differ by less are one


@dataclass(frozen=True)
class Held:
    """What the files of a side hold: numbers from `low` to `high`, which mean what `scale` says (None: not known)."""

    option: str
    dtype: str
    low: float
    high: float
    scale: Scale | None = None

    @property
    def intensity(self) -> Intensity:
        return intensity_of(self.low, self.high, np.dtype(self.dtype))


@dataclass(frozen=True)
class Ground:
    """How the numbers of both sides are read. notes: what a reader must know; guessed: whether nothing says that they
    mean the same."""

    real: Intensity
    synthetic: Intensity
    notes: tuple[str, ...] = ()
    guessed: bool = False


def held_by(found: Inspection, option: str) -> Held:
    """Of images that are alike. Raises DataError where they were cut with several windows."""
    (dtype,), scales = found.dtypes, dict[Scale | None, str]()
    for path in {(Path(path).parent, Path(path).suffix): path for path in found.lesions.paths}.values():
        scales.setdefault(scale_of(path, dtype), path)
    known = [scale for scale in scales if scale]
    if len(known) > 1:
        told = " and ".join(f"{scales[scale]} ({_window(scale)})" for scale in known[:2])
        raise DataError(
            f"{option}: lesions were cut out with different windows, so their numbers mean different units: {told}. "
            "Extract all lesions of a set with the same --window."
        )
    scale = known[0] if known and (None not in scales or known[0].dtype == dtype) else None
    return Held(option, dtype, found.intensity["low"], found.intensity["high"], scale)


def common_ground(real: Held, synthetic: Held) -> Ground:
    """Where it is known what the numbers of both sides mean, they are brought to the same units, and to what both can
    show of them. Where it is known of neither, numbers of one kind count as the same. All else is a guess.

    Raises UsageError where the two can't be brought together.
    """
    if real.scale is None and synthetic.scale is None:
        return Ground(real.intensity, real.intensity) if real.dtype == synthetic.dtype else _guess(real, synthetic)
    one, other = _valued(real, synthetic), _valued(synthetic, real)
    return _together(one, other) if one and other else _guess(real, synthetic)


@dataclass(frozen=True)
class _Valued:
    """A side of which it is known what its numbers mean."""

    held: Held
    scale: Scale

    @property
    def range(self) -> tuple[float, float]:
        """Its smallest and largest value."""
        return self._value(self.held.low), self._value(self.held.high)

    @property
    def shown(self) -> tuple[float, float]:
        """The values that it can show; where its window is not known, those that it does show."""
        if self.scale.window:
            return self.scale.window.range
        if self.scale.recorded:
            return -math.inf, math.inf
        if self.scale.slope != 1:  # spread over a picture's depth
            return self._value(0), self._value(DEEPEST)
        return self.range

    def limits(self, other: _Valued) -> tuple[float, float]:
        """What of the other's values counts."""
        low, high = self.shown
        if self.scale.recorded or self.scale.slope != 1:
            return low, high
        (lowest, highest), far = other.range, _BEYOND * (high - low)
        return low if lowest < low - far else -math.inf, high if highest > high + far else math.inf

    @property
    def shares(self) -> bool:
        """Whether its values are 0..1, as percentiles leave them."""
        low, high = self.range
        return self.scale.window.percentile if self.scale.window else 0 <= low <= high <= 1

    @property
    def told(self) -> str:
        low, high = self.range
        unknown = f"a window that nothing tells (values from {low:.5g} to {high:.5g})"
        return f"{self.held.option} was cut with {_window(self.scale) if self.scale.recorded else unknown}"

    def intensity(self, low: float, high: float) -> Intensity:
        """By which the values from `low` to `high` become the network's."""
        first, last = ((value - self.scale.intercept) / self.scale.slope for value in (low, high))
        return Intensity(first, last, self.held.dtype)

    def _value(self, stored: float) -> float:
        return stored * self.scale.slope + self.scale.intercept


def _valued(side: Held, other: Held) -> _Valued | None:
    """A side of which nothing says what its numbers mean holds the values themselves, if they are such as the other
    side's set was made of."""
    if side.scale:
        return _Valued(side, side.scale)
    if other.scale is None or other.scale.dtype != side.dtype:
        return None
    found = _Valued(side, Scale(recorded=False))
    return found if found.shares == _Valued(other, other.scale).shares else None


def _together(real: _Valued, synthetic: _Valued) -> Ground:
    shown = real.shown, synthetic.shown
    in_both = min(high for _, high in shown) - max(low for low, _ in shown)
    if _differ_as_shares(real, synthetic) or in_both < _LEAST * min(high - low for low, high in shown):
        raise _apart(real, synthetic, "one can't be brought to the other")
    limits = real.limits(synthetic), synthetic.limits(real)
    low, high = max(low for low, _ in limits), min(high for _, high in limits)
    differ = any(max(low - lowest, highest - high) > _ALIKE * in_both for lowest, highest in shown)
    low, high = max(low, real.range[0]), min(high, real.range[1])
    if high < low or (high == low and real.range[0] < real.range[1]):
        raise _apart(real, synthetic, "nothing of --real is seen in both")
    note = (
        f"{synthetic.told}, and {real.told}: both were brought to the same units and compared from {low:.5g} to "
        f"{high:.5g}, which both show."
    )
    return Ground(real.intensity(low, high), synthetic.intensity(low, high), (note,) if differ else ())


def _differ_as_shares(real: _Valued, synthetic: _Valued) -> bool:
    """Whether percentiles stand beside units, or beside other percentiles."""
    if real.shares != synthetic.shares:
        return True
    known = [side.scale.window for side in (real, synthetic) if side.scale.recorded]
    return real.shares and len(known) == 2 and known[0] != known[1]


def _apart(real: _Valued, synthetic: _Valued, why: str) -> UsageError:
    return UsageError(
        f"{synthetic.told}, and {real.told}: {why}. Extract both with the same --window (where --real is a table of "
        "scans, evaluate takes that --window)."
    )


def _guess(real: Held, synthetic: Held) -> Ground:
    if real.dtype == synthetic.dtype:
        unknown, known = (real, synthetic) if real.scale is None else (synthetic, real)
        told = (
            f"Nothing says what the numbers of {unknown.option} mean: they were taken for those of {known.option}. "
            f"Lay the {_BESIDE} of its set beside the folders of its classes."
        )
        return Ground(real.intensity, real.intensity, (told,), guessed=True)
    told = (
        f"The synthetic files hold {synthetic.dtype} values and the real ones {real.dtype}: each set's own range was "
        "taken for full scale. Brightness is compared only as far as that holds. Give two sets in the same numbers; "
        f"{_BESIDE} beside the folders of its classes says what a set's numbers mean."
    )
    return Ground(real.intensity, synthetic.intensity, (told,), guessed=True)


def _window(scale: Scale) -> str:
    return f"the window {scale.window}" if scale.window else "no window"
