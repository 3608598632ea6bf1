"""How many pure copies of training lesions the near-copy check refuses, moved at random in all ways together.

    python moved_copies.py CHENG/index.csv PNEUMONIAMNIST.npz

A copy is turned by up to 12 degrees, zoomed by up to 12 %, shifted by up to 2 pixels of 64 along each axis (bilinearly,
borders mirrored) and mirrored in half of all cases; "any angle": turned by any. Printed beside it: the share of other
patients' real lesions that the check refuses.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from augmentor.data.intensity import intensity_of
from augmentor.data.phantom import phantom_lesions
from augmentor.data.readers import read_lesions
from augmentor.data.splits import groups
from augmentor.data.squares import load_images
from augmentor.model.memorisation import make_copy_check

_TURN, _LOG_ZOOM, _SHIFT = 12.0, 0.12, 2 / 64


class Lesions(NamedTuple):
    """(N, C, S, ...) in [-1, 1]: training lesions and whose they are, held-out ones, and some of yet other patients."""

    training: np.ndarray
    patients: list
    held_out: np.ndarray
    others: np.ndarray


def tumours(index: Path) -> Lesions:
    table = read_lesions(index, {"path": "roi", "patient": "run", "fold": "fold"})
    fold = table.table["fold"]
    chosen = [
        table.rows(fold.isin(names).to_numpy()).at_most(count)
        for names, count in ((["1", "2", "3"], 60), (["4"], 20), (["5"], 100))
    ]
    training, intensity = load_images(chosen[0].paths, 64)
    held_out, others = (load_images(side.paths, 64, intensity)[0] for side in chosen[1:])
    return Lesions(training, groups(chosen[0]).tolist(), held_out, others)


def x_rays(file: Path) -> Lesions:
    stored, drawn = np.load(file), np.random.default_rng(0)

    def some(name: str, count: int) -> np.ndarray:
        images = stored[name]
        return images[drawn.permutation(len(images))[:count], None].astype(np.float32) / 127.5 - 1

    return Lesions(some("train_images", 200), list(range(200)), some("val_images", 60), some("test_images", 300))


def phantoms(patients: int, per_class: int, size: int, dims: int, held_out: int) -> Lesions:
    first, second = (list(phantom_lesions(patients, per_class, size, seed, dims)) for seed in (0, 1))
    images, others = (np.stack([lesion.image for lesion in drawn])[:, None] for drawn in (first, second))
    intensity = intensity_of(float(images.min()), float(images.max()), images.dtype)
    names = np.array([lesion.patient for lesion in first])
    held, images = np.isin(names, np.unique(names)[:held_out]), intensity.to_network(images)
    return Lesions(images[~held], names[~held].tolist(), images[held], intensity.to_network(others))


def moved(image: np.ndarray, turn: float, drawn: np.random.Generator) -> np.ndarray:
    """(C, S, ...) -> the same shape; a volume is turned about one axis."""
    size, dims = image.shape[-1], image.ndim - 1
    axis = 2 if dims == 2 else int(drawn.integers(3))
    turned = Rotation.from_rotvec(np.eye(3)[axis] * drawn.uniform(-turn, turn), degrees=True).as_matrix()[:dims, :dims]
    linear, centre = turned / np.exp(drawn.uniform(-_LOG_ZOOM, _LOG_ZOOM)), np.full(dims, (size - 1) / 2)
    offset = centre - linear @ (centre + drawn.uniform(-_SHIFT, _SHIFT, dims) * size)
    made = np.stack([affine_transform(part, linear, offset, order=1, mode="reflect") for part in image])
    return (made[..., ::-1] if drawn.random() < 0.5 else made).astype(np.float32)


def tell(name: str, lesions: Lesions, rounds: int = 3) -> None:
    check, drawn = make_copy_check(lesions.training, lesions.patients, lesions.held_out), np.random.default_rng(0)

    def refused(images: np.ndarray) -> str:
        return f"{100 * (check.originals.distances(images)[0] < check.threshold).mean():5.1f} % of {len(images)}"

    turns = (_TURN, 180.0) if lesions.training.ndim == 4 else (_TURN,)
    copies = [np.stack([moved(x, turn, drawn) for _ in range(rounds) for x in lesions.training]) for turn in turns]
    told = "; any angle: ".join(refused(some) for some in copies)
    print(f"{name}: {len(lesions.training)} training lesions; copies refused: {told}", flush=True)
    print(f"  others refused: {refused(lesions.others)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("npz", type=Path)
    given = parser.parse_args()
    tell("brain tumours, 64x64", tumours(given.index))
    tell("phantoms, 64x64", phantoms(18, 60, 64, 2, 4))
    tell("chest X-rays, 28x28", x_rays(given.npz))
    tell("phantom volumes, 32x32x32", phantoms(24, 48, 32, 3, 6))


if __name__ == "__main__":
    main()
