"""Phantom lesions: three classes drawn in Hounsfield units on noisy, patient-specific, liver-like tissue.

Sections or volumes.
A lesion is painted (`_cyst`, `_hemangioma`, `_metastasis`) inside an outline, laid on tissue, then seen by a scanner.
The classes overlap on purpose (partial volume, faint enhancement, noise), so a classifier needs many lesions,
and patients look different from each other, so a split that lets one straddle it can be measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from augmentor.data.formats import SUFFIX
from augmentor.data.phantom_shapes import Outline, axes, draw_outline, grain, vessel
from augmentor.errors import UsageError
from augmentor.files import write_table
from augmentor.progress import Update, silent
from augmentor.recipe import PhantomSection, make_recipe

CLASSES = ("cyst", "hemangioma", "metastasis")
PIXEL_MM = 0.8
PNG_OFFSET_HU = 1024


@dataclass(frozen=True)
class Phantom:
    """One drawn lesion: `image` (size, size[, size]) float32 in HU, `mask` of the same shape, bool, the true extent."""

    image: np.ndarray
    mask: np.ndarray
    label: str
    patient: str


@dataclass(frozen=True)
class _Look:
    """What all scans of one patient share: HU are of the tissue, px are of the picture, enhancement is 1 on average."""

    tissue_hu: float
    texture_hu: float
    texture_px: float
    noise_hu: float
    blur_px: float
    enhancement: float
    slope_hu: float
    slope_angle: float


def draw_lesion(
    label: str, patient_seed: int, lesion_seed: int, size: int = 64, dims: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one lesion of class `label`; the same arguments give the same pixels.

    The region follows the lesion, as a reader's crop would: the lesion's extent is a share of `size`,
    while blur, grain and edges are in pixels, as a scanner's are. `dims` is 2 for a section, 3 for a volume.

    Returns:
        image: (size, size[, size]) float32 in HU, -200 to 400.
        mask: of the same shape, bool, never empty, never touching the border.

    Raises:
        UsageError: an unknown label.
    """
    if label not in CLASSES:
        raise UsageError(f"Unknown class {label!r}. Choose one of {', '.join(CLASSES)}.")
    # The first word keeps the streams apart: trailing zeros would not change a seed.
    look = _draw_look(np.random.default_rng([0, patient_seed]))
    rng = np.random.default_rng([1 + CLASSES.index(label), lesion_seed, patient_seed])
    outline = draw_outline(rng, size, _ROUGHNESS[label], dims)
    lesion_hu, cover = _PAINTERS[label](rng, outline, look)
    # A slice that only grazes the lesion averages it with the tissue above and below.
    if dims == 2:
        cover = cover * (1 - 0.55 * rng.beta(1.0, 3.5))
    tissue_hu = _tissue(rng, look, size, dims)
    anatomy = tissue_hu + cover * (lesion_hu - tissue_hu)
    image = gaussian_filter(anatomy, look.blur_px) + _scanner_noise(rng, look, (size,) * dims)
    return np.clip(image, -200, 400).astype(np.float32), outline.depth > 0


def phantom_lesions(
    patients: int = 18, per_class: int = 60, size: int = 64, seed: int = 0, dims: int = 2
) -> Iterator[Phantom]:
    """Yields `per_class` lesions of each class, class by class; a patient owns one, two or all three classes.

    Every class has 3 patients or more. All patients appear unless there are fewer lesions than patients.
    Patients of another `seed` are other patients, though their ids (`p01`, `p02`, ...) are the same.

    Raises:
        UsageError: what a recipe's section [phantom] refuses, or a negative seed.
    """
    asked = {"patients": patients, "per_class": per_class, "size": size, "dims": dims}
    return _draw_all(make_recipe({"phantom": asked}, "phantom_lesions").phantom, seed)


