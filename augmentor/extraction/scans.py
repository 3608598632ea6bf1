"""One scan and what is known of it: its mask or boxes, class, patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augmentor.errors import DataError

Box = tuple[float, ...]


@dataclass(frozen=True)
class Scan:
    """`image`: one file, a folder with one DICOM series, or the files of a series. Either `mask` or `boxes` is given.

    A box is x0, y0, x1, y1 in pixels of a picture, or x0, y0, z0, x1, y1, z1 in voxels, counted from the edge of the
    first; or shares of the sides, see `region_of_box`. `spacing` is (across, down) in mm, where a table says it;
    `split` (train, val or test) and `fold` go into the lesion table. Raises DataError where it has no lesions, or two
    accounts of them.
    """

    image: tuple[Path, ...]
    mask: tuple[Path, ...] = ()
    boxes: tuple[Box, ...] = ()
    label: str = ""
    patient: str = ""
    spacing: tuple[float, ...] | None = None
    split: str = ""
    fold: str = ""

    def __post_init__(self) -> None:
        if not self.mask and not self.boxes:
            raise DataError("has neither mask nor box. Fill in one of them, or delete the row.")
        if self.mask and self.boxes:
            raise DataError("has both a mask and a box. Keep one of them.")
        if any(len(box) not in (4, 6) for box in self.boxes):
            raise DataError("its box needs 4 numbers (x0, y0, x1, y1) or 6 (x0, y0, z0, x1, y1, z1).")
        if self.spacing and not all(0 < s < 1e3 for s in self.spacing):
            raise DataError(f"its spacing is {self.spacing}; it is in mm, above 0.")
