"""Which images are masks of others, by the names of their files and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from augmentor.data.formats import stem

ALWAYS = "masks"  # a folder of masks, wherever it lies
FOLDERS = (ALWAYS, "mask", "labels", "segmentations")  # of masks, beside one that is called images
ENDINGS = ("label", "mask", "seg", "segmentation")  # of a mask's name, behind its image's: `x_mask`, `x_mask_1`
_MASK = re.compile(rf"(.+)[_-](?:{'|'.join(ENDINGS)})(?:_\d+)?", re.IGNORECASE)
_IMAGE = re.compile(r"(.+)[_-]image", re.IGNORECASE)


def masks_among(files: Iterable[Path], below: Path) -> set[Path]:
    """`x_mask.png` where `x.png` or `x_image.png` lies beside it, and all in a folder of masks; any other that is
    called so, unless all the files that are left are."""
    files = list(files)
    stems = {(f.parent, stem(f.name)) for f in files}
    images = stems | {(home, found[1]) for home, name in stems if (found := _IMAGE.fullmatch(name))}
    called = {f: found[1] for f in files if (found := _MASK.fullmatch(stem(f.name)))}
    masks = {f for f, image in called.items() if (f.parent, image) in images} | in_mask_folders(files, below)
    return masks if {*files} <= masks | {*called} else masks | {*called}


def in_mask_folders(files: Iterable[Path], below: Path) -> set[Path]:
    """Those that lie, anywhere below a folder, in one of masks."""
    homes = {file: list(file.parents)[: len(file.parts) - len(below.parts) - 1] for file in files}
    beside = {home.parent for file in homes for home in homes[file] if home.name.lower() == "images"}
    masks = {
        home
        for home in {home for some in homes.values() for home in some}
        if home.name.lower() == ALWAYS or (home.name.lower() in FOLDERS and home.parent in beside)
    }
    return {file for file, some in homes.items() if masks.intersection(some)}
