"""Objects of a search as recipes: plain data from which equal ones are made, without pickle.

A recipe may name a class of opto, a class that the program has imported and that is an optimizer, a guide, a logger or
a module, or a function of the program's own modules that are imported already. Nothing else that a file names is looked
up, and no module is imported for it except one of opto. What is not like this is left out, with the reason.
"""

from __future__ import annotations

import inspect
import sys
import sysconfig
import types
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.llm import FromCallable
from opto.optimizers import Optimizer
from opto.optimizers.buffers import FIFOBuffer
from opto.runs import codec
from opto.trainer.guides.base import Guide
from opto.trainer.guides.functions import FunctionGuide, as_guide

__all__ = ["Unwritable", "class_named", "guide_of", "guide_recipe", "name_of", "optimizer_of", "optimizer_recipe"]

_REMADE = {"parameters", "llm", "steps", "usage", "log", "summary_log"}


class Unwritable(Exception):  # noqa: N818  # no error: it says why an object has to be given again
    """An object has no recipe; the message says why."""


# ---- names


def name_of(thing: Any) -> str:
    """`module:name` of a class or function that can be found again by it.

    Raises:
        Unwritable: it cannot.
    """
    name = f"{getattr(thing, '__module__', None)}:{getattr(thing, '__qualname__', None)}"
    module, _, path = name.partition(":")
    if _looked_up(module, path) is not thing:
        raise Unwritable(f"{name} is not found under this name: it is local to a function, or was replaced")
    return name


def class_named(name: str, role: type) -> type[Any]:
    """The class of that name, which must be imported or one of opto, and of that role.

    Raises:
        FileFormatError: there is none.
    """
    module, _, path = str(name).partition(":")
    if module.split(".")[0] == "opto" and module not in sys.modules:
        try:
            import_module(module)
        except ImportError as error:
            raise FileFormatError(f"{name} is not there: {error}") from error
    found = _looked_up(module, path)
    if not isinstance(found, type) or not issubclass(found, role):
        raise FileFormatError(
            f"{name} must be a {role.__name__} that is imported: import its module first, or give the object again."
        )
    return found


def _function_named(name: str) -> Any:
    module, _, path = str(name).partition(":")
    found = _looked_up(module, path)
    if not isinstance(found, types.FunctionType) or not _is_own(module):
        raise FileFormatError(
            f"{name} must be a function of a module of your own that is imported: import it first, or give the object "
            "again."
        )
    return found


def _function_name(function: Any) -> str:
    name = name_of(function)
    if not isinstance(function, types.FunctionType) or not _is_own(name.partition(":")[0]):
        raise Unwritable(f"{name} is no function of a module of your own")
    return name


