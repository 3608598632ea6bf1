"""One sitting of a fit: from where it is to its end, or to a signal."""

from __future__ import annotations

import shlex
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

from augmentor.errors import InterruptedFitError
from augmentor.progress import Progress, Update
from augmentor.training.distributed import agree, average, is_first, lead
from augmentor.training.snapshots import next_due, save_state, should_stop, take_snapshot, why_stopped
from augmentor.training.under_way import UnderWay

_RECORD_SECONDS = 1.0


def train(under_way: UnderWay, progress: Progress) -> None:
    """Steps and snapshots until the fit has ended.

    Raises InterruptedFitError (Ctrl-C or SIGTERM before that) with its state saved, and AugmentorError where the losses
    are no longer finite.
    """
    minutes, kimg = under_way.recipe.training.length
    length = " or ".join([*([f"{minutes:g} min"] if minutes else []), *([f"{kimg:g} kimg"] if kimg else [])])
    name = f"Fitting {under_way.recipe.model.name} ({length})"
    fabric = under_way.trainer.fabric
    with progress.task(name, 1.0) as update, _interrupt_between_steps() as asked:
        under_way.stopped = lead(fabric, lambda: should_stop(under_way))  # one that was killed as it stopped
        while not under_way.ended:
            due = next_due(under_way)
            _train_until(under_way, due, update, asked)
            if under_way.share >= due:
                lead(fabric, lambda: take_snapshot(under_way))
                under_way.stopped = lead(fabric, lambda: should_stop(under_way))
            if under_way.halted and not under_way.ended:
                lead(fabric, lambda: save_state(under_way))
                raise InterruptedFitError(
                    f"Interrupted at step {under_way.trainer.step}; nothing is lost. "
                    f"Go on with `augmentor fit --resume --out {shlex.quote(str(under_way.run.folder))}`.",
                    under_way.halted,
                )
        _, under_way.halted = agree(fabric, under_way.seconds, under_way.halted or asked.signal)
    if under_way.stopped:
        progress.say(f"Stopped at {under_way.share:.0%} of the length: {why_stopped(under_way)}.")


class _Asked:
    """By which signal a sitting was asked to end; 0 for none."""

    signal = 0

    def by(self, number: int, _frame: object) -> None:
        self.signal = number


@contextmanager
def _interrupt_between_steps() -> Iterator[_Asked]:
    """Ctrl-C, and SIGTERM (`kill`, a batch system's limit), are heard between steps, so that no step or snapshot is cut
    in two. (Only the main thread can listen.)"""
    asked = _Asked()
    if current_thread() is not main_thread():
        yield asked
        return
    before = {number: signal.signal(number, asked.by) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _train_until(under_way: UnderWay, share: float, update: Update, asked: _Asked) -> None:
    trainer, recent = under_way.trainer, under_way.recent
    while under_way.share < share and not under_way.halted:
        begun = time.perf_counter()
        losses = trainer.train_step()
        seconds = under_way.seconds + time.perf_counter() - begun
        under_way.seconds, under_way.halted = agree(trainer.fabric, seconds, asked.signal)
        if not recent or under_way.seconds - recent[-1][0] >= _RECORD_SECONDS:
            recent.append((under_way.seconds, trainer.kimg))
            rate = _rate(recent)
            told = {k: round(v, 4) for k, v in average(trainer.fabric, losses).items()}
            under_way.require_finite(told)
            if is_first():
                under_way.record("step", {"images_per_second": rate} | told)
                update(min(under_way.share, 1.0), _note(under_way, told, rate))


def _rate(recent: deque[tuple[float, float]]) -> float:
    (s0, k0), (s1, k1) = recent[0], recent[-1]
    return round((k1 - k0) * 1000 / (s1 - s0), 1) if s1 > s0 else 0.0


def _note(under_way: UnderWay, losses: dict[str, float], rate: float) -> str:
    likeness = under_way.snapshots[-1]["mmd"]
    held_out = f", held-out mmd {likeness:.3f}" if likeness is not None else ""
    return f"{rate:.0f} images/s, d {losses['loss_d']:.2f} g {losses['loss_g']:.2f}{held_out}"
