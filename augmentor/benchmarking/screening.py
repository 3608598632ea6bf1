"""What each rule of the screen does: to the synthetic lesions of every fold, and to classifiers that train on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from augmentor.benchmarking.arms import ARMS, BASELINE, GAN_ARM, Labelled, build_training_set
from augmentor.benchmarking.classifiers import train_classifier
from augmentor.benchmarking.design import design_warnings, make_design
from augmentor.benchmarking.fold import FoldData
from augmentor.benchmarking.gan_task import GanTask, fit_gan
from augmentor.benchmarking.keys import CELL_CODE, SCREEN_CODE, data_of, result_key
from augmentor.benchmarking.scores import measure
from augmentor.data.lesions import Lesions, class_numbers
from augmentor.data.preparing import prepare
from augmentor.data.splits import groups
from augmentor.errors import AugmentorError
from augmentor.evaluation.fidelity import MEAN, measure_fidelity, shared_counts
from augmentor.evaluation.sides import Side, Sides
from augmentor.expansion.mix import wanted_counts
from augmentor.expansion.screen import screen_of
from augmentor.files import read_table, require_folder, write_table
from augmentor.locks import locked
from augmentor.model.checkpoint import load_checkpoint
from augmentor.model.features import FeatureSpace
from augmentor.model.own_weights import fixed_spaces
from augmentor.progress import Progress, silent
from augmentor.recipe import Recipe, ScreenLevel
from augmentor.sampling import draw, seed_of
from augmentor.training.run import Run

Setting = Literal["none", "off", "label", "realism", "diversity", "light", "strict"]
SETTINGS: tuple[Setting, ...] = ("none", "off", "label", "realism", "diversity", "light", "strict")


def study_screen(lesions: Lesions, recipe: Recipe, out: Path, progress: Progress | None = None) -> pd.DataFrame:
    """A row a fold, seed and setting of the screen, and one for `classic`, the arm without synthetic lesions.

    `none` keeps everything that the generator makes, near-copies too, which no command writes: it is what the others
    are compared with. Columns: drawn and kept lesions; KID and coverage of those kept against the fold's test lesions,
    mean over classes, in each fixed feature space (coverage judges as many lesions of a class for every setting); each
    classifier's macro sensitivity there with the arm classic+gan. The GANs lie in OUT/gans, the rows in OUT/screen.csv.
    A row that is there is taken as it is if its `key`, the hash of all that decides about it, is that of this study;
    those of other studies stay in the file.
    Raises DataError and UsageError before anything is trained, and AugmentorError where a GAN fails.
    """
    progress = progress or Progress()
    require_folder(out)
    lesions, recipe, warnings = prepare(lesions, recipe, fitted=False)
    design = make_design(lesions, recipe.with_options(benchmark={"arms": [BASELINE, GAN_ARM]}), out)
    for line in warnings + design_warnings(design, lesions, recipe):
        progress.say(f"Warning: {line}")
    file = out / "screen.csv"
    with locked(out / ".lock", f"{out}: a study is at work in this folder. Wait for it, or give another --out."):
        rows = _rows_in(file)
        known = {(row.get("key"), row["setting"]) for row in rows}
        folds = {_key(gan.data, recipe): gan.data for gan in design.gans}
        with progress.task("Studying the screen", len(folds) * (1 + len(SETTINGS))) as update:
            done = sum(row.get("key") in folds for row in rows)
            for key, data in folds.items():
                missing = [s for s in (BASELINE, *SETTINGS) if (key, s) not in known]
                for row in _rows(data, recipe, missing, progress):
                    rows.append(row | {"key": key})
                    write_table(file, pd.DataFrame(rows))
                    done += 1
                    update(done, f"fold {row['fold']}, seed {row['seed']}, {row['setting']}")
    table = pd.DataFrame(rows)
    return table[table["key"].isin(folds)].dropna(axis=1, how="all").reset_index(drop=True)


def _key(data: FoldData, recipe: Recipe) -> str:
    """Of a fold's rows."""
    asked = recipe.benchmark
    content = {"gan": data.gan_key("cgan"), "test": data_of(data.test), "factor": asked.factor, "steps": asked.steps}
    content |= {"classifiers": asked.classifiers, "arithmetic": data.arithmetic}
    return result_key(content, (*CELL_CODE, *SCREEN_CODE))


def _rows_in(file: Path) -> list[Any]:
    return read_table(file, "setting", dtype={"fold": str, "key": str}).to_dict("records") if file.exists() else []


