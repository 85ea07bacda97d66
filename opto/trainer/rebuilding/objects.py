"""Guides and optimizers that were given as objects, as plain data.

They are descriptions of a class with options (see `opto.trainer.rebuilding.described`), and besides:

| of a guide | `state` | what its `load_state` gets |
|---|---|---|
| of an optimizer | `parameters` | their paths in the program |
| | `attributes` | those that differ from what its class gives, described; a memory of attempts by its `size` |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opto.optimizers import Optimizer
from opto.optimizers.buffers import FIFOBuffer
from opto.trace.nodes import ParameterNode
from opto.trainer.assembling.parts import GUIDES, OPTIMIZERS, Parts
from opto.trainer.guides.base import Guide
from opto.trainer.guides.functions import FunctionGuide
from opto.trainer.rebuilding.described import (
    Description,
    NotRebuiltError,
    described,
    described_class,
    kind_name,
    known,
    parameter_names,
    rebuilt,
)
from opto.trainer.rebuilding.references import Source

__all__ = ["described_guide", "described_optimizer", "rebuilt_guide", "rebuilt_optimizer"]

_OF_ANY_OPTIMIZER = {"parameters", "llm", "steps", "usage", "log", "summary_log"}
"""Attributes of optimizers that are not looked at: they are told otherwise, or are what was learned."""


# ---- to a description


def described_guide(guide: Any) -> Description:
    """The description of a guide that was given as an object."""
    if isinstance(guide, FunctionGuide):
        return known(guide.function) or {"missing": f"{kind_name(guide.function)} is not at the top level of a module"}
    found = known(guide)
    if found is not None:
        return found
    if not isinstance(guide, Guide):
        return {"missing": f"{kind_name(guide)} is not at the top level of a module"}
    state, kind = dict(guide.state()), type(guide)
    options: dict[str, Any] = {}
    if GUIDES.name_of(kind) is not None and set(state) <= parameter_names(kind):
        model = getattr(guide, "_model", None)  # a judge's, which is not in its state
        options, state = state if model is None else {**state, "llm": model}, {}
    description = described_class(GUIDES, kind, options)
    if state:
        description["state"] = described(state)
        description.update({name: why for name, why in description["state"].items() if name == "missing"})
    if "missing" in description:
        return description
    try:
        again = kind(**options)
        if state:
            again.load_state(state)
    except (TypeError, ValueError) as error:
        return {"missing": f"a {kind.__name__} cannot be made of its state: {error}"}
    return description if _alike(again, guide) else {"missing": "it has more than what its state() tells"}


def described_optimizer(optimizer: Optimizer, paths: Mapping[int, str]) -> Description:
    """The description of an optimizer that was given as an object, without what it has learned.

    Args:
        optimizer: stays as it is.
        paths: where in the program each parameter is, by id.
    """
    if any(id(each) not in paths for each in optimizer.parameters):
        return {"missing": "its parameters are not all in the program"}
    kind, options = type(optimizer), {} if optimizer.llm is None else {"llm": optimizer.llm}
    description = described_class(OPTIMIZERS, kind, options)
    if "missing" in description:
        return description
    try:
        fresh = kind(optimizer.parameters, **options)
    except TypeError as error:
        return {"missing": f"{kind.__name__} needs more than parameters and a model: {error}"}
    attributes = {}
    for name, value in vars(optimizer).items():
        if not (name.startswith("_") or name in _OF_ANY_OPTIMIZER or _alike(value, vars(fresh).get(name))):
            attributes[name] = {"size": value.size} if isinstance(value, FIFOBuffer) else described(value)
            if "missing" in attributes[name]:
                return {"missing": f"its attribute {name}: {attributes[name]['missing']}"}
    parameters = [paths[id(each)] for each in optimizer.parameters]
    return {**description, "parameters": parameters, "attributes": attributes}


# ---- and back


def rebuilt_guide(description: Mapping[str, Any], source: Source) -> Any:
    """The guide, or the function, that `described_guide` described.

    Raises:
        NotRebuiltError: it cannot be made.
    """
    if "options" not in description:
        return rebuilt(description, source)
    kind, options = _class(description, source, GUIDES, Guide)
    try:
        made = kind(**options)
        if "state" in description:
            made.load_state(rebuilt(description["state"], source))
    except (TypeError, ValueError) as error:
        raise NotRebuiltError(f"a {kind.__name__} cannot be made of its state: {error}") from error
    return made


def rebuilt_optimizer(
    description: Mapping[str, Any], source: Source, parameters: Mapping[str, ParameterNode[Any]]
) -> Optimizer:
    """The optimizer that `described_optimizer` described.

    Args:
        description: of it.
        source: whence it comes.
        parameters: those of the program, by path.

    Raises:
        NotRebuiltError: it does not suit this program, or cannot be made.
    """
    kind, options = _class(description, source, OPTIMIZERS, Optimizer)
    if not options.keys() <= {"llm"}:
        raise NotRebuiltError(f"it has the options {', '.join(options)}, and only llm is written")
    missing = [path for path in description["parameters"] if path not in parameters]
    if missing:
        raise NotRebuiltError(f"the program has no parameter {missing[0]!r}, which it had")
    try:
        made: Optimizer = kind([parameters[path] for path in description["parameters"]], **options)
    except TypeError as error:
        raise NotRebuiltError(f"{kind.__name__} needs more than parameters and a model: {error}") from error
    for name, each in description["attributes"].items():
        if name.startswith("_") or name not in vars(made):
            raise NotRebuiltError(f"a {kind.__name__} has no attribute {name}")
        setattr(made, name, FIFOBuffer(each["size"]) if "size" in each else rebuilt(each, source))
    return made


# ---- internals


def _class(description: Mapping[str, Any], source: Source, parts: Parts, role: type[Any]) -> tuple[Any, dict[str, Any]]:
    """A class of a role and its options."""
    kind, options = rebuilt(description, source)
    try:
        kind = parts.named(kind) if isinstance(kind, str) else kind
    except ValueError as error:
        raise NotRebuiltError(str(error)) from None
    if not isinstance(kind, type) or not issubclass(kind, role):
        raise NotRebuiltError(f"{description.get('class')} is no {role.__name__} (any more)")
    return kind, options


def _alike(one: Any, other: Any) -> bool:
    """Whether two objects have the same settings."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, FIFOBuffer):
        return bool(one.size == other.size)
    compares = any("__eq__" in vars(each) for each in type(one).__mro__ if each is not object)
    if not compares and hasattr(one, "__dict__"):
        mine, its = vars(one), vars(other)
        return mine.keys() == its.keys() and all(_alike(value, its[name]) for name, value in mine.items())
    return bool(one == other)
