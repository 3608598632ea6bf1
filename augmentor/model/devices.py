"""The device that networks run on, and the arithmetic that it is fast in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from augmentor.errors import UsageError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
_PRESENT: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}


def require_device(name: DeviceName) -> None:
    """Raise UsageError if this machine has no such device."""
    if device_here(name) != name:
        raise UsageError(f"--device {name}: there is none on this machine. Give --device cpu, or auto.")


def find_device(name: DeviceName) -> torch.device:
    """`auto` is the first of cuda, mps and cpu that is there. Raises UsageError where the one named is missing."""
    require_device(name)
    if name == "auto":
        return torch.device(next((known for known, present in _PRESENT.items() if present()), "cpu"))
    return torch.device(name)


def device_here(name: DeviceName) -> DeviceName:
    """The device, or `auto` where this machine has none: for what does not hang on where it is computed."""
    return name if _PRESENT.get(name, lambda: True)() else "auto"


def name_of(device: torch.device) -> str:
    """A GPU's own name, else "cpu" or "mps"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def computes_in_bfloat16(device: torch.device, dims: int) -> bool:
    """Whether bfloat16 is arithmetic of the device: elsewhere it is emulated, and ten times slower than float32.

    Never for volumes on a CPU: torch 2.13 gives wrong weight gradients, NaN among them, for 3x3x3 convolutions in
    bfloat16 of maps with 2 voxels a side, which volumes of 16 have in their deepest layer.
    """
    if device.type == "cpu":
        if dims == 3:
            return False
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
