"""The parts of a run as plain data, from which another process can make them again, or say that it cannot.

A description is a dict with one of these keys:

| key | and | what it stands for |
|---|---|---|
| `reference` | | an object of a module, such as a function, a bundle or a program |
| `made_by` | `args`, `kwargs` | what a `rebuildable` function makes of these |
| `class` | `values`, `fingerprint` | a new program of a class, with these first values and then this fingerprint |
| `class` | `options` | a class that is none of opto's, with described options |
| `name` | `options` | a class of opto by its name, with described options |
| `value` | | plain data |
| `model` | `options` | `opto.llm.LLM(name, **options)` |
| `missing` | | nothing; why |
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from opto.llm import FromCallable, LiteLLM, Model, Retrying
from opto.runs import codec
from opto.secrets import holds_secret
from opto.trace.modules import Module
from opto.trace.nodes import ParameterNode
from opto.trainer.assembling.parts import GUIDES, Parts
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.guides.base import Guide
from opto.trainer.guides.functions import FunctionGuide
from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.rebuilding.references import UnresolvedError, is_rebuildable, made_by, reference_to, resolve

__all__ = [
    "Description",
    "NotRebuiltError",
    "described",
    "described_class",
    "described_guide",
    "described_program",
    "parameter_places",
    "parameters_again",
    "rebuilt",
]

Description = dict[str, Any]


class NotRebuiltError(LookupError):
    """A part cannot be made again from its description; the message says why."""


# ---- to a description


def described(thing: Any) -> Description:
    """The description of an option: plain data, a model, a dict of scores' configuration, or an object of a module."""
    if isinstance(thing, ObjectiveConfig):
        fields = {each.name: getattr(thing, each.name) for each in dataclasses.fields(thing)}
        return {"name": "ObjectiveConfig", "options": {name: {"value": value} for name, value in fields.items()}}
    try:
        text = codec.dumps(thing)
    except (TypeError, ValueError):
        return _known(thing) or _model(thing) or {"missing": f"{_kind(thing)} has no text form"}
    if holds_secret(text):
        return {"missing": "it holds a key or a password, which is not written"}
    return {"value": thing}


def described_class(parts: Parts, kind: type[Any] | None, options: Mapping[str, Any] | None) -> Description:
    """The description of a class with the options that it was called with; `kind` None for one that is chosen anew."""
    found = {name: described(value) for name, value in (options or {}).items()}
    missing = [f"its option {name}: {each['missing']}" for name, each in found.items() if "missing" in each]
    if missing:
        return {"missing": missing[0]}
    name = None if kind is None else parts.name_of(kind)
    if kind is None or name is not None:
        return {"name": name, "options": found}
    reference = reference_to(kind)
    if reference is None:
        return {"missing": f"the class {kind.__qualname__} is not at the top level of a module"}
    return {"class": reference, "options": found}


def described_program(model: Any) -> Description:
    """The description of what is trained, with the values that it has now."""
    known = _known(model)
    if known is not None and not known.get("reference", "").startswith("__main__:"):
        return known
    kind = type(model)
    if isinstance(model, Module) and not _parameters(kind):
        reference = reference_to(kind)
        try:
            if reference is not None and (known is None or not reference.startswith("__main__:")):
                values = model.state_dict()
                codec.dumps(values)
                return {"class": reference, "values": values, "fingerprint": fingerprint(model)}
        except (TypeError, ValueError):
            pass
    return known or {
        "missing": f"{_kind(model)} is no variable of a module, and cannot be made again without knowing how "
        "(opto.trainer.rebuildable marks functions that make programs)"
    }


def described_guide(guide: Any) -> Description:
    """The description of a guide that was given as an object."""
    if isinstance(guide, FunctionGuide):
        return _known(guide.function) or {"missing": f"{_kind(guide.function)} is not at the top level of a module"}
    found = _known(guide)
    if found is not None:
        return found
    state, kind = dict(guide.state()), type(guide)
    name = GUIDES.name_of(kind)
    if name is not None and set(state) <= _parameters(kind):
        model = getattr(guide, "_model", None)  # a judge's, which is not in its state
        return described_class(GUIDES, kind, state if model is None else {**state, "llm": model})
    if isinstance(guide, Guide) and not _parameters(kind) and not state:
        return described_class(GUIDES, kind, {})
    return {"missing": f"{_kind(guide)} is no variable of a module"}


