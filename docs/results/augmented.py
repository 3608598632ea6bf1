"""Training lesions under plain augmentation, to be judged beside synthetic ones.

    python augmented.py train.csv OUT

Writes OUT/mild and OUT/classic, 200 lesions a class in a folder each, every training lesion as often as any other.

mild: mirrored or not, turned by up to 15 degrees, zoomed by up to 12 %, shifted by up to 5 % of the side, sampled as
the generator samples (twice the resolution, then torch's bicubic kernel).
classic: the paper's, as the classifiers see it (any rotation, either mirroring, zoom by up to 20 %, shift by
up to 10 %; the bicubic kernel).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from augmentor.data.images import read_image
from augmentor.data.readers import read_lesions
from augmentor.data.squares import load_images
from augmentor.data.writing import write_image
from augmentor.model.warping import resample_finely
from augmentor.training.classic import classic

A_CLASS = 200


def mild(images: Tensor, randomness: Generator) -> Tensor:
    """(B, C, S, S) in [-1, 1] -> the same shape."""
    signed = torch.rand(5, len(images), generator=randomness) * 2 - 1
    angle, zoom = torch.deg2rad(15 * signed[0]), 1 + 0.12 * signed[1]
    across, right, down = zoom * signed[2].sign(), 0.1 * signed[3], 0.1 * signed[4]  # of half a side
    top = torch.stack([across * angle.cos(), -zoom * angle.sin(), right], 1)
    bottom = torch.stack([across * angle.sin(), zoom * angle.cos(), down], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), list(images.shape), align_corners=False)
    return resample_finely(images, grid).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    lesions = read_lesions(asked.train)
    images, intensity = load_images(lesions.paths, read_image(lesions.paths[0]).pixels.shape[-1])
    for name, change in (("mild", mild), ("classic", classic)):
        for label, members in lesions.table.groupby("label").indices.items():
            chosen = torch.from_numpy(images[np.resize(members, A_CLASS)])
            folder = asked.out / name / str(label)
            folder.mkdir(parents=True)
            for number, image in enumerate(change(chosen, Generator().manual_seed(0)).numpy()):
                write_image(intensity.from_network(image), folder / f"{number:03d}.png", None, f"{name} augmentation")


if __name__ == "__main__":
    main()
