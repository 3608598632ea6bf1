"""The section of a blind reading."""

from __future__ import annotations

import json

from augmentor.report.blocks import Text
from augmentor.report.sections.reading import reading
from augmentor.report.sources import find_sources
from tests.report.fake import write_reading


def test_it_says_of_which_lesions_it_is(tmp_path):
    folder = write_reading(tmp_path / "reading")

    def told() -> str:
        blocks = reading(find_sources([folder]), tmp_path).blocks
        return " ".join(block.text for block in blocks if isinstance(block, Text))

    score = json.loads((folder / "score.json").read_text())
    made = {"run": "/home/anna/runs/third", "checkpoint": "0123456789ab", "seed": 7, "screen": "strict"}
    (folder / "score.json").write_text(json.dumps(score | {"made": made}))
    assert "Synthetic lesions of run third, checkpoint 0123456789ab, seed 7, screen strict." in told()
    assert "/home" not in told()
    (folder / "score.json").write_text(json.dumps({k: v for k, v in score.items() if k != "made"}))
    assert "checkpoint" not in told()
