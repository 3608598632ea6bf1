"""augmentor: would synthetic lesions help this classifier, and can I have them?

The four verbs are `fit`, `expand`, `evaluate` and `benchmark`; `read_lesions` and `load_recipe` give what they take.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from augmentor.version import VERSION

if TYPE_CHECKING:
    from augmentor.benchmarking.benchmark import benchmark
    from augmentor.data.readers import read_lesions
    from augmentor.evaluation.evaluate import evaluate
    from augmentor.expansion.expand import expand
    from augmentor.recipe import Recipe, load_recipe
    from augmentor.training.fit import fit

__version__ = VERSION
__all__ = ["Recipe", "benchmark", "evaluate", "expand", "fit", "load_recipe", "read_lesions"]

_HOMES = {
    "benchmark": "augmentor.benchmarking.benchmark",
    "evaluate": "augmentor.evaluation.evaluate",
    "expand": "augmentor.expansion.expand",
    "fit": "augmentor.training.fit",
    "load_recipe": "augmentor.recipe",
    "Recipe": "augmentor.recipe",
    "read_lesions": "augmentor.data.readers",
}


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used: torch takes seconds, and `augmentor --help` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'augmentor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
