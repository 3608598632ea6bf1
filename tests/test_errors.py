import pytest

from augmentor.errors import first_of, listed


@pytest.mark.parametrize("count", range(9))
def test_five_names_are_listed_and_it_shows_where_there_are_more(count):
    names = [f"n{i}" for i in range(count)]
    told = listed(names)
    assert told.removesuffix(", ...").split(", ") == (names[:5] or [""])
    assert told.endswith(", ...") == (count > 5)


@pytest.mark.parametrize("count", range(9))
def test_five_problems_are_told_and_how_many_more_there_are(count):
    problems = [f"p{i}" for i in range(count)]
    assert first_of(problems, "files") == problems[:5] + [f"... and {count - 5} more such files."] * (count > 5)
