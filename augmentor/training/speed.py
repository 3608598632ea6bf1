"""How fast this machine trains the default GAN, as ratios of things measured in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import harmonic_mean
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from augmentor.arguments import checked
from augmentor.model.convolution import Convolution
from augmentor.model.gan import build_gan, resolve
from augmentor.model.lesions import TrainingLesions
from augmentor.progress import Progress
from augmentor.recipe import ModelName, Recipe
from augmentor.sampling import sample
from augmentor.training.loop import Trainer

_CLASSES, _A_CLASS = 3, 60
_STEPS = 8  # a round: one of them with the gradient penalty
_CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)
_COUNT = 128  # lesions that are sampled
TEXTBOOK_WIDTH = 64


@dataclass(frozen=True)
class Speed:
    """Images a second of training: of the default GAN, and of a textbook DCGAN in float32 with 64 base channels.

    flop_rate: of the default GAN's steps, floating-point operations a second (those of convolutions and products of
    matrices are counted). convolution_rate: of the same convolutions alone as torch computes them, forward and
    backward, one after another.
    lesions: a second, as `sample` makes them, and bare: of the generator's forward pass without anything else.
    """

    threads: int
    precision: str
    images: float
    textbook_images: float
    flop_rate: float
    convolution_rate: float
    lesions: float
    bare_lesions: float

    @property
    def ratios(self) -> dict[str, float]:
        return {
            "training, over a textbook DCGAN's": self.images / self.textbook_images,
            "arithmetic of a step, over that of its convolutions alone": self.flop_rate / self.convolution_rate,
            "sampling, over the bare forward pass": self.lesions / self.bare_lesions,
        }


class _Recorder(TorchDispatchMode):
    """Keeps the convolutions that pass, with what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CONVOLUTIONS:
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


@checked
def measure_speed(
    size: int = 64, rounds: Annotated[int, Field(ge=1)] = 9, device: str = "auto", progress: Progress | None = None
) -> Speed:
    """Times the networks in turn, `rounds` times, on made-up lesions; what they did in all the time that it took.

    On a machine that others share the speed changes from second to second, by half where its convolutions do by a
    third. Networks timed in turn meet the same of it: ratios of the fastest rounds scatter by twice as much.

    Raises UsageError where the device is missing, and for fewer rounds than 1.
    """
    progress = progress or Progress()
    default, textbook = _trainer("cgan", size, device), _trainer("plain-dcgan", size, device, "32-true")
    flops, calls = _counted(default)
    tasks: dict[str, Callable[[], float]] = {
        "images": lambda: _STEPS * default.batch / _timed(lambda: _train(default, _STEPS)),
        "textbook_images": lambda: 2 * textbook.batch / _timed(lambda: _train(textbook, 2)),
        "convolution_rate": lambda: flops["convolutions"] / _timed(lambda: _replay(calls)),
        "lesions": lambda: _COUNT / _timed(lambda: list(sample(default.ema, *_requests()))),
        "bare_lesions": lambda: _COUNT / _timed(lambda: _forward(default)),
    }
    found: dict[str, list[float]] = {name: [] for name in tasks}
    with progress.task("Timing", (rounds + 1) * len(tasks)) as update:
        for number in range(rounds + 1):
            for place, (name, task) in enumerate(tasks.items()):
                found[name].append(task())
                update(number * len(tasks) + place + 1, "")
    told = {name: harmonic_mean(rates[1:]) for name, rates in found.items()}  # the first round warms up
    steps_a_second = told["images"] / (_STEPS * default.batch)
    return Speed(torch.get_num_threads(), default.section.precision, flop_rate=flops["all"] * steps_a_second, **told)


def _trainer(name: ModelName, size: int, device: str, precision: str = "auto") -> Trainer:
    width = TEXTBOOK_WIDTH if name == "plain-dcgan" else None
    recipe = resolve(
        Recipe().with_options(
            model={"name": name, "size": size, "generator_channels": width, "discriminator_channels": width},
            training={"kimg": 1.0, "device": device, "precision": precision},
        )
    )
    images = torch.rand(_CLASSES * _A_CLASS, 1, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.arange(len(images)) % _CLASSES
    lesions = TrainingLesions(images, labels, _CLASSES)
    return Trainer(build_gan(recipe.model, lesions, 0), lesions, recipe.training)


def _counted(trainer: Trainer) -> tuple[dict[str, float], list[tuple[Callable[..., Any], tuple[Any, ...], dict]]]:
    """Operations of `_STEPS` steps, in all and of the convolutions, and the convolutions themselves, as torch computes
    them."""
    networks = (trainer.generator, trainer.discriminator)
    layers = [layer for network in networks for layer in network.modules() if isinstance(layer, Convolution)]
    counter, recorder = FlopCounterMode(display=False), _Recorder()
    _set_plain(layers, True)
    with counter, recorder:
        _train(trainer, _STEPS)
    _set_plain(layers, False)
    by_kind = counter.get_flop_counts()["Global"]
    convolutions = sum(count for kind, count in by_kind.items() if "convolution" in str(kind))
    return {"all": float(counter.get_total_flops()), "convolutions": float(convolutions)}, recorder.calls


def _set_plain(layers: list[Convolution], plain: bool) -> None:
    for layer in layers:
        layer.plain = plain


def _train(trainer: Trainer, steps: int) -> None:
    for _ in range(steps):
        losses = trainer.train_step()
    float(losses["loss_g"])  # waits for the device


@torch.no_grad()
def _replay(calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]) -> None:
    last: Any = None
    for func, args, kwargs in calls:
        last = func(*args, **kwargs)
    while isinstance(last, tuple):
        last = next(x for x in last if x is not None)
    float(last.flatten()[0])


def _requests() -> tuple[list[int], list[int]]:
    return [number % _CLASSES for number in range(_COUNT)], list(range(_COUNT))


@torch.no_grad()
def _forward(trainer: Trainer) -> None:
    generator, batch = trainer.ema, 32
    device = next(generator.parameters()).device
    latents = torch.zeros(batch, generator.latent_dim, device=device)
    labels = torch.arange(batch, device=device) % _CLASSES
    made: Tensor | None = None
    for _ in range(_COUNT // batch):
        made, _start = generator(latents, labels)
    if made is not None:
        float(made.flatten()[0])


def _timed(task: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    task()
    return time.perf_counter() - begun
