"""Several processes that fit one GAN together, one a GPU, on one machine or more: started by torchrun.

Each process draws the whole batch's random numbers and computes an equal share of its rows; the mean of the gradients
is then the gradient of the whole batch. One process goes the same way and meets nobody.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from typing import Literal, TypeVar, cast

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from augmentor.errors import UsageError
from augmentor.model.gan import Method, precision_of
from augmentor.recipe import TrainingSection

_T = TypeVar("_T")


class _BareStrategy(DDPStrategy):
    """DDP's processes and messages without its wrapper round a network.

    The wrapper averages during one backward for one forward; a GAN's step has several forwards, networks that are
    frozen in between and a gradient penalty with a second backward. `average_gradients` has no such conditions.
    """

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        return module


def start_fabric(section: TrainingSection, dims: int) -> Fabric:
    """One device, or this process's among those that torchrun started, for images (dims 2) or volumes (3).

    Raises UsageError where a device is missing, or gives wrong gradients in the precision that is asked for.
    """
    precision = precision_of(section, dims)
    processes = _torchrun("WORLD_SIZE", 1)
    if processes == 1:
        return Fabric(accelerator=section.device, devices=1, precision=precision)
    here = _torchrun("LOCAL_WORLD_SIZE", 1)
    fabric = Fabric(
        accelerator=_accelerator(section.device, here),
        devices=here,
        num_nodes=processes // here,
        strategy=_BareStrategy(),
        precision=precision,
    )
    fabric.launch()
    atexit.register(_part)
    return fabric


def _part() -> None:
    """End the talk between the processes; once is enough.

    Fabric does so for NCCL alone. Threads of gloo that are still there when the interpreter ends abort the process,
    now and then, after all its work: PyTorch's issue 190489.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def is_first() -> bool:
    """Whether this is the only process, or the one of them that writes and reports."""
    return _torchrun("RANK", 0) == 0


def _torchrun(name: str, alone: int) -> int:
    """A number from torchrun's environment; `alone` where torchrun did not start this process."""
    started = torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()
    return int(os.environ[name]) if started else alone


def _accelerator(device: str, processes: int) -> str:
    """The kind of device for so many processes on this machine, each with its own."""
    if device == "mps":
        raise UsageError("--device mps: several processes can't share it. Start one, or give --device cpu.")
    if device == "cpu" or not torch.cuda.is_available():
        return "cpu"
    if torch.cuda.device_count() < processes:
        raise UsageError(
            f"{processes} processes on this machine, and {torch.cuda.device_count()} GPUs; each needs its own. "
            "Lower torchrun's --nproc-per-node, or give --device cpu."
        )
    return "cuda"


def require_shareable(fabric: Fabric, method: Method, section: TrainingSection) -> None:
    """Raise UsageError for a model with batch norm (each process would normalise its rows by themselves), and for a
    batch that can't be shared equally. section: as `resolve` leaves it."""
    batch = section.batch
    assert batch
    if batch % fabric.world_size:
        raise UsageError(
            f"A batch of {batch} can't be shared equally by {fabric.world_size} processes. "
            f"Set training.batch to a multiple of {fabric.world_size}, or start another number of processes."
        )
    if fabric.world_size > 1 and method.batch_norm:
        raise UsageError(
            f"This model has batch norm, which needs the whole batch in one process, and there are {fabric.world_size}."
            " Fit it without torchrun, or give --model cgan."
        )


def share(fabric: Fabric, batch: int) -> slice:
    """The rows of a batch that this process computes."""
    rows = batch // fabric.world_size
    return slice(fabric.global_rank * rows, (fabric.global_rank + 1) * rows)


def as_of_whole_batch(fabric: Fabric, change: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`change` of this process's rows (B / processes, ...), with the random numbers that the whole batch would draw.

    For changes that treat each row by itself: the rows of the other processes are zeros.
    """
    if fabric.world_size == 1:
        return change(rows)
    batch = len(rows) * fabric.world_size
    mine = share(fabric, batch)
    whole = F.pad(rows, (0, 0) * (rows.dim() - 1) + (mine.start, batch - mine.stop))
    return change(whole)[mine]


@torch.no_grad()
def average_gradients(fabric: Fabric, optimizer: Optimizer) -> None:
    """The mean of the gradients over the processes, in one message. Every process must have the same ones."""
    if fabric.world_size == 1:
        return
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    gradients = [w.grad for w in weights if w.grad is not None]
    mean = _reduce(fabric, torch.cat([g.flatten() for g in gradients]), "mean")
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average(fabric: Fabric, values: dict[str, Tensor]) -> dict[str, float]:
    """The mean of each number over the processes."""
    return {name: float(_reduce(fabric, value, "mean")) for name, value in values.items()}


def lead(fabric: Fabric, act: Callable[[], _T]) -> _T:
    """`act` in the first process alone; what it gives, or its error, in all of them."""
    if fabric.world_size == 1:
        return act()
    outcome: _T | Exception | None = None
    if fabric.is_global_zero:
        try:
            outcome = act()
        except Exception as error:  # raised below: a process that was not told would wait for ever
            outcome = error
    outcome = fabric.broadcast(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome  # type: ignore[return-value]


def agree(fabric: Fabric, seconds: float, asked: int) -> tuple[float, int]:
    """The first process's clock, and the signal that asked this process, or any, to stop: so that all stop after the
    same step. (0: none did.)"""
    if fabric.world_size == 1:
        return seconds, asked
    told = torch.tensor([seconds * fabric.is_global_zero, asked > 0], dtype=torch.float64, device=fabric.device)
    clock, stops = _reduce(fabric, told, "sum").tolist()
    return clock, asked or (signal.SIGINT if stops else 0)


def _reduce(fabric: Fabric, numbers: Tensor, how: Literal["mean", "sum"]) -> Tensor:
    return cast(Tensor, fabric.all_reduce(numbers, reduce_op=how))
