"""Libraries that only some files need: each comes with an extra of the installation."""

from importlib import import_module
from types import ModuleType

from augmentor.errors import DataError


def need(module: str, extra: str, why: str, otherwise: str = "") -> ModuleType:
    """The module. Raises DataError that says why it is needed, which extra brings it, and what does without it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(f"{why}, which is not installed: {install(extra)}{otherwise}.") from error


def install(extra: str) -> str:
    """What brings it: the package is on no index, so it is installed from its folder."""
    return f'pip install -c constraints.txt ".[{extra}]" in the folder of the project'
