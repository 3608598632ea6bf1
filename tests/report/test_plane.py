"""The section with lesions on a plane."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from augmentor.report.sections.plane import plane
from tests.report.fake import fake_embedding


def test_the_lesions_that_a_fit_held_out_are_called_so(tmp_path):
    fake_embedding(np.random.default_rng(0)).to_csv(tmp_path / "embedding.csv", index=False)
    source = SimpleNamespace(embedding=tmp_path / "embedding.csv", name="", figure=lambda *_: tmp_path / "plane.png")
    (picture,) = plane(SimpleNamespace(together=[source]), tmp_path).blocks
    assert "real, held out" in picture.alt
    assert "test" not in picture.alt + picture.caption
