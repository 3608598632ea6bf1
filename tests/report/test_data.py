"""The section of the data: what each arm was trained on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from augmentor.report.sections.data import sets_table, sides_table
from augmentor.training.run import Run
from tests.report.fake import write_run


def test_the_factor_of_auto_is_the_one_it_chose_and_no_other():
    cells = [
        {"arm": arm, "factor": 3.0, "n_real": 100, "n_synthetic": n} for arm, n in (("auto", 0), ("gan-only", 200))
    ]
    auto, other = sets_table(pd.DataFrame(cells)).groups[""]
    assert (auto[1], other[1]) == ("chosen", "3")


def test_no_two_sides_are_spoken_of_where_nobody_was_held_out(tmp_path):
    folder = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)
    assert sides_table(Run(folder)).caption == "No patient is on both sides"
    splits = json.loads((folder / "splits.json").read_text())
    everyone = {"train": splits["train"] + splits["held_out"], "held_out": []}
    (folder / "splits.json").write_text(json.dumps(splits | everyone))
    assert sides_table(Run(folder)).caption == "No patient was held out"