def write_phantom(
    out: Path,
    section: PhantomSection | None = None,
    seed: int = 0,
    update: Update = silent,
) -> Path:
    """Writes the lesions of `phantom_lesions` to `out/<class>/`, their masks to `out/masks/<class>/`.

    section: how many, how large and in which format.
    NIfTI holds int16 HU on 0.8 mm pixels or voxels; PNG holds HU + 1024 as uint16; masks are 0 or 1 as uint8.
    Files of the same name are overwritten, others are left. `update` is told the share that is drawn after each
    lesion.

    Returns:
        The path of `out/lesions.csv` (path, label, patient, mask; paths relative to `out`), written last.

    Raises:
        UsageError: a negative seed.
    """
    section = section or PhantomSection()
    rows: list[dict[str, str]] = []
    numbers: Counter[str] = Counter()
    for lesion in _draw_all(section, seed):
        numbers[lesion.patient] += 1
        name = f"{lesion.label}/{lesion.patient}_{numbers[lesion.patient]:03d}{SUFFIX[section.format]}"
        _write_lesion(Path(out), name, lesion)
        rows.append({"path": name, "label": lesion.label, "patient": lesion.patient, "mask": f"masks/{name}"})
        update(len(rows) / (section.per_class * len(CLASSES)), "")
    table = Path(out) / "lesions.csv"
    write_table(table, pd.DataFrame(rows))
    return table


# --- the patient and the scanner


def _draw_look(rng: np.random.Generator) -> _Look:
    sharpness = rng.uniform()
    return _Look(
        tissue_hu=rng.uniform(55, 70),
        texture_hu=rng.uniform(2, 6),
        texture_px=rng.uniform(2, 6),
        # A sharp kernel buys its edges with noise; dose varies on top of it.
        noise_hu=(5 + 5 * sharpness) * rng.uniform(0.8, 1.3),
        blur_px=1.2 - 0.5 * sharpness,
        enhancement=rng.uniform(0.7, 1.3),
        slope_hu=rng.uniform(0, 8),
        slope_angle=rng.uniform(0, 2 * np.pi),
    )


def _tissue(rng: np.random.Generator, look: _Look, size: int, dims: int) -> np.ndarray:
    """Parenchyma before the scanner, (size, ...) HU: mean, uneven field, texture and up to three faint vessels."""
    y, x = axes(size, (0.0, 0.0))  # of every section alike
    slope = look.slope_hu * (x * np.cos(look.slope_angle) + y * np.sin(look.slope_angle)) / size
    hu = look.tissue_hu + rng.normal(0, 2) + slope + look.texture_hu * grain(rng, (size,) * dims, look.texture_px)
    for _ in range(rng.integers(0, 4)):
        profile = vessel(rng, size, dims)
        width, contrast = rng.uniform(0.8, 2.2), look.enhancement * rng.uniform(6, 30)
        hu += contrast * profile(width)
    return hu


def _scanner_noise(rng: np.random.Generator, look: _Look, shape: tuple[int, ...]) -> np.ndarray:
    """CT noise, HU: grain as wide as the kernel is soft, low frequencies taken out by the ramp filter."""
    white = rng.standard_normal(shape)
    banded = gaussian_filter(white, 0.8 * look.blur_px) - gaussian_filter(white, 3 * look.blur_px)
    return look.noise_hu * banded / banded.std()


# --- the lesion


def _edge(depth: np.ndarray, width_px: float) -> np.ndarray:
    """How much of a pixel is lesion, 0 to 1, across an edge that is `width_px` soft."""
    return 0.5 * (1 + np.tanh(depth / width_px))


def _cyst(rng: np.random.Generator, outline: Outline, _: _Look) -> tuple[np.ndarray, np.ndarray]:
    """Water behind a sharp edge, a little denser in a few by protein or old blood; it never enhances."""
    hu = rng.uniform(0, 20) + rng.exponential(6)
    return np.full_like(outline.depth, hu), _edge(outline.depth, rng.uniform(0.5, 1.2))


