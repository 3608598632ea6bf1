"""The recipe: every choice of a run, typed, in TOML; a recipe file lists only what differs from the defaults.

What each setting means is told in docs/recipes.md.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from augmentor.arguments import checked
from augmentor.errors import UsageError, with_point
from augmentor.files import write_atomically

Step = Literal["phantom", "check", "fit", "expand", "evaluate", "benchmark"]
ModelName = Literal["cgan", "dcgan", "acgan", "plain-dcgan", "monai"]
ScreenLevel = Literal["off", "light", "strict", "label", "realism", "diversity"]
Dims = Literal[2, 3]
ArmName = Literal[
    "real",
    "classic",
    "resampled",
    "mixup",
    "classic+gan",
    "classic+dcgan",
    "classic+acgan",
    "gan-only",
    "pretrain-gan",
    "auto",
]
LARGEST_SEED = 2**20 - 1
LEAST_SIZE, LARGEST_SIZE = 16, {2: 256, 3: 64}  # of a network's images, the largest by dimensions
COLUMNS = ("path", "label", "patient", "split", "fold", "mask", "roi_side_mm", "origin")  # of a table of lesions
SCAN_COLUMNS = ("image", "mask", "label", "patient", "spacing", "split", "fold", "box")  # of one of scans
ClassifierName = Literal["paper-cnn", "cnn", "densenet", "densenet121", "pretrained", "logistic", "svm", "forest"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """Where the lesions come from."""

    path: str | None = None
    columns: dict[str, str] = {}
    patient_pattern: str | None = None
    max_per_class: int | None = Field(None, ge=1)

    @field_validator("columns")
    @classmethod
    def _ours(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := [repr(ours) for ours in value if ours not in (*COLUMNS, *SCAN_COLUMNS)]:
            raise ValueError(
                f"names {', '.join(unknown)}; it takes {', '.join(COLUMNS)}, and for a table of scans "
                f"{', '.join(SCAN_COLUMNS)}"
            )
        return value


class ExtractSection(_Section):
    """How lesions are cut out of scans, where the data are scans with masks or boxes."""

    dims: Dims = 2
    size: int | None = Field(None, ge=8, le=1024)
    margin: float = Field(0.25, ge=0, le=10, allow_inf_nan=False)  # as a share of a lesion's diameter
    fov: float | None = Field(None, ge=1, le=1000, allow_inf_nan=False)  # mm
    every: int | None = Field(None, ge=1)
    per: Literal["component", "value"] = "component"
    values: dict[int, str] = {}
    min_voxels: int = Field(10, ge=1)
    window: str | None = None
    rescale: tuple[float, float] = (1.0, 0.0)  # slope, intercept
    format: Literal["png", "npy", "nifti"] | None = None
    strict: bool = False
    by_voxel: bool = False

    @field_validator("window")
    @classmethod
    def _no_window(cls, value: str | None) -> str | None:
        return None if value and value.strip().lower() == "none" else value

    @field_validator("values")
    @classmethod
    def _of_lesions(cls, value: dict[int, str]) -> dict[int, str]:
        if wrong := [str(number) for number in value if number < 1]:
            raise ValueError(
                f"{', '.join(wrong)} can't be a lesion's number: 0 is what a mask holds outside lesions. Name numbers "
                "above it"
            )
        return value

    @field_validator("fov", mode="before")
    @classmethod
    def _millimetres(cls, value: Any) -> Any:
        return value.lower().removesuffix("mm").strip() if isinstance(value, str) else value

    @field_validator("rescale")
    @classmethod
    def _a_scale(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not (math.isfinite(value[0]) and math.isfinite(value[1]) and value[0] > 0):
            raise ValueError(f"slope {value[0]:g} must be above 0, and both finite")
        return value

    @model_validator(mode="after")
    def _cubes(self) -> ExtractSection:
        if self.dims == 3 and self.every is not None:
            raise ValueError(f"every {self.every} (--sections) is for dims 2; a cube has all sections")
        if self.dims == 3 and self.format not in (None, "nifti"):
            raise ValueError(f"format {self.format} holds no volumes; cubes are written as nifti")
        return self


class PhantomSection(_Section):
    """The demo lesions of step `phantom`."""

    patients: int = Field(18, ge=3)
    per_class: int = Field(60, ge=3)
    size: int = Field(64, ge=16, le=512)
    format: Literal["nifti", "png"] = "nifti"
    dims: Dims = 2

    @model_validator(mode="after")
    def _volumes_are_nifti(self) -> PhantomSection:
        if self.dims == 3 and self.format == "png":
            raise ValueError("a PNG holds no volume; leave phantom.format out, or set phantom.dims to 2")
        if self.dims == 3 and self.size > 96:
            raise ValueError(f"phantom.size {self.size} is too large for volumes; set 96 or less, or phantom.dims to 2")
        return self


class ModelSection(_Section):
    """Which GAN: `cgan` (one for all classes, starts from real lesions), or the paper's `dcgan` and `acgan`."""

    name: ModelName = "cgan"
    size: int = Field(64, ge=LEAST_SIZE, le=LARGEST_SIZE[2], multiple_of=4)
    spatial_dims: Dims = 2
    with_mask: bool = False
    condition_on: Literal["size"] | None = None
    generator_channels: int | None = Field(None, ge=4)  # at the finest layer
    discriminator_channels: int | None = Field(None, ge=4)

    @model_validator(mode="after")
    def _fits_together(self) -> ModelSection:
        if self.size > (largest := LARGEST_SIZE[self.spatial_dims]):
            raise ValueError(
                f"size {self.size} is too large for volumes; set {largest} or less (a volume of {largest} has "
                f"{largest**3} voxels)"
            )
        if self.condition_on and self.name != "cgan":
            raise ValueError(f"condition_on: {self.name} makes lesions of no size; leave it out, or set name to cgan")
        return self


