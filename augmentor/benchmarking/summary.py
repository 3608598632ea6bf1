"""From cells to what is said: intervals, comparisons, curves, the inner choices, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from augmentor.benchmarking.arms import ARMS, BASELINE, CURVE_ARM
from augmentor.benchmarking.cells import Cell
from augmentor.benchmarking.comparison import Comparison, compare, mcnemar, paired_scores
from augmentor.benchmarking.design import Design
from augmentor.benchmarking.scores import METRICS
from augmentor.benchmarking.statistics import class_intervals, differences, intervals
from augmentor.benchmarking.verdict import VERDICT_METRIC, sentence
from augmentor.data.lesions import Lesions
from augmentor.data.splits import independent_patients
from augmentor.recipe import BenchmarkSection, Recipe


def summarise(
    design: Design,
    main: Sequence[Cell],
    curves: Sequence[Cell],
    predictions: pd.DataFrame,
    lesions: Lesions,
    recipe: Recipe,
) -> dict[str, Any]:
    """What summary.json holds of the results. Cells that failed are named and left out of every figure.

    predictions: the rows of predictions.csv, of the main cells that did not fail. lesions: those of the benchmark.
    """
    asked = recipe.benchmark
    patient = dict(zip(lesions.paths, independent_patients(lesions), strict=True))
    predictions = predictions.assign(patient=predictions["path"].map(patient))
    scored = [c for c in main if not c.error]
    table = _table(scored, design)
    arms, classes = _intervals(predictions, scored[0].classes)
    comparisons = _compare_all(table, design, asked)
    judged = [c for c in comparisons if c.metric == VERDICT_METRIC and ARMS[c.arm].gan]  # type: ignore[index]
    return {
        "verdict": sentence(judged, len(design.folds[0]), len(design.folds), len(set(design.test_sets.values()))),
        "metric": VERDICT_METRIC,
        "arms": _with_failures(arms, main),
        "classes": classes,
        "comparisons": [asdict(c) for c in comparisons],
        "by_patient": _by_patient(predictions, scored[0].classes),
        "mcnemar": _mcnemar(predictions),
        "curves": _curves([*scored, *(c for c in curves if not c.error)], design, asked),
        "choices": _choices(scored),
        "failed": [asdict(c.spec) | {"error": c.error} for c in [*main, *curves] if c.error],
    }


def _table(cells: Sequence[Cell], design: Design) -> pd.DataFrame:
    """A row a cell; cells of one `test_set` were tested on the same lesions."""
    return pd.DataFrame([c.row | {"test_set": design.test_sets[c.spec.fold, c.spec.seed]} for c in cells])


def _intervals(predictions: pd.DataFrame, classes: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    arms, by_class = [], []
    for (arm, classifier), rows in predictions.groupby(["arm", "classifier"], sort=False):
        names = {"arm": arm, "classifier": classifier}
        for metric, (mean, low, high) in intervals(rows, classes).items():
            arms.append(names | {"metric": metric, "mean": mean, "low": low, "high": high})
        by_class += [names | found for found in class_intervals(rows, classes)]
    return arms, by_class


def _with_failures(arms: list[dict[str, Any]], main: Sequence[Cell]) -> list[dict[str, Any]]:
    """`failed`: how many cells an arm lacks; its figures are of fewer lesions than those of the others."""
    failed = Counter((c.spec.arm, c.spec.classifier) for c in main if c.error)
    return [row | ({"failed": n} if (n := failed[row["arm"], row["classifier"]]) else {}) for row in arms]


def _test_share(design: Design) -> float:
    return float(np.mean([len(f.test) / len(f.train) for cuts in design.folds.values() for f in cuts]))


def _compare_all(table: pd.DataFrame, design: Design, asked: BenchmarkSection) -> list[Comparison]:
    """Every arm against the baseline; for each metric, all GAN arms and classifiers are one family (Holm)."""
    made: list[Comparison] = []
    if BASELINE not in asked.arms:
        return made
    share = _test_share(design)
    for metric in METRICS:
        for synthetic in (True, False):
            arms = [a for a in asked.arms if a != BASELINE and bool(ARMS[a].gan) == synthetic]
            made += compare(table, arms, asked.classifiers, metric, share)
    return made


def _by_patient(predictions: pd.DataFrame, classes: list[str]) -> list[dict[str, Any]]:
    """A row an arm, classifier and metric: the difference to the baseline on pooled predictions, and its interval."""
    made = []
    for names, arm, baseline in _against_baseline(predictions):
        for metric, (difference, low, high) in differences(arm, baseline, classes).items():
            made.append(names | {"metric": metric, "difference": difference, "low": low, "high": high})
    return made


def _mcnemar(predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """McNemar's exact test of every arm against the baseline."""
    return [names | asdict(mcnemar(arm, baseline)) for names, arm, baseline in _against_baseline(predictions)]


