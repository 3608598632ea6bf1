"""Libraries that only some files need: each comes with an extra of the installation."""

from importlib import import_module
from types import ModuleType

from augmentor.errors import DataError


def need(module: str, extra: str, why: str) -> ModuleType:
    """The module. Raises DataError that says why it is needed and which extra brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(f"{why}, which is not installed: {install(extra)}.") from error


def install(extra: str) -> str:
    return f'pip install "lesion-augmentor[{extra}]"'