def summarise_study(table: pd.DataFrame) -> pd.DataFrame:
    """A row a setting: means over folds and seeds; for each classifier the gain over `classic`, with the smallest and
    the largest of the seeds' gains (each a mean over folds); `more`, the gain over `none`, mean over classifiers, and
    `error`, its standard error from the differences of all folds and seeds (which share test lesions: it is rather too
    small)."""
    classifiers = [name for name in table.columns if name.startswith("sensitivity_")]
    classic = table[table["setting"] == BASELINE].set_index(["fold", "seed"])[classifiers]
    unscreened = table[table["setting"] == "none"].set_index(["fold", "seed"])[classifiers]
    found = []
    for setting, rows in table[table["setting"] != BASELINE].groupby("setting", sort=False):
        gains = rows.set_index(["fold", "seed"])[classifiers] - classic
        by_seed = gains.groupby("seed").mean()
        told: dict[str, Any] = {"setting": setting, "refused": 1 - rows["kept"].sum() / rows["drawn"].sum()}
        told |= {name: rows[name].mean() for name in map(str, rows) if name.startswith(("kid_", "coverage_"))}
        for name in classifiers:
            short = name.removeprefix("sensitivity_")
            told |= {f"gain_{short}": by_seed[name].mean(), f"least_{short}": by_seed[name].min()}
            told[f"most_{short}"] = by_seed[name].max()
        more = (gains + classic - unscreened).mean(axis=1)
        found.append(told | {"more": more.mean(), "error": more.sem()})
    return pd.DataFrame(found)


def _rows(data: FoldData, recipe: Recipe, missing: Sequence[str], progress: Progress) -> Iterator[dict[str, Any]]:
    where = {"fold": data.fold.name, "seed": data.seed}
    if BASELINE in missing:
        yield where | {"setting": BASELINE} | _sensitivities(data, recipe, None)
    wanted = [s for s in SETTINGS if s in missing]
    if wanted and (error := fit_gan(GanTask(data, "cgan"), progress).error):
        raise AugmentorError(f"The GAN of fold {data.fold.name}, seed {data.seed} failed: {error}")
    drawn = {setting: _draw(data, setting, recipe.benchmark.factor) for setting in (SETTINGS if wanted else ())}
    counts = shared_counts(data.real[1], *(targets for (_, targets), _ in drawn.values()))
    for setting in wanted:
        synthetic, count = drawn[setting]
        row = where | {"setting": setting, "drawn": count, "kept": len(synthetic[1])}
        yield row | _fidelity(data, synthetic, counts) | _sensitivities(data, recipe, synthetic)


def _draw(data: FoldData, setting: Setting, factor: float) -> tuple[Labelled, int]:
    """The lesions that a setting keeps, and how many were drawn for them."""
    generator, card = load_checkpoint(Run(data.gan_folder("cgan")).chosen_checkpoint)
    wanted, classes = wanted_counts(data.train.counts(), factor), data.lesions.classes
    if setting == "none":
        numbers = [(card.classes.index(label), i) for label, count in wanted.items() for i in range(count)]
        seeds = [seed_of(data.seed, target, i) for target, i in numbers]
        drawn = [image for image, *_ in draw(generator, card, [target for target, _ in numbers], seeds)]
        labels = class_numbers([card.classes[c] for c, _ in numbers], classes)
        return (data.scaled(np.stack(drawn), "cgan"), labels), len(numbers)
    level: ScreenLevel = setting
    screen = screen_of(Run(data.gan_folder("cgan")), card, level)
    passed = list(screen.draw(generator, card, wanted, data.seed))
    if not passed:
        raise AugmentorError(
            f"Fold {data.fold.name}, seed {data.seed}: no lesion passed the screen '{level}'. Fit longer or with more "
            "patients."
        )
    labels = class_numbers([lesion.label for lesion in passed], classes)
    return (data.scaled(np.stack([lesion.image for lesion in passed]), "cgan"), labels), screen.drawn.total()


def _fidelity(data: FoldData, synthetic: Labelled, counts: Mapping[int, int]) -> dict[str, float]:
    """KID and coverage of each space, mean over classes; NaN where no class has two lesions on both sides. counts: how
    many lesions of each class coverage takes, the same of every setting."""
    made = Side(*synthetic, np.arange(len(synthetic[1])))
    training, test = (
        Side(images, targets, groups(lesions))
        for (images, targets), lesions in (
            (data.real, data.train),
            ((data.test_images, data.test_targets), data.test),
        )
    )
    found = measure_fidelity(Sides(made, training, test), _spaces(), silent, counts).spaces
    means = {space: scores.get(MEAN, {}) for space, scores in found.items()}
    return {f"{k}_{space}": mean.get(k, float("nan")) for space, mean in means.items() for k in ("kid", "coverage")}


@lru_cache(maxsize=1)
def _spaces() -> list[FeatureSpace]:
    """Kept, with the features that they have computed; the screen's own rules are made of texture features."""
    return fixed_spaces()


def _sensitivities(data: FoldData, recipe: Recipe, synthetic: Labelled | None) -> dict[str, float]:
    arm, asked = ARMS[BASELINE if synthetic is None else GAN_ARM], recipe.benchmark
    training = build_training_set(arm, data.real, synthetic, asked.factor, data.seed)
    classes, found = len(data.lesions.classes), {}
    for name in asked.classifiers:
        model = train_classifier(name, training, classes, asked.steps, data.seed, recipe.training.device)
        found[f"sensitivity_{name}"] = measure(data.test_targets, model.predict(data.test_images))["sensitivity"]
    return found