class TrainingSection(_Section):
    """How long and how: the first of `minutes` and `kimg` (thousand real images shown) to be reached ends it, or a cgan
    that knows the training lesions by heart."""

    minutes: float | None = Field(None, gt=0, allow_inf_nan=False)
    kimg: float | None = Field(None, gt=0, allow_inf_nan=False)
    batch: int | None = Field(None, ge=2)
    generator_lr: float | None = Field(None, gt=0, allow_inf_nan=False)
    discriminator_lr: float | None = Field(None, gt=0, allow_inf_nan=False)
    holdout: float = Field(0.2, ge=0, le=0.5, allow_inf_nan=False)
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "bf16-mixed", "32-true"] = "auto"
    snapshots: int = Field(8, ge=1)

    @property
    def length(self) -> tuple[float | None, float | None]:
        """(minutes, kimg), with 5 minutes where neither is given."""
        return (5.0, None) if self.minutes is None and self.kimg is None else (self.minutes, self.kimg)


def wrong_factor(factor: float) -> str:
    """Why a set can't be enlarged to so many times its real lesions; "" where it can."""
    if math.isfinite(factor) and factor >= 1:
        return ""
    return (
        f"factor {factor:g} must be 1 or more, and finite: less would leave fewer lesions than there are (3 makes each "
        "class three times its real size, 1 adds nothing)"
    )


def _at_least_one(value: float) -> float:
    if told := wrong_factor(value):
        raise ValueError(told)
    return value


Factor = Annotated[float, AfterValidator(_at_least_one)]


class ExpandSection(_Section):
    """How the set is enlarged."""

    factor: Factor = 3.0
    balance: bool = False
    screen: ScreenLevel = "light"
    format: Literal["png", "npy", "nifti", "dicom"] | None = None
    seed: int = Field(0, ge=0, le=LARGEST_SEED)


class BenchmarkSection(_Section):
    """What is compared, and on how many folds and seeds."""

    arms: tuple[ArmName, ...] = ("real", "classic", "classic+gan")
    classifiers: tuple[ClassifierName, ...] = ("paper-cnn", "densenet", "logistic", "svm")
    folds: int | None = Field(None, ge=2)
    seeds: int = Field(1, ge=1)
    factor: Factor = 3.0
    minutes: float | None = Field(None, gt=0, allow_inf_nan=False)  # of each GAN, as is kimg
    kimg: float | None = Field(None, gt=0, allow_inf_nan=False)
    steps: int = Field(900, ge=1)  # of each network classifier
    screen: ScreenLevel = "light"
    synthetic_curve: tuple[float, ...] = ()  # for each real lesion
    real_curve: tuple[int, ...] = ()  # lesions a class
    workers: int = Field(1, ge=1)
    scheduler: str | None = None

    @field_validator("synthetic_curve", "real_curve")
    @classmethod
    def _above_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not (math.isfinite(v) and v > 0) for v in value):
            raise ValueError("every point of a curve must be a number above 0")
        return value

    @field_validator("scheduler")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and "://" not in value:
            raise ValueError("must be the address of a Dask scheduler, as in tcp://127.0.0.1:8786")
        return value

    @field_validator("arms", "classifiers")
    @classmethod
    def _no_doubles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or not value:
            raise ValueError(f"{', '.join(value) or 'nothing'}: name each once, and at least one")
        return value


