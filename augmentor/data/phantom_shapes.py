"""The shapes of the phantom, in the plane and in space: outlines of lesions, vessels, grain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter


@dataclass(frozen=True)
class Outline:
    """A closed curve or surface around a lesion.

    depth: (size, ...) px, positive inside. radius: px, its mean. away: draws a direction at random and gives for every
    pixel how far it lies from that direction, seen from the centre: (size, ...) rad, 0 to pi.
    """

    depth: np.ndarray
    radius: float
    away: Callable[[np.random.Generator], np.ndarray]


def axes(size: int, centre: tuple[float, ...]) -> list[np.ndarray]:
    """Pixel offsets from `centre` (px from the middle): y (size, 1) and x (1, size), with z before them in space."""
    middle, dims = (size - 1) / 2, len(centre)
    offsets = [np.arange(size) - middle - at for at in centre]
    return [line.reshape([-1 if a == axis else 1 for a in range(dims)]) for axis, line in enumerate(offsets)]


def grain(rng: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> np.ndarray:
    """Smooth noise of zero mean and unit deviation."""
    field = gaussian_filter(rng.standard_normal(shape), sigma_px, mode="wrap")
    return (field - field.mean()) / field.std()


def draw_outline(rng: np.random.Generator, size: int, roughness: float, dims: int) -> Outline:
    """A circle or ball of 0.13 to 0.29 of `size`, bent by waves of 2 to 7 lobes that add `roughness` at most."""
    radius = size * rng.uniform(0.13, 0.29)
    centre = tuple(rng.uniform(-0.05, 0.05, dims) * size)
    lobes = np.arange(2, 8)
    weights = rng.uniform(0, 1, lobes.size) / lobes
    weights *= rng.uniform(0.3, 1) * roughness / weights.sum()
    phases = rng.uniform(0, 2 * np.pi, lobes.size)
    around = _curve if dims == 2 else _surface
    return around(rng, axes(size, centre), radius, (weights, lobes, phases))


_Waves = tuple[np.ndarray, np.ndarray, np.ndarray]  # weights, lobes and phases


def _curve(_: np.random.Generator, offsets: list[np.ndarray], radius: float, waves: _Waves) -> Outline:
    (y, x), (weights, lobes, phases) = offsets, waves
    angle = np.arctan2(y, x)
    bend = np.tensordot(weights, np.cos(lobes[:, None, None] * angle + phases[:, None, None]), axes=1)

    def away(rng: np.random.Generator) -> np.ndarray:
        return np.abs((angle - rng.uniform(-np.pi, np.pi) + np.pi) % (2 * np.pi) - np.pi)

    return Outline(radius * (1 + bend) - np.hypot(y, x), radius, away)


def _surface(rng: np.random.Generator, offsets: list[np.ndarray], radius: float, waves: _Waves) -> Outline:
    """Each wave runs along an axis of its own."""
    z, y, x = offsets
    distance = np.sqrt(z**2 + y**2 + x**2)
    towards = np.stack(np.broadcast_arrays(z, y, x)) / np.maximum(distance, 1e-6)
    bend = np.zeros_like(distance)
    for weight, lobe, phase in zip(*waves, strict=True):
        bend += weight * np.cos(lobe * np.pi / 2 * np.tensordot(direction(rng), towards, axes=1) + phase)

    def away(rng: np.random.Generator) -> np.ndarray:
        return np.arccos(np.clip(np.tensordot(direction(rng), towards, axes=1), -1, 1))

    return Outline(radius * (1 + bend) - distance, radius, away)


def direction(rng: np.random.Generator) -> np.ndarray:
    """A unit vector of space, any as likely."""
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def vessel(rng: np.random.Generator, size: int, dims: int) -> Callable[[float], np.ndarray]:
    """Draws a tube through the picture; the function gives its profile for a width in px: (size, ...), at most 1."""
    if dims == 2:
        y, x = axes(size, (0.0, 0.0))
        angle, offset, bend = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5) * size, rng.normal(0, 0.5) / size
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        return lambda width: np.exp(-0.5 * ((across - offset - bend * along**2) / width) ** 2)
    run, through = direction(rng), tuple(rng.uniform(-0.5, 0.5, 3) * size)
    z, y, x = axes(size, through)
    lengthwise = z * run[0] + y * run[1] + x * run[2]
    squared = np.maximum(z**2 + y**2 + x**2 - lengthwise**2, 0)
    return lambda width: np.exp(-0.5 * squared / width**2)
