"""Whether the masks of an enlarged set of phantom volumes lie where its lesions are seen, and a picture of them.

    python volumes.py out/volumes/expanded PICTURE.png

Prints a line a class and origin: the mean Dice of each mask with what the phantom's own rule finds in its image, and in
the image of another lesion of the class.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import binary_closing, binary_erosion, binary_fill_holes, gaussian_filter
from scipy.ndimage import label as components

from augmentor.data.images import read_image
from augmentor.data.phantom import CLASSES
from augmentor.evaluation.mask_agreement import dice


def segment(image: np.ndarray) -> np.ndarray:
    """The lesion by the phantom's own rule, without its mask: what differs from the tissue around it.

    (size, ...) HU, drawn or synthetic -> bool of the same shape: the largest connected part whose smoothed values lie
    more than 14 HU from the median of the outermost pixels, its holes filled. It finds the lesion that is seen, to tell
    whether a mask that was made with an image is the image's.
    """
    rim = np.ones(image.shape, bool)
    rim[(slice(2, -2),) * image.ndim] = False
    differs = np.abs(gaussian_filter(image.astype(np.float32), 1.0) - np.median(image[rim])) > 14
    parts, count = components(binary_closing(differs, iterations=2))
    if not count:
        return np.zeros(image.shape, bool)
    return binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax())


def read_set(folder: Path) -> pd.DataFrame:
    """A row a lesion: the columns of its manifest, and `image` in HU, `truth` and `seen`, both bool."""
    rows = pd.read_csv(folder / "manifest.csv")
    rows["image"] = [read_image(str(folder / path)).pixels[0] for path in rows["path"]]
    rows["truth"] = [read_image(str(folder / path)).pixels[0] > 0 for path in rows["mask"]]
    rows["seen"] = rows["image"].map(segment)
    return rows


def tell_agreement(rows: pd.DataFrame) -> None:
    for (label, origin), part in rows.groupby(["label", "origin"]):
        own = [dice(a, b) for a, b in zip(part["seen"], part["truth"], strict=True)]
        other = [dice(a, b) for a, b in zip(np.roll(part["seen"], 1), part["truth"], strict=True)]
        print(f"{label:11} {origin:9} {len(part):3}  own {np.mean(own):.2f}  another's {np.mean(other):.2f}")


def tile(row: dict, axis: int, outlined: bool) -> np.ndarray:
    """(2 S, 2 S, 3) uint8: a lesion's middle section along an axis, -60 to 160 HU, with the mask's outline or not."""
    hu, mask = (np.take(row[name], len(row[name]) // 2, axis).repeat(2, 0).repeat(2, 1) for name in ("image", "truth"))
    grey = np.clip((hu + 60) / 220 * 255, 0, 255).astype(np.uint8)
    pixels = np.repeat(grey[..., None], 3, 2)
    if outlined:
        pixels[mask & ~binary_erosion(mask)] = 255, 80, 60
    return pixels


def picture(rows: pd.DataFrame) -> np.ndarray:
    """(H, W, 3) uint8: two rows a class, the second outlined; three real lesions, six synthetic ones, and the first of
    these along all three axes."""
    lines = []
    for label in CLASSES:
        real, made = (
            rows[(rows["label"] == label) & (rows["origin"] == origin)].head(count).to_dict("records")
            for origin, count in (("real", 3), ("synthetic", 6))
        )
        for outlined in (False, True):
            parts = (
                [tile(row, 0, outlined) for row in real],
                [tile(row, 0, outlined) for row in made],
                [tile(made[0], axis, outlined) for axis in range(3)],
            )
            gap = np.full((len(parts[0][0]), 8, 3), 255, np.uint8)
            lines.append(np.concatenate([*parts[0], gap, *parts[1], gap, *parts[2]], 1))
    return np.concatenate(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("expanded", type=Path)
    parser.add_argument("picture", type=Path)
    asked = parser.parse_args()
    rows = read_set(asked.expanded)
    tell_agreement(rows)
    Image.fromarray(picture(rows)).quantize(64).save(asked.picture, optimize=True)


if __name__ == "__main__":
    main()
