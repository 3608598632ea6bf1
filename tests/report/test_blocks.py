"""The pieces of a page."""

from __future__ import annotations

from augmentor.report.blocks import Part, Text, named


def test_what_is_told_of_a_source_is_a_part_where_it_has_a_name_and_something_is_told():
    told = [Text("a"), Text("b")]
    assert named("run", told) == [Part("run", told)]
    assert named("", told) == told
    assert named("run", []) == named("", []) == []
