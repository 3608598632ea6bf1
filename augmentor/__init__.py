"""augmentor: would synthetic lesions help this classifier, and can I have them?

The four verbs are `fit`, `expand`, `evaluate` and `benchmark`; `read_lesions` and `load_recipe` give what they take.
`extract` cuts lesions out of the scans that `read_scans` finds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from augmentor.version import VERSION

if TYPE_CHECKING:
    from augmentor.benchmarking.benchmark import benchmark
    from augmentor.data.readers import read_lesions
    from augmentor.evaluation.evaluate import evaluate
    from augmentor.expansion.expand import expand
    from augmentor.extraction.extract import extract
    from augmentor.extraction.sources import read_scans
    from augmentor.recipe import Recipe, load_recipe
    from augmentor.training.fit import fit

__version__ = VERSION
__all__ = ["Recipe", "benchmark", "evaluate", "expand", "extract", "fit", "load_recipe", "read_lesions", "read_scans"]

_HOMES = {
    "benchmark": "augmentor.benchmarking.benchmark",
    "evaluate": "augmentor.evaluation.evaluate",
    "expand": "augmentor.expansion.expand",
    "extract": "augmentor.extraction.extract",
    "fit": "augmentor.training.fit",
    "load_recipe": "augmentor.recipe",
    "Recipe": "augmentor.recipe",
    "read_lesions": "augmentor.data.readers",
    "read_scans": "augmentor.extraction.sources",
}


def __dir__() -> list[str]:
    """The verbs too, before their first use: what a notebook completes."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used: torch takes seconds, and `augmentor --help` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'augmentor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
