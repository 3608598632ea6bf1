"""The snapshots of a fit: when one is due, what it holds, which is chosen, and when they say that a fit should stop."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

from augmentor.files import write_atomically
from augmentor.model.checkpoint import save_checkpoint, save_tensors
from augmentor.training.samples import save_grid
from augmentor.training.under_way import UnderWay

_AS_NEAR = 0.05  # held-out mmd is the same up to this share
_BY_HEART = (
    "the training lesions are known by heart, and more training would only copy them; "
    "more patients would give it more to learn"
)


def next_due(under_way: UnderWay) -> float:
    """The share of the length at which the next snapshot is due: k^2 of n^2, so that a fit of any length is looked at
    early, when most happens."""
    count = under_way.recipe.training.snapshots
    return min(1.0, ((math.floor(math.sqrt(under_way.share) * count + 1e-9) + 1) / count) ** 2)


def take_snapshot(under_way: UnderWay) -> None:
    """Checkpoint, picture, measures, and the state for a resume."""
    trainer, name = under_way.trainer, f"{under_way.trainer.step:07d}"
    under_way.require_finite({"weights": float(sum(w.abs().sum() for w in trainer.ema.parameters()))})
    card = replace(under_way.card, step=trainer.step)
    save_checkpoint(under_way.run.checkpoints / f"{name}.safetensors", trainer.ema, card)
    train, seed = under_way.monitor.train, under_way.recipe.training.seed
    picture = under_way.run.samples / f"{name}.png"
    save_grid(picture, trainer.ema, train.images, train.labels, card.classes, seed, under_way.monitor.masks)
    snapshot = under_way.monitor.measure(trainer.ema, trainer.discriminator.module)
    under_way.record("snapshot", asdict(snapshot) | {"checkpoint": f"{name}.safetensors"})
    save_state(under_way)


def save_state(under_way: UnderWay) -> None:
    save_tensors(under_way.run.state, under_way.trainer.state())
    passed = {"seconds": under_way.seconds, "snapshots": len(under_way.snapshots)}
    write_atomically(under_way.run.state.with_suffix(".json"), json.dumps(passed))


def should_stop(under_way: UnderWay) -> bool:
    """Whether the last two snapshots know the training lesions by heart (see `Snapshot.by_heart`) before the end."""
    last = [s["by_heart"] for s in under_way.snapshots[-2:]]
    return under_way.trainer.method.stop_early and under_way.share < 1 and last == [True, True]


def why_stopped(under_way: UnderWay) -> str:
    if not len(under_way.run.held_out):
        return (
            "the training lesions are told from synthetic ones, or copied; without held-out patients nothing can "
            "say whether they are known by heart, so they are taken to be"
        )
    return _BY_HEART


def choose(snapshots: list[dict[str, Any]], by_heart_counts: bool) -> tuple[dict[str, Any], str]:
    """The snapshot that is used, and why: the latest of those that are as near to the held-out lesions as the nearest.

    Training is to mend what no mmd sees, the seam of a graft: a smaller difference is not worth undoing it."""
    able = [s for s in snapshots if not (by_heart_counts and s["by_heart"])] or snapshots
    of = "" if len(able) == len(snapshots) else " of those before the training lesions were known by heart"
    judged = [s for s in able if s["mmd"] is not None]
    if not judged:
        compared = snapshots[-1]["discrimination_held_out"] is not None
        return able[-1], f"last{of} ({'no class has two held-out patients' if compared else 'nothing held out'})"
    nearest = min(s["mmd"] for s in judged)
    chosen = [s for s in judged if s["mmd"] <= nearest + _AS_NEAR * abs(nearest)][-1]  # an unbiased mmd may be below 0
    return chosen, f"latest with about the lowest held-out mmd{of}"