def _known(thing: Any) -> Description | None:
    made = made_by(thing)
    if made is not None and reference_to(made.function) is not None:
        try:
            codec.dumps([list(made.args), made.kwargs])
        except (TypeError, ValueError):
            return None
        return {"made_by": reference_to(made.function), "args": list(made.args), "kwargs": dict(made.kwargs)}
    reference = reference_to(thing)
    return None if reference is None else {"reference": reference}


def _model(thing: Any) -> Description | None:
    """A model that a name and options stand for, or a function."""
    if not isinstance(thing, Model):
        return None
    if isinstance(thing, FromCallable):
        return _known(thing.function)
    inner = thing.model if type(thing) is Retrying else thing
    if type(inner) is not LiteLLM:
        return None
    options = described(dict(inner.options))
    return {"model": inner.model, "options": inner.options} if "value" in options else options


def _parameters(kind: type[Any]) -> set[str]:
    try:
        return set(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return {"..."}


def _kind(thing: Any) -> str:
    name = getattr(thing, "__qualname__", None)
    return str(name) if name else f"an object of the class {type(thing).__qualname__}"


# ---- and back


def rebuilt(description: Mapping[str, Any], main: str | None) -> Any:
    """The part that a description stands for; for a class with options, the class and the options as a pair.

    Args:
        description: see the module.
        main: the name of the script that was run then.

    Raises:
        NotRebuiltError: there is no such part in this process.
    """
    if "missing" in description:
        raise NotRebuiltError(str(description["missing"]))
    try:
        if "value" in description:
            return description["value"]
        if "reference" in description:
            return resolve(description["reference"], main)
        if "made_by" in description:
            return _made_again(description, main)
        if "values" in description:
            return _program(description, main)
        if "class" in description:
            return resolve(description["class"], main), _options(description, main)
    except UnresolvedError as error:
        raise NotRebuiltError(str(error)) from None
    options = _options(description, main) if "name" in description else description.get("options", {})
    if "model" in description:
        return Retrying(LiteLLM(description["model"], **options))
    if description.get("name") == "ObjectiveConfig":
        return ObjectiveConfig(**options)
    if "name" in description:
        return description["name"], options
    raise NotRebuiltError("it is described in a way that this version does not know")


def _options(description: Mapping[str, Any], main: str | None) -> dict[str, Any]:
    return {name: rebuilt(each, main) for name, each in description["options"].items()}


def _made_again(description: Mapping[str, Any], main: str | None) -> Any:
    function = resolve(description["made_by"], main)
    if not is_rebuildable(function):
        raise NotRebuiltError(f"{description['made_by']} is not marked with @opto.trainer.rebuildable")
    return function(*description["args"], **description["kwargs"])


def _program(description: Mapping[str, Any], main: str | None) -> Any:
    kind = resolve(description["class"], main)
    if not (isinstance(kind, type) and issubclass(kind, Module)) or _parameters(kind):
        raise NotRebuiltError(f"{description['class']} is no class of programs that needs no arguments (any more)")
    made = kind()
    try:
        made.load_state_dict(description["values"])
        same = fingerprint(made) == description["fingerprint"]
    except (KeyError, TypeError):
        same = False
    if not same:
        raise NotRebuiltError(f"a new {kind.__name__} is not like the one that the run began with")
    return made


def parameter_places(parameters: list[ParameterNode[Any]]) -> list[Description] | None:
    """Where parameters that a program reads from around it are found again; None where one is not."""
    found = [_parameter_place(each) for each in parameters]
    return None if any(each is None for each in found) else [each for each in found if each is not None]


def _parameter_place(parameter: ParameterNode[Any]) -> Description | None:
    reference = reference_to(parameter)
    if reference is not None:
        return {"reference": reference}
    link = getattr(parameter, "_origin", None)
    origin = None if link is None else link()
    if origin is not None and getattr(origin, "parameter", None) is parameter:
        reference = reference_to(origin)
        return None if reference is None else {"code_of": reference}
    return None


def parameters_again(places: list[Mapping[str, Any]], main: str | None) -> list[ParameterNode[Any]]:
    """The parameters at these places.

    Raises:
        NotRebuiltError: one is not there.
    """
    found = []
    for place in places:
        try:
            thing = resolve(place.get("code_of", place.get("reference")), main)
        except UnresolvedError as error:
            raise NotRebuiltError(str(error)) from None
        parameter = getattr(thing, "parameter", None) if "code_of" in place else thing
        if not isinstance(parameter, ParameterNode):
            raise NotRebuiltError(f"{place} is no parameter (any more)")
        found.append(parameter)
    return found
