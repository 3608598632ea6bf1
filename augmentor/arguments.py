"""What the public functions are given, converted and checked by their annotations: a path may be a string, a recipe a
dictionary of sections."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pydantic import ConfigDict, ValidationError, validate_call

from augmentor.errors import UsageError

_P = ParamSpec("_P")
_T = TypeVar("_T")
_HINTS = {
    "rounds": "Give a whole number, 1 or more",
    "workers": "Give a whole number, 1 or more; None is one a core",
    "lesions": "Give what read_lesions gives",
    "recipe": "Give a Recipe, as load_recipe gives, or a dictionary of its sections",
    "run": "Give what fit gives, or the folder of a run",
    "scans": "Give the first of the two things that read_scans gives",
}
_IN_SECTIONS = ("recipe", "section")
_CASTING = ("cpu", "cuda", "mps")  # devices whose operations a caller may have autocast


def checked(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, with its arguments made what its annotations say; UsageError tells all that fit none of them.

    A path may begin with ~, the user's home. Whatever the caller's torch does by default, the function computes in
    float32 without autocast, on the device that it asks for, with gradients where it asks for them, and leaves torch's
    random state as it was.
    """
    signature = inspect.signature(function)

    @validate_call(config=ConfigDict(arbitrary_types_allowed=True))
    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> _T:
        at_home = {k: expand_home(v) if isinstance(v, Path) else v for k, v in kwargs.items()}
        with _usual_torch():
            return function(*args, **at_home)  # type: ignore[arg-type]

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        given = signature.bind(*args, **kwargs).arguments  # a missing or an unknown name is Python's own TypeError
        try:
            return made(**given)
        except ValidationError as error:
            if error.title != function.__name__:  # from within the function
                raise
            told = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}  # one of each alternatives
            lines = [_tell(function.__name__, name, told[name]) for name in given if name in told]
            raise UsageError("\n".join(lines)) from error

    return call


def expand_home(path: Path) -> Path:
    """The path with the user's home for a ~ that it begins with. Raises UsageError where the user has none."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: {error} Write the whole path, or ./{path} for a folder of that name.") from error


@contextmanager
def _usual_torch() -> Iterator[None]:
    """torch as it is when a process starts, but for its random state, which is the caller's before and after."""
    torch = sys.modules.get("torch")
    if torch is None:  # not imported here, since it takes seconds: who computes with it has imported it
        yield
        return
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with ExitStack() as held:
            if torch.get_default_device().type != "cpu":  # where it is, this would cost time at every operation
                held.enter_context(torch.device("cpu"))
            for kind in filter(torch.is_autocast_enabled, _CASTING):
                held.enter_context(torch.autocast(kind, enabled=False))
            for mode in (torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng([])):
                held.enter_context(mode)
            yield
    finally:
        torch.set_default_dtype(default)


def _tell(function: str, name: str, problem: Any) -> str:
    place = ".".join(map(str, problem["loc"])) if name in _IN_SECTIONS else name
    wrong = problem["msg"].removeprefix("Value error, ").replace("a dictionary or an instance", "an instance")
    value = problem["input"]
    given = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    return f"{function}: {place}: {wrong} (given: {given}). {_HINTS.get(name, f'See help(augmentor.{function})')}."
