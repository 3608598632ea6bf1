"""Simulated breast ultrasound, to judge the generator by: speckle, layers, lesions of all sizes, shadows below them.

    python ultrasound.py OUT [--size 64]

Writes OUT/img/<class><number>.png, 560 a class, and OUT/index.csv (path, label, run, fold), as yardstick.py reads it:
folds 1 to 3 hold 310 a class, fold 4 the others; each image is its own patient.

An echo is the sum of many scatterers within one cell of resolution, so that its amplitude is Rayleigh distributed and
its grain as wide as the cell (Burckhardt 1978); the picture is its logarithm. Benign lesions are ovals that lie along
the layers, with brighter echoes below; malignant ones are taller, of ragged outline, often with a shadow.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

FINE = 128  # pixels a side of what is simulated
CLASSES = ("benign", "malignant")
A_CLASS, NOT_JUDGED = 560, 310


def wave(rng: np.random.Generator, count: int, sigma: float) -> np.ndarray:
    """(count,) periodic, smooth over `sigma` samples, of unit deviation."""
    values = gaussian_filter(rng.normal(size=count), sigma, mode="wrap")
    return values / (values.std() + 1e-9)


def tissue(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """(FINE, FINE) echogenicity in dB: layers with wavy borders, and streaks along them."""
    borders, levels = np.cumsum(rng.uniform(0.08, 0.35, 6)), rng.normal(0, 5, 7)
    wobble = sum(wave(rng, FINE, 14)[None] * 0.012 * (k + 1) / 2 for k in range(2))
    layer = np.searchsorted(borders, np.clip(y + wobble, 0, 2).ravel()).reshape(FINE, FINE).clip(0, 6)
    return levels[layer] + gaussian_filter(rng.normal(size=(FINE, FINE)), (3, 9)) * rng.uniform(20, 50)


def add_lesion(rng: np.random.Generator, db: np.ndarray, x: np.ndarray, y: np.ndarray, malignant: bool) -> np.ndarray:
    """`db` with a darker lesion, and what lies below it."""
    radius = rng.uniform(0.13, 0.28)
    height = rng.uniform(0.8, 1.4) if malignant else rng.uniform(0.5, 0.85)
    right, down = x - rng.normal(0.5, 0.07), y - rng.normal(0.48, 0.07)
    turn = rng.normal(0, 0.5 if malignant else 0.25)
    along, across = right * np.cos(turn) + down * np.sin(turn), -right * np.sin(turn) + down * np.cos(turn)
    across = across / height
    degree = ((np.arctan2(across, along) / (2 * np.pi)) % 1 * 360).astype(int) % 360
    if malignant:
        rough = wave(rng, 360, rng.uniform(5, 12)) * rng.uniform(0.12, 0.25) + wave(rng, 360, 40) * 0.12
    else:
        rough = wave(rng, 360, 40) * rng.uniform(0.02, 0.08)
    outline = radius * (1 + rough[degree])
    depth = (outline - np.hypot(along, across)) / 0.012
    db = db + 1 / (1 + np.exp(-depth / (3 if malignant else 1))) * (rng.uniform(-22, -10) - db * 0.8)
    if not malignant:
        db = db + gaussian_filter(np.exp(-((depth / 2) ** 2)), 0.8) * rng.uniform(0, 6)
    column = (np.abs(right) < outline.max() * rng.uniform(0.7, 1)) * 1.0
    below = gaussian_filter(column * (down > 0.7 * radius * height), 3)
    shadow = malignant and rng.random() < 0.7
    return db + below * (rng.uniform(-16, -2) if shadow else rng.uniform(0, 7))


def seen(rng: np.random.Generator, db: np.ndarray) -> np.ndarray:
    """Echogenicity -> (64, 64) uint8: scatterers, the scanner's cell of resolution, the logarithm of the envelope."""
    echo = 10 ** (db / 20) * (rng.normal(size=db.shape) + 1j * rng.normal(size=db.shape))
    lateral, axial = rng.uniform(1.6, 2.8), rng.uniform(0.8, 1.4)
    parts = (gaussian_filter(part, (axial, lateral)) for part in (echo.real, echo.imag))
    envelope = np.hypot(*parts)
    loudness = 20 * np.log10(envelope / np.percentile(envelope, 99.5) + 1e-6)
    image = np.clip(1 + loudness / rng.uniform(38, 55), 0, 1) ** rng.uniform(0.9, 1.3)
    image = image.reshape(64, FINE // 64, 64, FINE // 64).mean((1, 3))
    return (image * 255 * rng.uniform(0.8, 1)).astype(np.uint8)


def draw(rng: np.random.Generator, label: str) -> np.ndarray:
    y, x = np.mgrid[:FINE, :FINE] / FINE
    db = add_lesion(rng, tissue(rng, y), x, y, label == "malignant")
    return seen(rng, db - rng.uniform(0, 10) * y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=64)
    asked = parser.parse_args()
    (asked.out / "img").mkdir(parents=True)
    rng, rows = np.random.default_rng(7), []
    for label in CLASSES:
        for number in range(A_CLASS):
            path = f"img/{label}{number:03d}.png"
            image = Image.fromarray(draw(rng, label))
            image = image if asked.size == 64 else image.resize((asked.size, asked.size), Image.BICUBIC)
            image.save(asked.out / path)
            fold = 1 + number % 3 if number < NOT_JUDGED else 4
            rows.append({"path": path, "label": label, "run": f"p{label[0]}{number}", "fold": fold})
    pd.DataFrame(rows).to_csv(asked.out / "index.csv", index=False)


if __name__ == "__main__":
    main()
