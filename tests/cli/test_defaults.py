"""A command that is told nothing does what a recipe does that says nothing, and its help says what that is."""

import inspect
import re

import pytest

from augmentor import cli, evaluate
from augmentor.recipe import Recipe

SECTIONS = {  # of the recipe, whose settings a command has as options; the first that knows a name counts
    "extract": ("extract",),
    "check": ("data", "extract"),
    "fit": ("model", "training", "data", "extract"),
    "expand": ("expand",),
    "evaluate": ("extract",),
    "benchmark": ("benchmark", "model", "training", "data", "extract"),
    "calibrate": ("benchmark", "model"),
    "screens": ("benchmark", "model", "training", "data", "extract"),
    "bench": ("model", "training"),
    "demo": ("training", "phantom"),
    "make": ("expand",),
}
NAMES = {"model": "name", "image_format": "format"}  # those that are not called as their setting
ON_PURPOSE = {  # other defaults, for studies of many benchmarks
    "calibrate": {"folds": 3, "seeds": 2, "classifiers": "logistic,svm", "size": 32},
    "screens": {"seeds": 3, "classifiers": "logistic,svm"},
}


def default_settings():
    """By section and name; a fit's length is what it is where nothing is said."""
    recipe = Recipe()
    found = {name: dict(getattr(recipe, name)) for names in SECTIONS.values() for name in names}
    minutes = {"minutes": recipe.training.length[0]}
    changed = {"training": minutes, "benchmark": minutes, "extract": {"size": recipe.cutting.size}}
    return {name: section | changed.get(name, {}) for name, section in found.items()}


def shared_options():
    """Each option that stands for a setting: command, name, default, typer's OptionInfo, and the setting's default."""
    settings, commands = default_settings(), [*cli.COMMANDS, *(c.callback for c in cli.read.registered_commands)]
    for command in commands:
        known = [settings[section] for section in SECTIONS.get(command.__name__, ())]
        for name, option in inspect.signature(command, eval_str=True).parameters.items():
            setting = NAMES.get(name, name)
            if section := next((section for section in known if setting in section), None):
                yield command.__name__, name, option.default, option.annotation.__metadata__[0], section[setting]


@pytest.mark.parametrize(("command", "name", "default", "option", "setting"), list(shared_options()))
def test_an_option_has_the_default_of_its_setting(command, name, default, option, setting):
    if name in ON_PURPOSE.get(command, {}):
        assert default == ON_PURPOSE[command][name]
    elif default is not None:
        assert default == (",".join(setting) if isinstance(setting, tuple) else setting)
    elif isinstance(setting, int | float | str) and setting is not False:
        told = re.search(r"Default: `?(\w+)|`(\w+)` \(default", option.help)
        assert (told[1] or told[2]) == (setting if isinstance(setting, str) else f"{setting:g}")


def test_the_settings_that_options_stand_for_are_found():
    found = {(command, name) for command, name, *_ in shared_options()}
    assert len(found) > 70
    assert {("fit", "model"), ("expand", "image_format"), ("extract", "margin"), ("make", "screen")} <= found
    assert all((command, name) in found for command, names in ON_PURPOSE.items() for name in names)


def test_evaluate_takes_as_many_lesions_as_from_python():
    option = inspect.signature(cli.evaluate, eval_str=True).parameters["per_class"].annotation.__metadata__[0]
    in_python = inspect.signature(evaluate, eval_str=True).parameters["per_class"]
    (field,) = in_python.annotation.__metadata__
    assert [option.min] == [bound.ge for bound in field.metadata]
    assert f"Default: {in_python.default}." in option.help