class Recipe(_Section):
    """All sections; `steps` is what `augmentor run` does with them, in this order."""

    name: str = "recipe"
    claim: str = ""
    out: str = "out"
    steps: tuple[Step, ...] = ("check", "fit", "expand", "evaluate", "benchmark")
    data: DataSection = DataSection()
    extract: ExtractSection = ExtractSection()
    phantom: PhantomSection = PhantomSection()
    model: ModelSection = ModelSection()
    training: TrainingSection = TrainingSection()
    expand: ExpandSection = ExpandSection()
    benchmark: BenchmarkSection = BenchmarkSection()

    @model_validator(mode="after")
    def _data_for_every_step(self) -> Recipe:
        if "phantom" in self.steps and self.data.path is not None:
            raise ValueError("step 'phantom' makes the data itself; leave data.path out or drop the step")
        return self

    @property
    def cutting(self) -> ExtractSection:
        """`extract`, at the network's size and in its dimensions where it names none. Raises UsageError where its other
        settings do not go with these."""
        dims = self.extract.dims if "dims" in self.extract.model_fields_set else self.model.spatial_dims
        return self.with_options(extract={"dims": dims, "size": self.extract.size or self.model.size}).extract

    @property
    def named_size(self) -> int | None:
        """`model.size` where it was given; None where it was not, and the lesions may decide (`at_own_size`)."""
        return self.model.size if "size" in self.model.model_fields_set else None

    def with_options(self, **changes: Any) -> Recipe:
        """A copy with some values changed, `training={"minutes": 2}` or `out="here"`; those that are None stay as they
        are. Checks like a file's."""
        content = self.model_dump(exclude_unset=True)
        for name, values in changes.items():
            if isinstance(values, dict):
                content.setdefault(name, {}).update({k: v for k, v in values.items() if v is not None})
            elif values is not None:
                content[name] = values
        return make_recipe(content, _COMMAND_LINE)

    def to_toml(self) -> str:
        """Every choice, so that it is the same recipe for a later version; no size where none was named, and as little
        in how many dimensions lesions are cut."""
        content = self.model_dump(mode="json")
        content["model"]["size"] = self.named_size
        content["extract"]["dims"] = self.extract.dims if "dims" in self.extract.model_fields_set else None
        return tomli_w.dumps(_without_none(content))

    def save(self, file: Path) -> None:
        write_atomically(file, self.to_toml())

    @property
    def decisive(self) -> dict[str, dict[str, Any]]:
        """What decides about the weights: settings by section, in plain values."""
        return self.model_dump(mode="json", include={"data", "extract", "model", "training"})

    def hash(self) -> str:
        """12 hex digits of what decides about the weights."""
        return hashlib.sha256(json.dumps(self.decisive, sort_keys=True).encode()).hexdigest()[:12]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


_COMMAND_LINE = "the command line"
_OPTIONS = {"model.name": "--model", "extract.every": "--sections"}  # those that are not called as their setting


def make_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Build a recipe. Raises UsageError with every problem at once."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise UsageError("\n".join(_tell(problem, where) for problem in error.errors())) from error


def _tell(problem: Any, where: str) -> str:
    name = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        return f"{where}: {name} is no setting; see docs/recipes.md for those that there are."
    told = problem["msg"].removeprefix("Value error, ")
    given = f" (given: {problem['input']!r})" if name and not isinstance(problem["input"], dict) else ""
    advice = with_point(problem["input"]) if problem["type"] == "float_parsing" else ""
    if where == _COMMAND_LINE and len(problem["loc"]) > 1:
        return f"{_option_of(problem['loc'])}: {told}{given}.{advice}"
    return f"{where}: {name + ': ' if name else ''}{told}{given}.{advice}"


def _option_of(place: tuple[str | int, ...]) -> str:
    """The option that sets a value of the recipe."""
    section, name = str(place[0]), str(place[1])
    return _OPTIONS.get(f"{section}.{name}", f"--{name.replace('_', '-')}")


def make_quick(recipe: Recipe) -> Recipe:
    """The same steps, arms and classifiers on a few small lesions, for a minute or two: to see that a recipe runs."""
    few: dict[str, Any] = {"folds": 2, "seeds": 1, "minutes": None, "kimg": 0.096, "steps": 4}
    few |= {"workers": 1}  # others would take longer to start than to work
    few |= {"synthetic_curve": recipe.benchmark.synthetic_curve[:1], "real_curve": ()}
    changes: dict[str, dict[str, Any]] = {
        "data": {"max_per_class": min(18, recipe.data.max_per_class or 18)},
        "phantom": {"patients": 18, "per_class": 18},  # with fewer a side of the folds may have one of a class
        "model": {"size": min(32, recipe.model.size)},
        "training": {"minutes": None, "kimg": 0.096, "snapshots": 1},
        "benchmark": few,
    }
    content = recipe.model_dump(exclude_unset=True)  # what was not given stays so: the model decides about some of it
    for name, values in changes.items():
        content[name] = content.get(name, {}) | values
    return make_recipe(content | {"out": f"{recipe.out}-quick"}, "--quick")


@checked
def load_recipe(file: Path) -> Recipe:
    """Read a TOML recipe; paths in it are relative to the working directory. Raises UsageError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(f"{file}: no such recipe. The project's own are in pipelines/.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise UsageError(f"{file}: is no TOML: {error}.") from error
    return make_recipe({"name": file.stem} | content, str(file))