def _metastasis(rng: np.random.Generator, outline: Outline, look: _Look) -> tuple[np.ndarray, np.ndarray]:
    """A dark, uneven centre, a soft edge and a thin enhancing rim of which some or all is there."""
    centre = rng.uniform(8, 34) + rng.uniform(0, 6) * grain(rng, outline.depth.shape, 3.0)
    width, thickness = rng.uniform(1.0, 3.5), rng.uniform(1.0, 2.2)
    completeness, away = rng.uniform(0.4, 1), outline.away(rng)
    rim = np.exp(-0.5 * ((outline.depth - 2 * thickness) / thickness) ** 2)
    # The arc fades over about half a radian at its two ends.
    arc = _edge(completeness * np.pi - away, 0.5)
    return centre + look.enhancement * rng.uniform(40, 110) * rim * arc, _edge(outline.depth, width)


def _hemangioma(rng: np.random.Generator, outline: Outline, look: _Look) -> tuple[np.ndarray, np.ndarray]:
    """Two to six bright nodules along the inside of the edge, around a centre that is darker than the tissue."""
    hu = np.full_like(outline.depth, rng.uniform(10, 40))
    radial = outline.depth - 0.22 * outline.radius
    for away in [outline.away(rng) for _ in range(rng.integers(2, 7))]:
        width, peak = outline.radius * rng.uniform(0.14, 0.28), look.enhancement * rng.uniform(40, 110)
        hu += peak * np.exp(-0.5 * (radial**2 + (outline.radius * away) ** 2) / width**2)
    return hu, _edge(outline.depth, rng.uniform(0.6, 2.0))


_PAINTERS = {"cyst": _cyst, "hemangioma": _hemangioma, "metastasis": _metastasis}
_ROUGHNESS = {"cyst": 0.12, "hemangioma": 0.25, "metastasis": 0.4}


# --- the data set


def _share_out(rng: np.random.Generator, patients: int, per_class: int) -> np.ndarray:
    """How many lesions of each class each patient owns: (patients, classes) int, columns sum to `per_class`."""
    classes = len(CLASSES)
    # A first class for every patient, in turn, so that no patient is without lesions; then more for some.
    first = rng.permutation(np.arange(patients) % classes)
    lesions = np.zeros((patients, classes), dtype=int)
    for column in range(classes):
        own = rng.permutation(np.flatnonzero(first == column))
        others = rng.permutation(np.flatnonzero(first != column))
        more = max(3 - own.size, rng.binomial(others.size, 0.3))
        owners = np.concatenate([own, others[:more]])[:per_class]
        lesions[owners, column] = 1 + rng.multinomial(per_class - owners.size, rng.dirichlet(np.full(owners.size, 3.0)))
    return lesions


def _draw_all(section: PhantomSection, seed: int) -> Iterator[Phantom]:
    """Raises UsageError at once, not when the first lesion is drawn."""
    if seed < 0:
        raise UsageError(f"seed is {seed}; it must be 0 or more. Pass a whole number such as 0.")
    lesions = _share_out(np.random.default_rng(seed), section.patients, section.per_class)
    return _yield_lesions(lesions, section.size, seed, section.dims)


def _yield_lesions(lesions: np.ndarray, size: int, seed: int, dims: int) -> Iterator[Phantom]:
    digits = max(2, len(str(len(lesions))))
    numbers: Counter[int] = Counter()
    for column, label in enumerate(CLASSES):
        for patient in np.repeat(np.arange(len(lesions)), lesions[:, column]).tolist():
            numbers[patient] += 1
            patient_seed = int(np.random.SeedSequence([seed, patient + 1]).generate_state(1)[0])
            image, mask = draw_lesion(label, patient_seed, numbers[patient], size, dims)
            yield Phantom(image, mask, label, f"p{patient + 1:0{digits}d}")


def _write_lesion(out: Path, name: str, lesion: Phantom) -> None:
    as_png = name.endswith(".png")
    hu = np.rint(lesion.image).astype(np.int16)
    image = (hu + PNG_OFFSET_HU).astype(np.uint16) if as_png else hu
    for path, pixels in ((out / name, image), (out / "masks" / name, lesion.mask.astype(np.uint8))):
        path.parent.mkdir(parents=True, exist_ok=True)
        if as_png:
            Image.fromarray(pixels).save(path)
        else:
            nib.save(nib.Nifti1Image(pixels, np.diag([PIXEL_MM, PIXEL_MM, PIXEL_MM, 1])), path)
