"""What the public functions are given, converted and checked by their annotations: a path may be a string, a recipe a
dictionary of sections."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pydantic import ConfigDict, ValidationError, validate_call

from augmentor.errors import UsageError

_P = ParamSpec("_P")
_T = TypeVar("_T")
_HINTS = {
    "lesions": "Give what read_lesions gives",
    "recipe": "Give a Recipe, as load_recipe gives, or a dictionary of its sections",
    "run": "Give what fit gives, or the folder of a run",
    "scans": "Give the first of the two things that read_scans gives",
}
_IN_SECTIONS = ("recipe", "section")


def checked(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, with its arguments made what its annotations say; UsageError tells all that fit none of them."""
    made = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(function)
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        given = signature.bind(*args, **kwargs).arguments  # a missing or an unknown name is Python's own TypeError
        try:
            return made(**given)  # type: ignore[call-arg]
        except ValidationError as error:
            if error.title != function.__name__:  # from within the function
                raise
            told = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}  # one of each alternatives
            lines = [_tell(function.__name__, name, told[name]) for name in given if name in told]
            raise UsageError("\n".join(lines)) from error

    return call


def _tell(function: str, name: str, problem: Any) -> str:
    place = ".".join(map(str, problem["loc"])) if name in _IN_SECTIONS else name
    wrong = problem["msg"].removeprefix("Value error, ").replace("a dictionary or an instance", "an instance")
    value = problem["input"]
    given = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    return f"{function}: {place}: {wrong} (given: {given}). {_HINTS.get(name, f'See help(augmentor.{function})')}."
