"""What was found in a lesion set."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from augmentor.data.lesions import Lesions
from augmentor.errors import DataError


@dataclass
class Inspection:
    """`problems` forbid a fit, `warnings` do not. `lesions` has its `content` column filled (unreadable rows: "")."""

    lesions: Lesions
    classes: dict[str, dict[str, int]]
    sizes: dict[str, int]
    dtypes: dict[str, int]
    channels: dict[str, int]
    intensity: dict[str, float]
    splits: dict[str, int]
    folds: dict[str, int]
    examples: dict[str, str] = field(default_factory=dict)  # the first file of each dtype and channel count
    exact_duplicates: list[list[str]] = field(default_factory=list)
    duplicates_across_patients: list[list[str]] = field(default_factory=list)
    duplicates_across_splits: list[list[str]] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)  # images and patients, where not all of a class are asked for
    unreadable: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def dims(self) -> set[int]:
        """2 where there are images, 3 where there are volumes."""
        return {size.count("x") + 1 for size in self.sizes}

    @property
    def largest(self) -> int:
        """The longest side of any image, in pixels or voxels; 0 where none can be read."""
        return max((int(side) for size in self.sizes for side in size.split("x")), default=0)

    def require_usable(self) -> Inspection:
        """Itself; raises DataError with every reason if the lesions can't be used."""
        if self.problems:
            raise DataError(self.problems)
        return self

    def as_dict(self) -> dict[str, Any]:
        """Everything but the table, ready for JSON."""
        content = asdict(replace(self, lesions=None))  # type: ignore[arg-type]
        content["lesions"] = {"images": len(self.lesions), "patients": self.lesions.patients}
        told = {"source": str(self.lesions.source), "columns": dict(self.lesions.columns)}
        return content | told | {"usable": not self.problems}


def class_counts(lesions: Lesions) -> dict[str, dict[str, int]]:
    """Images and patients of each class, ready for JSON."""
    return {str(k): {"images": int(v.images), "patients": int(v.patients)} for k, v in lesions.per_class().iterrows()}
