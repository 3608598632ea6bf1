"""The legend of the arms."""

from __future__ import annotations

from typing import get_args

from augmentor.recipe import ArmName
from augmentor.report import legend


def test_every_arm_of_a_recipe_is_explained_in_one_line():
    assert set(legend.ARMS) == set(get_args(ArmName))
    assert all(text.endswith(".") and len(text) < 110 for text in legend.ARMS.values())


def test_arms_keep_their_order_and_an_unknown_one_is_left_out():
    assert list(legend.explained(["auto", "real", "auto", "of another version"])) == ["auto", "real"]
