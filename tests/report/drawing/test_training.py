"""The training curves."""

from __future__ import annotations

import pandas as pd
import pytest

from augmentor.report.drawing.training import training_plot


def test_training_plot_survives_null_measurements():
    lines = [{"kind": "step", "kimg": 1.0, "loss_d": 1.0, "loss_g": 2.0}]
    lines += [{"kind": "snapshot", "kimg": at, "discrimination_train": 0.8} for at in (1.0, 2.0)]
    above, below = training_plot(pd.DataFrame(lines).assign(discrimination_held_out=None)).axes
    assert [line.get_label() for line in above.lines] == ["equilibrium", "training lesions"]
    assert above.lines[0].get_ydata() == [0.5, 0.5]
    assert [line.get_label() for line in below.lines] == ["discriminator", "generator"]


def test_near_copies_are_drawn_where_they_were_counted():
    lines = [{"kind": "snapshot", "kimg": at, "near_copies": at / 10} for at in (1.0, 2.0)]
    above, _ = training_plot(pd.DataFrame(lines)).axes
    assert list(above.lines[-1].get_ydata()) == [0.1, 0.2]
    assert above.lines[-1].get_label() == "near-copies (share)"


@pytest.mark.parametrize(("steps", "marker"), [(1, "o"), (2, "")])
def test_a_loss_of_one_step_is_a_dot_since_no_line_leads_through_it(steps, marker):
    lines = [{"kind": "step", "kimg": 1.0 + step, "loss_d": 1.0, "loss_g": 2.0} for step in range(steps)]
    _, below = training_plot(pd.DataFrame(lines)).axes
    assert [line.get_marker() for line in below.lines] == [marker] * 2
