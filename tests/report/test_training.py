"""The table of the GANs."""

from __future__ import annotations

import json

import numpy as np

from augmentor.report.sections.training import fits_table, training
from augmentor.report.sources import find_sources
from tests.report.fake import write_run
from tests.report.page import only_row


def test_a_gan_that_failed_is_named_beside_the_others():
    fit = {"run": "gans/a", "fold": "a", "seed": 0, "per_class": 20, "error": "ValueError: no\n  frame"}
    told = only_row(fits_table([fit], ""))
    assert told == ["gans/a", "a", "0", "20", "not measured", "not measured", "failed: ValueError: no"]


def test_without_gans_there_is_no_table_of_them():
    assert fits_table([], "") is None


def test_a_caption_speaks_of_held_out_lesions_only_where_their_curve_is_drawn(tmp_path):
    run = write_run(tmp_path / "run", np.random.default_rng(0), steps=10)

    def caption() -> str:
        return training(find_sources([run]), tmp_path).blocks[0].pictures[0].caption

    assert "far above that of held-out lesions" in caption()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    without = [json.dumps({k: v for k, v in line.items() if k != "discrimination_held_out"}) for line in lines]
    (run / "metrics.jsonl").write_text("\n".join(without))
    assert "held-out" not in caption()
    assert "near-copies" in caption()
