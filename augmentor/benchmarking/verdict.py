"""The verdict in words: what synthetic lesions gained or harmed, or how large an effect is easily missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augmentor.benchmarking.comparison import LEAST_PAIRS, Comparison
from augmentor.benchmarking.rounding import clear_form, tell_p

VERDICT_METRIC = "sensitivity"
_NAME = "macro sensitivity"
_SPAN = 100.0  # points: how far apart two values of it can be
_VERBS = {"gain": "raised", "harm": "harmed: they lowered"}
_MOST_LISTED = 3
_MISSED = "would have been missed in more than one of five such benchmarks"  # as the limits have a power of 80 %


@dataclass(frozen=True)
class _Planned:
    """Folds a seed, seeds, and the different test sets of all of them, as they were asked for."""

    folds: int
    seeds: int
    test_sets: int

    def tell(self, compared: Sequence[Comparison]) -> str:
        """The design that these comparisons had: the planned one, or where cells failed, how many are left of it."""
        planned = self.folds * self.seeds
        cells, sets, all_sets = [c.cells for c in compared], [c.test_sets for c in compared], planned
        told = f"{self.folds} fold{'s' * (self.folds != 1)} x {self.seeds} seed{'s' * (self.seeds != 1)}"
        if min(cells) < planned:
            told, all_sets = f"{_range(cells)} of {planned} cell{'s' * (planned != 1)}", max(cells)
        else:
            sets = [self.test_sets]
        if max(sets) < all_sets:
            told += f", {_range(sets)} different test set{'s' * (max(sets) != 1)}"
        return told


def _range(counts: Sequence[int]) -> str:
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(counts[0])


def sentence(comparisons: list[Comparison], folds: int, seeds: int, test_sets: int) -> str:
    """The verdict over all arms and classifiers; `comparisons` are those of GAN arms in the verdict's metric.

    folds, seeds: those that were planned. test_sets: how many of the folds of all seeds differ; told where some are the
    same. Where cells failed, how many of them a comparison has is told in their place.
    Gains come first, then harms, each named with its interval; of the others only the range where they are many.
    A point is a hundredth of the metric, which goes from 0 to 1 and of which more is better.
    """
    planned = _Planned(folds, seeds, test_sets)
    if not comparisons:
        return "No arm with synthetic lesions could be compared with classic augmentation."
    of = {v: [c for c in comparisons if c.verdict == v] for v in ("gain", "harm", "none")}
    told = [_tell_changes(of[v], verb, planned) for v, verb in _VERBS.items() if of[v]]
    if of["none"]:
        told.append(_tell_none(of["none"], "other gain" if of["gain"] else "gain", planned))
    return " ".join(told)


def _tell_changes(changed: list[Comparison], verb: str, planned: _Planned) -> str:
    """Comparisons of one verdict, the largest first; a design is told where it is another than before."""
    ordered = sorted(changed, key=lambda c: -abs(c.difference))
    designs = [planned.tell([c]) for c in ordered]
    items = [
        _tell(c, f", {design}" if design != before else "")
        for c, design, before in zip(ordered, designs, ["", *designs[:-1]], strict=True)
    ]
    return f"Synthetic lesions {verb} {_NAME} {'; '.join(items)}."


def _tell(one: Comparison, design: str) -> str:
    """The size of a change and its interval, both in the direction that the verb has named."""
    low, high = sorted(abs(100 * bound) for bound in (one.low, one.high) if bound is not None)
    bounds = f"{low:{clear_form(low, '.1f')}} to {high:.1f}"
    spread = f"95 % CI {bounds}, corrected p {tell_p(one.p or 0.0)}{design}"
    return f"by {abs(100 * one.difference):.1f} points ({spread}) in {one.arm} with {one.classifier}"


def _tell_none(silent: list[Comparison], what: str, planned: _Planned) -> str:
    return f"No {what} shown: {_unseen(silent, planned)}. ({_differences(silent)}; {planned.tell(silent)}.)"


def _unseen(silent: list[Comparison], planned: _Planned) -> str:
    """Why none of these is a verdict."""
    if planned.test_sets < LEAST_PAIRS:
        return "this design has too few folds to tell any effect from chance"
    enough = [c for c in silent if c.test_sets >= LEAST_PAIRS]
    if not enough:
        return "after the cells that failed, too few folds are left to tell any effect from chance"
    told = "every fold differed by the same, which leaves no spread to tell an effect from chance by"
    if all(c.difference == 0 for c in enough):
        told = "both arms scored the same in every fold"
    if limits := sorted(100 * c.detectable for c in enough if c.detectable is not None):
        told = _too_small(limits)
    if few := len(silent) - len(enough):
        has = "comparison has" if few == 1 else "comparisons have"
        told += f"; {few} {has} too few folds left, after the cells that failed, to tell any effect from chance"
    return told


def _too_small(limits: list[float]) -> str:
    """What effect is easily missed; limits: what each comparison shows with 80 % probability, ascending, in points."""
    least, most = limits[0], min(limits[-1], _SPAN)
    if least > _SPAN:
        return f"even the largest effect that there can be {_MISSED}"
    noisiest = f" ({most:.1f} in the noisiest comparison)" if most - least >= 0.1 else ""
    return f"an effect under {least:.1f} points{noisiest} {_MISSED}; this limit is not a measured gain"


def _differences(silent: list[Comparison]) -> str:
    """Each difference, or where they are many their number, range and best."""
    known = sorted((c for c in silent if not np.isnan(c.difference)), key=lambda c: c.difference)
    lead = f"{_NAME.capitalize()}, difference in points"
    if not known:
        return f"{lead}: not measured"
    if len(silent) <= _MOST_LISTED:
        return f"{lead}: " + ", ".join(f"{c.arm} with {c.classifier} {_points(c)}" for c in silent)
    worst, best = known[0], known[-1]
    span = f"{100 * worst.difference:+.1f} to {100 * best.difference:+.1f}"
    return f"{lead}, {len(known)} comparisons: {span}, best {best.arm} with {best.classifier}"


def _points(one: Comparison) -> str:
    return "not measured" if np.isnan(one.difference) else f"{100 * one.difference:+.1f}"