def _against_baseline(predictions: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame, pd.DataFrame]]:
    """Names, rows of the arm and rows of the baseline, of every other arm and classifier whose baseline is there."""
    groups = {(str(a), str(c)): rows for (a, c), rows in predictions.groupby(["arm", "classifier"], sort=False)}
    for (arm, classifier), rows in groups.items():
        if arm != BASELINE and (BASELINE, classifier) in groups:
            yield {"arm": arm, "classifier": classifier}, rows, groups[BASELINE, classifier]


def _curves(cells: list[Cell], design: Design, asked: BenchmarkSection) -> dict[str, list[dict[str, Any]]]:
    """Gain of the curve's arm over the baseline, at each size, in the verdict's metric, with 95 % intervals."""
    chosen = [c for c in cells if c.spec.classifier == asked.classifiers[0]]
    if not chosen:
        return {"synthetic": [], "real": []}
    table = _table(chosen, design).assign(tested=[len(c.test) for c in chosen])
    table = table.astype({"per_class": object}).where(table.notna(), None)
    whole = table[table["per_class"].isna()]
    base = whole[whole["arm"] == BASELINE]
    synthetic = []
    for times in asked.synthetic_curve:
        arm = whole[(whole["arm"] == CURVE_ARM) & (whole["factor"] == 1 + times)]
        synthetic += _point({"synthetic": times}, arm, base)
    real = []
    for count, rows in [*table.groupby("per_class"), (None, whole)] if asked.real_curve else []:
        arm = rows[(rows["arm"] == CURVE_ARM) & (rows["factor"] == asked.factor)]
        real += _point({"real": count}, arm, rows[rows["arm"] == BASELINE])
    return {"synthetic": synthetic, "real": real}


def _point(at: dict[str, Any], arm: pd.DataFrame, base: pd.DataFrame) -> list[dict[str, Any]]:
    if arm.empty or base.empty:
        return []
    both = pd.concat([arm, base])
    classifier = str(arm["classifier"].iloc[0])
    scores = paired_scores(both, CURVE_ARM, BASELINE, classifier, VERDICT_METRIC)
    if not len(scores[0]):
        return []
    share = float((base["tested"] / base["n_real"]).mean())  # of the lesions that this point really trains on
    (found,) = compare(both, [CURVE_ARM], [classifier], VERDICT_METRIC, share)
    levels = {"arm_mean": float(scores[0].mean()), "baseline_mean": float(scores[1].mean())}
    return [at | levels | {k: v for k, v in asdict(found).items() if k in ("difference", "low", "high", "p")}]


def _choices(cells: list[Cell]) -> list[dict[str, Any]]:
    """What `auto` chose, and how often, a classifier."""
    counts: dict[str, Counter[str]] = {}
    for cell in cells:
        if cell.chosen:
            factor, use, screen = cell.chosen["factor"], cell.chosen["use"], cell.chosen["screen"]
            plan = f"factor {factor:g}, {use}, screen {screen}" if factor > 1 else "none"
            counts.setdefault(cell.spec.classifier, Counter())[plan] += 1
    return [{"classifier": c, "plan": p, "cells": n} for c, plans in counts.items() for p, n in plans.most_common()]