def _looked_up(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _is_own(module: str) -> bool:
    """Whether a module belongs to the program: it is neither Python's nor installed."""
    if module.split(".", maxsplit=1)[0] in {*sys.stdlib_module_names, "builtins"} - {"__main__"}:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module == "__main__"
    places = {Path(sysconfig.get_path(each)).resolve() for each in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not places & set(Path(file).resolve().parents)


# ---- optimizers


def optimizer_recipe(optimizer: Optimizer, paths: Mapping[int, str]) -> dict[str, Any]:
    """How to make an optimizer again, without what it has learned.

    Args:
        optimizer: stays as it is.
        paths: the path in the program of each parameter, by id.

    Raises:
        Unwritable: it cannot be.
    """
    if any(id(each) not in paths for each in optimizer.parameters):
        raise Unwritable("its parameters are not all in the program")
    recipe: dict[str, Any] = {
        "class": name_of(type(optimizer)),
        "parameters": [paths[id(each)] for each in optimizer.parameters],
        "llm": _model_recipe(optimizer.llm),
        "options": {},
    }
    fresh = _made(type(optimizer), optimizer.parameters, optimizer.llm)
    for name, value in vars(optimizer).items():
        if name.startswith("_") or name in _REMADE or _alike(value, vars(fresh).get(name)):
            continue
        recipe["options"][name] = {"buffer": value.size} if isinstance(value, FIFOBuffer) else {"value": value}
        _check_written(f"its attribute {name}", recipe["options"][name])
    return recipe


def optimizer_of(recipe: Mapping[str, Any], parameters: Mapping[str, Any]) -> Optimizer:
    """The optimizer of a recipe.

    Args:
        recipe: from `optimizer_recipe`.
        parameters: those of the program, by path.

    Raises:
        FileFormatError: the recipe does not suit this program.
    """
    missing = [path for path in recipe["parameters"] if path not in parameters]
    if missing:
        raise FileFormatError(f"the program has no parameter {missing[0]!r}, which the saved search had.")
    try:
        made: Optimizer = _made(
            class_named(recipe["class"], Optimizer),
            [parameters[path] for path in recipe["parameters"]],
            _model_of(recipe["llm"]),
        )
    except Unwritable as error:
        raise FileFormatError(str(error)) from error
    for name, option in recipe["options"].items():
        setattr(made, name, FIFOBuffer(option["buffer"]) if "buffer" in option else option["value"])
    return made


def _made(kind: type[Any], parameters: Any, llm: Any) -> Any:
    accepted = inspect.signature(kind).parameters
    takes_model = "llm" in accepted or any(each.kind is each.VAR_KEYWORD for each in accepted.values())
    if llm is not None and not takes_model:
        raise Unwritable(f"{kind.__name__} takes no llm")
    try:
        return kind(parameters, llm=llm) if takes_model and llm is not None else kind(parameters)
    except TypeError as error:
        raise Unwritable(f"{kind.__name__} needs more than parameters and a model: {error}") from error


def _model_recipe(model: Any) -> Any:
    if model is None:
        return None
    if type(model) is types.FunctionType:
        return {"function": _function_name(model)}
    if isinstance(model, FromCallable):
        return {"class": name_of(type(model)), "function": _function_name(model.function)}
    raise Unwritable(f"its model {type(model).__name__} is not written to files, which could send you elsewhere")


def _model_of(recipe: Any) -> Any:
    if recipe is None:
        return None
    function = _function_named(recipe["function"])
    return class_named(recipe["class"], FromCallable)(function) if "class" in recipe else function


# ---- guides


def guide_recipe(guide: Any) -> dict[str, Any]:
    """How to make a guide again.

    Raises:
        Unwritable: it cannot be.
    """
    if isinstance(guide, FunctionGuide):
        guide = guide.function
    if not isinstance(guide, Guide):
        return {"function": _function_name(guide)}
    recipe = {"class": name_of(type(guide)), "state": dict(guide.state())}
    _check_written("its state", recipe["state"])
    try:
        again = guide_of(recipe)
    except FileFormatError as error:
        raise Unwritable(str(error)) from error
    if vars(again).keys() != vars(guide).keys() or not all(
        _alike(value, vars(again)[name]) for name, value in vars(guide).items()
    ):
        raise Unwritable("it has more than what its state() tells")
    return recipe


def guide_of(recipe: Mapping[str, Any]) -> Guide:
    """The guide of a recipe.

    Raises:
        FileFormatError: it cannot be made.
    """
    if "function" in recipe:
        return as_guide(_function_named(recipe["function"]))
    kind = class_named(recipe["class"], Guide)
    try:
        made: Guide = kind()
        made.load_state(recipe["state"])
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"a {kind.__name__} cannot be made of its state: {error}") from error
    return made


def _alike(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, FIFOBuffer):
        return bool(one.size == other.size)
    if not _compares(type(one)) and hasattr(one, "__dict__"):
        mine, its = vars(one), vars(other)
        return mine.keys() == its.keys() and all(_alike(value, its[name]) for name, value in mine.items())
    return bool(one == other)


def _compares(kind: type) -> bool:
    """Whether a class has an equality of its own."""
    return any("__eq__" in vars(each) for each in kind.__mro__ if each is not object)


def _check_written(what: str, value: Any) -> None:
    try:
        codec.dumps(value)
    except (TypeError, ValueError) as error:
        raise Unwritable(f"{what} has no text form: {error}") from error
