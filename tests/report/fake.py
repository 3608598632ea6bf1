"""A small made-up output of `augmentor benchmark`, in the shape that report reads."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from augmentor.data.lesions import make_lesions
from augmentor.reading.score import score_reading
from augmentor.recipe import make_recipe
from augmentor.report.evaluation import SIDES
from tests.reading.kits import plain_key, save, true_answers

METRICS = ["accuracy", "balanced_accuracy", "sensitivity", "specificity", "auc", "brier", "ece"]
CLASSES = ["cyst", "haemangioma", "metastasis"]
SYNTHETIC_CURVE = (0.5, 1.0, 2.0, 5.0, 10.0)
REAL_CURVE = (10, 20, None)


def write_all(folder: Path, size: int = 16) -> Path:
    """Everything that `augmentor run` and a reading leave."""
    random = np.random.default_rng(0)
    (folder / "benchmark").mkdir(parents=True)
    write_benchmark(folder / "benchmark")
    write_evaluation(write_run(folder / "run", random, size=size), random)
    fake_embedding(random).to_csv(folder / "run" / "embedding.csv", index=False)
    write_enlarged(folder / "expanded")
    write_reading(folder / "reading")
    (folder / "check.json").write_text(json.dumps({"warnings": ["2 images are the same."]}))
    return folder


def write_benchmark(
    out: Path,
    arms: tuple[str, ...] = ("real", "classic", "classic+gan"),
    classifiers: tuple[str, ...] = ("logistic", "forest"),
    folds: int = 2,
    gans: bool = True,
) -> Path:
    """Fill OUT; a run without GANs has no fits and what comes of them, and nothing failed in it."""
    random = np.random.default_rng(0)
    fits = [fake_fit(out, random, f"fold{fold + 1}", 0) for fold in range(folds)] if gans else []
    cells = list(product(arms, classifiers, range(folds)))
    results = fake_results(random, cells)
    results.to_csv(out / "results.csv", index=False)
    fake_predictions(random, cells).to_csv(out / "predictions.csv", index=False)
    summary = fake_summary(random, arms, classifiers, folds, fits)
    if gans:
        summary |= fake_extras(random, arms, classifiers)
        summary["fits"] += [fake_failed_fit()]
        fake_curve_cells(results, classifiers[0]).to_csv(out / "curve_cells.csv", index=False)
        fake_embedding(random).to_csv(out / "embedding.csv", index=False)
    (out / "summary.json").write_text(json.dumps(summary))
    return out


def fake_results(random: np.random.Generator, cells: list[tuple[str, str, int]]) -> pd.DataFrame:
    rows = [
        {"arm": arm, "classifier": classifier, "fold": f"fold{fold + 1}", "seed": 0}
        | {"factor": 3 if "gan" in arm else 1, "n_real": 120, "n_synthetic": 240 if "gan" in arm else 0}
        | dict.fromkeys(METRICS, random.uniform(0.7, 0.9))
        | {"seconds": 12.5}
        for arm, classifier, fold in cells
    ]
    return pd.DataFrame(rows)


def fake_predictions(random: np.random.Generator, cells: list[tuple[str, str, int]], images: int = 24) -> pd.DataFrame:
    tables = []
    for arm, classifier, fold in cells:
        labels = random.choice(CLASSES, images)
        shares = random.dirichlet(np.ones(len(CLASSES)), images) + 0.7 * (labels[:, None] == np.array(CLASSES))
        shares /= shares.sum(axis=1, keepdims=True)
        table = pd.DataFrame(
            {"arm": arm, "classifier": classifier, "fold": f"fold{fold + 1}", "seed": 0}, range(images)
        )
        table["path"] = [f"fold{fold}/{image}.png" for image in range(images)]
        table["patient"] = [f"p{image // 2}" for image in range(images)]
        table["label"], table["predicted"] = labels, np.array(CLASSES)[shares.argmax(axis=1)]
        tables.append(table.assign(**{f"p_{name}": shares[:, place] for place, name in enumerate(CLASSES)}))
    return pd.concat(tables)


def fake_summary(
    random: np.random.Generator, arms: tuple[str, ...], classifiers: tuple[str, ...], folds: int, fits: list[dict]
) -> dict:
    means, comparisons = [], []
    for classifier, arm, metric in product(classifiers, arms, METRICS):
        mean, half = random.uniform(0.72, 0.9), random.uniform(0.02, 0.06)
        row = {"arm": arm, "classifier": classifier, "metric": metric}
        means.append(row | {"mean": mean, "low": mean - half, "high": mean + half})
        if arm != "classic":
            gain = random.normal(0.02, 0.03)
            row |= {"difference": gain, "low": gain - half, "high": gain + half, "p": random.uniform(0, 0.2)}
            comparisons.append(row | {"verdict": "not shown to differ", "detectable": 1.4 * half})
    fold = {"train_images": 120, "test_images": 62, "train_patients": 50, "test_patients": 26}
    return {
        "verdict": "Synthetic lesions <b>were not shown</b> to help: +2.1 points (-1.2 to +5.3) over classic.",
        "metric": "sensitivity",
        "arms": means,
        "comparisons": comparisons,
        "data": {
            "source": "lesions/liver",
            "images": 182,
            "patients": 76,
            "classes": {name: {"images": 60, "patients": 25} for name in CLASSES},
            "folds": [{"fold": f"fold{number + 1}", **fold} for number in range(folds)],
            "warnings": ["Class 'cyst' has 9 patients; intervals will be wide."],
        },
        "fits": fits,
        "classes": [],
        "by_patient": [],
        "mcnemar": [],
        "curves": {"synthetic": [], "real": []},
        "choices": [],
        "failed": [],
        "recipe": {
            "name": "liver",
            "classes": CLASSES,
            "training": {"total_kimg": 200, "seed": None, "amp": True},
            "benchmark": {"arms": list(arms), "classifiers": list(classifiers)},
        },
        "versions": {"augmentor": "0.1.0", "torch": "2.13.0"},
        "machine": {"cores": 2, "device": "cpu", "load": 0.1, "platform": "Linux-6.18.44-x86_64-with-glibc2.36"},
        "command": "augmentor benchmark --data lesions/liver --arms real,classic,classic+dcgan",
        "seconds": 4521.0,
        "cell_seconds": 7300.0,
    }


def fake_extras(random: np.random.Generator, arms: tuple[str, ...], classifiers: tuple[str, ...]) -> dict:
    """Classes, second opinions, curves, choices and a failure."""
    by_class, by_patient, tests = [], [], []
    for arm, classifier in product(arms, classifiers):
        names = {"arm": arm, "classifier": classifier}
        for label, metric in product(CLASSES, ("sensitivity", "specificity")):
            mean = random.uniform(0.6, 0.9)
            row = {"class": label, "metric": metric, "mean": mean, "low": mean - 0.1, "high": mean + 0.1}
            by_class.append(names | row)
        if arm != "classic":
            interval = {"difference": 0.024, "low": -0.011, "high": 0.063}
            by_patient += [names | {"metric": metric} | interval for metric in ("sensitivity", "auc")]
            tests.append(names | {"only_arm_right": 21, "only_baseline_right": 14, "p": 0.31})
    spec = {"arm": "classic+gan", "classifier": classifiers[0], "fold": "fold1", "seed": 0, "factor": 11.0}
    return {
        "classes": by_class,
        "by_patient": by_patient,
        "mcnemar": tests,
        "curves": {
            "synthetic": [{"synthetic": times, **fake_gain(random)} for times in SYNTHETIC_CURVE],
            "real": [{"real": count, **fake_gain(random)} for count in REAL_CURVE],
        },
        "choices": [
            {"classifier": classifiers[0], "plan": "factor 3, pretrain, screen light", "cells": 1},
            {"classifier": classifiers[0], "plan": "none", "cells": 1},
        ],
        "failed": [spec | {"per_class": 10, "error": "RuntimeError: <out of memory>\n  File fold.py, line 3"}],
    }


def fake_gain(random: np.random.Generator) -> dict:
    gain = random.normal(0.02, 0.03)
    levels = {"arm_mean": 0.8 + gain, "baseline_mean": 0.8}
    return levels | {"difference": gain, "low": gain - 0.05, "high": gain + 0.05, "p": 0.2}


def fake_curve_cells(results: pd.DataFrame, classifier: str) -> pd.DataFrame:
    """All cells of the benchmark, then those of its curves; the GAN fell short of the most synthetic lesions."""
    cells = {"arm": "classic+gan", "classifier": classifier, "fold": "fold1", "seed": 0}
    rows = [
        cells | {"factor": 1 + times, "n_real": 120, "n_synthetic": min(round(120 * times), 1000)}
        for times in SYNTHETIC_CURVE
    ]
    for count, arm in product(REAL_CURVE[:-1], ("classic", "classic+gan")):
        rows.append(cells | {"arm": arm, "factor": 3.0, "per_class": count, "n_real": 3 * count, "n_synthetic": 90})
    return pd.concat([results, pd.DataFrame(rows)])


def fake_embedding(random: np.random.Generator, each: int = 40) -> pd.DataFrame:
    """A cloud a class, in which every origin lies alike."""
    tables = []
    for place, (label, origin) in enumerate(product(CLASSES, ("train", "test", "synthetic"))):
        x, y = random.normal(0, 1, (2, each))
        tables.append(pd.DataFrame({"x": x + 3 * (place // 3), "y": y, "label": label, "origin": origin}))
    return pd.concat(tables).round(3)


def fake_fit(out: Path, random: np.random.Generator, fold: str, seed: int) -> dict:
    run = out / "gans" / f"{fold}-seed{seed}"
    write_run(run, random)
    return {
        "fold": fold,
        "seed": seed,
        "per_class": None,
        "model": "cgan",
        "run": f"gans/{run.name}",
        "kimg": 200.0,
        "seconds": 640.0,
        "discrimination": 0.71,
    }


def fake_failed_fit() -> dict:
    names = {"fold": "fold1", "seed": 0, "per_class": 10, "model": "cgan", "run": "gans/fold1-seed0-n10"}
    return names | {"error": "RuntimeError: <out of memory>\n  File fit.py, line 3"}


def write_run(run: Path, random: np.random.Generator, steps: int = 300, size: int = 16) -> Path:
    """A folder as `augmentor fit` leaves it: metrics with a null among them, two sample grids, lesions, a recipe."""
    lines = []
    for step in range(1, steps + 1):
        at = {"step": step, "kimg": 200 * step / steps, "seconds": 2.0 * step}
        losses = {"loss_d": 1 + random.normal(0, 0.15), "loss_g": 1.2 + step / steps + random.normal(0, 0.2)}
        lines.append({"kind": "step", **at, "images_per_second": 98.0, **losses})
        if step % (steps // 10) == 0:
            held_out = None if step == steps // 10 else 0.6 + 0.1 * random.random()
            lines.append({"kind": "snapshot", **at, "discrimination_train": 0.65 + 0.3 * step / steps})
            lines[-1] |= {"discrimination_held_out": held_out, "mmd": 0.02, "coverage": None}
    (run / "samples").mkdir(parents=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    make_recipe({"training": {"kimg": 200.0, "seed": 4}}, "test").save(run / "recipe.toml")
    for step in (steps // 2, steps):
        grid = random.integers(0, 256, (len(CLASSES) * size, 12 * size + 4), dtype=np.uint8)
        Image.fromarray(grid).save(run / "samples" / f"{step:06d}.png")
    _write_lesions(run, random, size)
    _finish_run(run, f"{steps // 2:06d}", size)
    return run


def _write_lesions(run: Path, random: np.random.Generator, size: int) -> None:
    """Four lesions a class, of four patients; those of the last one are held out."""
    paths = {name: [run / "data" / name / f"p{patient}.png" for patient in range(4)] for name in CLASSES}
    for path in (path for some in paths.values() for path in some):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (size, size), dtype=np.uint8)).save(path)
    columns = {
        "path": [str(path) for some in paths.values() for path in some],
        "label": [name for name in CLASSES for _ in range(4)],
        "patient": [f"{name}-p{patient}" for name in CLASSES for patient in range(4)],
    }
    make_lesions(columns, run / "data").save(run / "lesions.csv")
    train, held_out = ([str(p) for some in paths.values() for p in some[side]] for side in (slice(3), slice(3, 4)))
    splits = {"source": "lesions/liver", "train": train, "held_out": held_out}
    (run / "splits.json").write_text(json.dumps(splits))


def _finish_run(run: Path, chosen: str, size: int) -> None:
    (run / "checkpoints").mkdir()
    card = {"model": {"size": size}, "intensity": {"low": 0.0, "high": 255.0, "dtype": "uint8"}}
    (run / "checkpoints" / f"{chosen}.json").write_text(json.dumps(card))
    summary = {"chosen": f"{chosen}.safetensors", "chosen_because": "lowest held-out mmd", "source": "lesions/liver"}
    summary |= {"steps": 300, "kimg": 200.0, "seconds": 640.0, "discrimination_held_out": 0.64, "mmd": 0.02}
    (run / "run.json").write_text(json.dumps(summary | {"floor": {"mmd": 0.01}}))


def write_evaluation(run: Path, random: np.random.Generator) -> Path:
    """evaluation.json with two spaces, numbers about the whole, an alarm, and pairs with their pictures beside it."""
    (run / "evaluation").mkdir()
    training = json.loads((run / "splits.json").read_text())["train"]
    copies = []
    for place, nearest in enumerate(np.resize(training, 12)):
        copies.append({"path": f"near_copy_{place}.png", "nearest": str(nearest), "ratio": 0.3 + place / 20})
    pairs = random.integers(0, 256, (2 * 16, 10 * 16), dtype=np.uint8)
    Image.fromarray(pairs).save(run / "evaluation" / "pairs.png")
    scores = {side: fake_scores(random) for side in SIDES}
    whole = {"tstr": {"value": 0.7, "low": 0.61, "high": 0.78}, "near_copies": 0.031}
    alarm = {"alarm": True, "alarm_sentence": "Membership can be told: <AUC> 0.71."}
    masks = {"synthetic": 0.687, "real": 0.724, "swapped": 0.311}
    (run / "evaluation.json").write_text(json.dumps(scores | whole | alarm | {"copies": copies, "masks": masks}))
    return run


def write_judged(folder: Path, random: np.random.Generator) -> Path:
    """What `augmentor evaluate --synthetic --real` leaves: an evaluation without a run."""
    write_evaluation(write_run(folder, random, steps=10), random)
    for name in ("metrics.jsonl", "run.json", "recipe.toml", "lesions.csv", "splits.json"):
        (folder / name).unlink()
    return folder


def fake_scores(random: np.random.Generator) -> dict:
    names = [*CLASSES, "mean"]
    return {
        space: {name: {"kid": random.random(), "coverage": random.random()} for name in names}
        for space in ("texture", "pretrained")
    }


def write_enlarged(folder: Path) -> Path:
    """What of an enlarged set a report reads."""
    folder.mkdir(parents=True)
    screen = {
        "level": "light",
        "limits": {"copy_distance_at_least": 0.38},
        "drawn": {"cyst": 50, "scar": 41},
        "kept": {"cyst": 40, "scar": 40},
        "refused": {"cyst": {"copy": 7, "realism": 3}, "scar": {"realism": 1}},
    }
    (folder / "manifest.csv").write_text("path,label\n")
    (folder / "dataset_description.json").write_text(json.dumps({"Screen": screen}))
    return folder


def write_reading(folder: Path) -> Path:
    """A reading of forty lesions: anna is right in 28, ben in all, and both take every synthetic lesion for a cyst."""
    key = plain_key(20, folder=folder)
    for reader, right in {"anna": 28, "ben": 40}.items():
        answers = true_answers(key, reader)
        wrong = answers["kind"].map({"real": "synthetic", "synthetic": "real"})
        answers["kind"] = answers["kind"].where(answers.index < right, wrong)
        answers["label"] = answers["label"].where(answers["kind"] == "real", "cyst")
        save(folder, reader, answers)
    score_reading(folder)
    return folder
