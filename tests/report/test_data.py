"""The section of the data: what each arm was trained on."""

from __future__ import annotations

import pandas as pd

from augmentor.report.sections.data import sets_table


def test_the_factor_of_auto_is_the_one_it_chose_and_no_other():
    cells = [
        {"arm": arm, "factor": 3.0, "n_real": 100, "n_synthetic": n} for arm, n in (("auto", 0), ("gan-only", 200))
    ]
    auto, other = sets_table(pd.DataFrame(cells)).groups[""]
    assert (auto[1], other[1]) == ("chosen", "3")
